//! API tokens inside a PostgreSQL database: issue, verify, scope, pause, reset and revoke them in SQL.
//!
//! What users see is in the README; the SQL objects are in `sql/`, one file a subject, and each function there names
//! the Rust function behind it, which lives in the module of the same capability. The rules that know no database
//! (scopes, secrets, names, the verdict) are the crate `token_auth_core`.

#![deny(unsafe_code)]

mod access;
mod account;
mod announce;
mod arguments;
mod cache;
mod catalog;
mod checks;
mod domain;
mod erase;
mod error;
mod facts;
mod health;
mod install;
mod issue;
mod last_token;
mod permission;
mod profile;
mod protect;
mod reset;
mod roles;
mod schema;
mod sealing;
mod session;
mod session_token;
mod settings;
#[allow(unsafe_code, reason = "the one folder where unsafe code lives")]
mod store;
mod sweep;
mod token;
mod verify;
mod worker;

pgrx::pg_module_magic!(name, version);

/// Called once by PostgreSQL when it loads the library: in the postmaster when it is preloaded, else in a backend.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    store::fault::report_no_backtraces();
    settings::define();
    store::error_detail::hide_from_now_on();
    store::invalidation::register_callbacks();
    if store::server::is_preloading() && !store::server::is_being_upgraded() {
        worker::register();
    }
}
