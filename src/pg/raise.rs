//! Errors of this folder: what PostgreSQL would say where its objects are not what they were.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

/// Keeps panics quiet for the rest of this process: each is reported as an error of PostgreSQL. pgrx's own hook, which this
/// replaces, captures a backtrace where the server's environment says `RUST_BACKTRACE`, and shows it to the client.
pub fn report_no_backtraces() {
    std::panic::set_hook(Box::new(|_| ()));
}

/// Raises an error, with a hint that says what to do.
pub fn raise(code: PgSqlErrorCode, message: impl Into<String>, hint: &str) -> ! {
    ErrorReport::new(code, message.into(), "token_auth").set_hint(hint).report(PgLogLevel::ERROR);
    unreachable!("reporting an ERROR does not return")
}

/// What to do where an object of the extension is missing or has another form.
pub const CREATE_AGAIN: &str = "Objects of the extension were altered or dropped. ALTER EXTENSION token_auth UPDATE brings \
                                them in step with the library; otherwise drop and create the extension.";
