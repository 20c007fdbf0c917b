//! Errors of objects that do not exist: P0002 (no_data_found).

use pgrx::PgSqlErrorCode;

use super::Report;
use super::redact::quoted;

/// An object that does not exist, or that is unknown to the caller.
#[derive(Debug)]
pub enum NotFound {
    Account(i64),
    Profile(String),
    Domain(i64),
    DomainName { name: String, account_id: i64 },
    Token(i64),
}

impl NotFound {
    pub(super) fn report(&self) -> Report {
        let (word, message, hint) = match self {
            Self::Account(id) => (
                "unknown_account",
                format!("account {id} does not exist"),
                "SELECT id, name FROM token_auth.account lists those that do.",
            ),
            Self::Profile(name) => (
                "unknown_profile",
                format!("profile {} does not exist", quoted(name)),
                "SELECT name FROM token_auth.profile lists those that do.",
            ),
            Self::Domain(id) => (
                "unknown_domain",
                format!("domain {id} does not exist"),
                "SELECT id, account_id, name FROM token_auth.domain lists those that do; account_id, if given, must be that of the domain.",
            ),
            Self::DomainName { name, account_id } => (
                "unknown_domain",
                format!("account {account_id} has no domain {}", quoted(name)),
                "Create it with token_auth.create_domain.",
            ),
            Self::Token(id) => (
                "unknown_token",
                format!("token {id} does not exist"),
                "SELECT id, account_id, name FROM token_auth.tokens lists those that do; account_id, if given, must be that of the token.",
            ),
        };
        Report::new(PgSqlErrorCode::ERRCODE_NO_DATA_FOUND, word, message, hint)
    }
}
