//! Errors of the surroundings of a call: its transaction, the database, the roles, the operating system.

use pgrx::PgSqlErrorCode::*;

use super::Report;
use super::redact::quoted;

/// Surroundings in which a call cannot work.
#[derive(Debug)]
pub enum EnvironmentError {
    /// 25000: the function was called during a parallel query.
    ParallelQuery(&'static str),
    /// 0A000: the encoding of the database is not supported.
    Encoding(String),
    /// 55000: a role of the extension has attributes or memberships that it must not have.
    RoleHasMore { role: &'static str, what: String },
    /// 39P01: a trigger function was called for a table of somebody else.
    ForeignTable,
    /// 58030
    NoRandomness(String),
}

impl EnvironmentError {
    pub(super) fn report(&self) -> Report {
        match self {
            Self::ParallelQuery(function) => Report::new(
                ERRCODE_INVALID_TRANSACTION_STATE,
                format!("{function} cannot be called while a parallel query is running"),
                "Call it in a statement of its own.",
            ),
            Self::Encoding(encoding) => Report::new(
                ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("token_auth does not work in a database with the encoding {encoding}"),
                "Create the extension in a database with the encoding UTF8.",
            ),
            Self::RoleHasMore { role, what } => Report::new(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("role {} exists, and has more than the extension gives it: {what}", quoted(role)),
                "token_auth acts as this role, so it must have no attribute and no membership in either direction: \
                 revoke them (REVOKE, ALTER ROLE), or drop the role.",
            ),
            Self::ForeignTable => Report::new(
                ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "a trigger function of token_auth was called for a table that is not its own",
                "Drop the trigger; these functions are for the tables of token_auth only.",
            ),
            Self::NoRandomness(reason) => Report::new(
                ERRCODE_IO_ERROR,
                format!("the operating system gave no random bytes: {reason}"),
                "No token was created. Try again.",
            ),
        }
    }
}
