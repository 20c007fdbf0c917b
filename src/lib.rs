//! API tokens inside a PostgreSQL database: issue, verify, scope, pause, reset and revoke them in SQL.
//!
//! A folder is a layer, and imports run downward only: see ARCHITECTURE.md. The SQL objects are in `sql/`, and each SQL
//! function names the Rust function behind it. Everything that needs no PostgreSQL is in the crate `token_auth_core`.

#![deny(unsafe_code)]

mod arguments;
mod error;
mod guc;
mod install;
mod manage;
mod model;
mod permission;
#[allow(unsafe_code, reason = "the only folder with unsafe code")]
mod pg;
mod session;
mod triggers;
mod verify;
mod worker;

pgrx::pg_module_magic!(name, version);

/// Runs when PostgreSQL loads the library: in the postmaster if it is preloaded, otherwise in a session.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::raise::hide_backtraces();
    guc::define();
    session::define_identity();
    pg::guc::reserve_prefix(c"token_auth");
    pg::log_hook::install();
    pg::inval::register_callbacks();
    pg::sticky_flag::register_callbacks();
    if pg::extension::is_preloading() && !pg::extension::is_binary_upgrade() {
        worker::register();
    }
}
