//! Errors. They are part of the interface: each has an SQLSTATE, a message, a hint, and a stable word in the field CONSTRAINT.
//!
//! Each group of errors is one file: its enum, and the report of each variant.

mod argument;
mod boundary;
mod environment;
mod names;
mod not_found;
mod permission;
mod redact;
mod sealing;
mod state;

pub use argument::{ArgumentError, KnownScopes};
pub use boundary::{guarded, map_foreign_key_violation, map_unique_violation};
pub use environment::EnvironmentError;
pub use names::{AccountName, DomainName, ProfileName};
pub use not_found::NotFound;
pub use permission::{MissingRight, PermissionError};
pub use redact::{excerpt, redacted};
pub use sealing::{KeyFileProblem, SealingError};
pub use state::StateError;

use pgrx::PgSqlErrorCode;

/// The error of a function of the extension.
#[derive(Debug)]
pub enum Error {
    Argument(ArgumentError),
    NotFound(NotFound),
    State(StateError),
    Permission(PermissionError),
    Sealing(SealingError),
    Environment(EnvironmentError),
}

macro_rules! from_group {
    ($($group:ident($error:ty)),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$group(error)
            }
        })*
    };
}

from_group!(
    Argument(ArgumentError),
    NotFound(NotFound),
    State(StateError),
    Permission(PermissionError),
    Sealing(SealingError),
    Environment(EnvironmentError),
);

impl Error {
    fn report(&self) -> Report {
        match self {
            Error::Argument(error) => error.report(),
            Error::NotFound(error) => error.report(),
            Error::State(error) => error.report(),
            Error::Permission(error) => error.report(),
            Error::Sealing(error) => error.report(),
            Error::Environment(error) => error.report(),
        }
    }
}

/// An error as PostgreSQL reports it.
struct Report {
    code: PgSqlErrorCode,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    /// The field CONSTRAINT of the error: a stable word for each error of the extension, or the violated constraint.
    constraint: String,
    /// The server must not log the statement, which may contain a secret.
    hides_statement: bool,
}

impl Report {
    fn new(code: PgSqlErrorCode, word: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let constraint = word.to_string();
        Self {
            code,
            message: message.into(),
            detail: None,
            hint: Some(hint.into()),
            constraint,
            hides_statement: false,
        }
    }

    fn hiding_statement(self) -> Self {
        Self { hides_statement: true, ..self }
    }
}
