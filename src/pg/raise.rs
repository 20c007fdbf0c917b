//! Raising PostgreSQL errors with a hint.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

use super::error_fields::NamedConstraint;

/// The hint of every error about a missing or altered object of the extension.
pub const RECREATE_HINT: &str = "Objects of the extension were altered or dropped. ALTER EXTENSION token_auth UPDATE brings \
                                 them in step with the library; otherwise drop and create the extension.";

/// Raises an error with this hint.
pub fn raise(code: PgSqlErrorCode, message: impl Into<String>, hint: &str) -> ! {
    ErrorReport::new(code, message.into(), "token_auth").set_hint(hint).report(PgLogLevel::ERROR);
    unreachable!("reporting an ERROR does not return")
}

/// Raises an error with the name of a constraint, or a word like it, in its field CONSTRAINT. The server does not log the statement
/// with it if `hides_statement` is true.
pub fn raise_with_constraint(report: ErrorReport, constraint: &str, hides_statement: bool) -> ! {
    NamedConstraint::of_next_error(constraint, hides_statement);
    report.report(PgLogLevel::ERROR);
    unreachable!("reporting an ERROR does not return")
}

/// Replaces the panic hook of this process by one that prints nothing.
///
/// Every panic is reported as a PostgreSQL error. The hook of pgrx would also capture a backtrace if the server's
/// environment sets `RUST_BACKTRACE`, and show it to the client.
pub fn hide_backtraces() {
    std::panic::set_hook(Box::new(|_| ()));
}
