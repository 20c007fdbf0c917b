//! API tokens inside a PostgreSQL database: issue, verify, scope, pause, reset and revoke them in SQL.
//!
//! What users see is in the README; the SQL objects are in `sql/`, one file a subject, and each function there names
//! the Rust function behind it, which lives in the module of the same capability. The rules that know no database
//! (scopes, secrets, names, the verdict) are the crate `token_auth_core`.

#![deny(unsafe_code)]

mod arguments;
mod error;
mod guc;
mod install;
mod manage;
mod model;
mod permission;
#[allow(unsafe_code, reason = "the one folder where unsafe code lives")]
mod pg;
mod session;
mod triggers;
mod verify;
mod worker;

pgrx::pg_module_magic!(name, version);

/// Called once by PostgreSQL when it loads the library: in the postmaster when it is preloaded, else in a backend.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::raise::report_no_backtraces();
    guc::define();
    pg::log_hook::hide_from_now_on();
    pg::inval::register_callbacks();
    if pg::server::is_preloading() && !pg::server::is_being_upgraded() {
        worker::register();
    }
}
