//! Errors of arguments: 22023 (invalid_parameter_value), or 22021 for text that is not UTF-8.

use std::fmt;

use pgrx::PgSqlErrorCode;
use token_auth_core::limits::{MAX_METADATA, MAX_SCOPES};
use token_auth_core::name::{self, NameError};
use token_auth_core::scope::{self, ScopeError};

use super::Report;
use super::redact::quoted;

/// An argument that a function does not accept. `what` is the name of the argument or of the kind of object.
#[derive(Debug)]
pub enum ArgumentError {
    Null(&'static str),
    NotUtf8(&'static str),
    BadName { what: &'static str, name: String, why: NameError },
    BadScope { scope: String, why: ScopeError },
    NoScopes,
    TooManyScopes(usize),
    UnknownScope { scope: String, profile: String, known: KnownScopes, near: Vec<String> },
    NoDomain,
    DomainAndAllDomains,
    ExpiryInThePast,
    ImpossibleGrace,
    MetadataTooLarge(i64),
    NotConfirmed { what: &'static str, id: i64 },
    Unconfirmed { profile: String, id: i64 },
    BadLimit,
}

/// The scopes that a profile knows, as a hint lists them.
#[derive(Debug)]
pub struct KnownScopes {
    pub listed: Vec<String>,
    /// The number of scopes that are not listed.
    pub more: usize,
}

impl fmt::Display for KnownScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.listed.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

impl ArgumentError {
    pub(super) fn report(&self) -> Report {
        let code = match self {
            Self::NotUtf8(_) => PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
            _ => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        };
        Report::new(code, self.message(), self.hint())
    }

    fn message(&self) -> String {
        match self {
            Self::Null(what) => format!("{what} must not be NULL"),
            Self::NotUtf8(what) => format!("{what} is not valid UTF-8"),
            Self::BadName { what, why: NameError::Blank, .. } => format!("{what} must not be blank"),
            Self::BadName { what, name, why: NameError::TooLong } => format!("{what} is too long: {}", quoted(name)),
            Self::BadName { what, name, why: NameError::ControlCharacter } => {
                format!("{what} contains a control character: {}", quoted(name))
            }
            Self::BadScope { scope, why: ScopeError::Wildcard } => {
                format!("{} is not a scope to ask for", quoted(scope))
            }
            Self::BadScope { scope, .. } => format!("{} is not a scope", quoted(scope)),
            Self::NoScopes => "scopes must have at least one scope and no NULL in it".to_string(),
            Self::TooManyScopes(count) => format!("{count} scopes are too many"),
            Self::UnknownScope { scope, profile, .. } => {
                format!("profile {} does not know the scope {}", quoted(profile), quoted(scope))
            }
            Self::NoDomain => "domain is NULL, and all_domains is not true".to_string(),
            Self::DomainAndAllDomains => "domain and all_domains are both given".to_string(),
            Self::ExpiryInThePast => "expires_at is in the past".to_string(),
            Self::ImpossibleGrace => "grace is negative, infinite or too long".to_string(),
            Self::MetadataTooLarge(bytes) => format!("metadata of {bytes} bytes is too large"),
            Self::NotConfirmed { what, id } => {
                format!("confirm_name is not the name of {what} {id}; nothing was deleted")
            }
            Self::Unconfirmed { profile, id } => format!(
                "profile {} asks for the name of token {id} to delete it (confirms_delete is true)",
                quoted(profile)
            ),
            Self::BadLimit => "max_tokens must be greater than zero".to_string(),
        }
    }

    fn hint(&self) -> String {
        let hint = match self {
            Self::Null(_) => "Pass a value for it.",
            Self::NotUtf8(_) => "Text is taken as UTF-8 in a database with the encoding SQL_ASCII.",
            Self::BadName { why: NameError::Blank, .. } => "Pass something that people can read.",
            Self::BadName { why: NameError::TooLong, .. } => {
                return format!("A name has at most {} characters.", name::MAX_LENGTH);
            }
            Self::BadName { why: NameError::ControlCharacter, .. } => {
                "Remove line breaks, tabs and other control characters from it."
            }
            Self::BadScope { why: ScopeError::Grammar, .. } => {
                "A scope is resource:action, such as email:send, email.templates:read or email:full; in a grant either \
                 side may be *."
            }
            Self::BadScope { why: ScopeError::TooLong, .. } => {
                return format!("A scope has at most {} characters.", scope::MAX_LENGTH);
            }
            Self::BadScope { why: ScopeError::Wildcard, .. } => {
                "Ask for one action, or for resource:full to ask whether all of a resource is granted."
            }
            Self::NoScopes => "Pass an array such as ARRAY['email:send'], or ARRAY['*'] for full access.",
            Self::TooManyScopes(_) => {
                return format!(
                    "A grant lists at most {MAX_SCOPES} scopes; grant a resource as a whole with resource:full."
                );
            }
            Self::UnknownScope { known, near, .. } if near.is_empty() => return format!("It knows *, {known}."),
            Self::UnknownScope { known, near, .. } => {
                return format!("Did you mean {}? It knows *, {known}.", near.join(" or "));
            }
            Self::NoDomain => "Name a domain, or pass all_domains => true to mean every domain of the account.",
            Self::DomainAndAllDomains => "Call the function once for the domain and once for all domains.",
            Self::ExpiryInThePast => {
                "Pass a time in the future, or NULL for a token that never expires; to end a token now, delete it."
            }
            Self::ImpossibleGrace => {
                "Pass how long the old secret stays valid, such as interval '12 hours', at most 100 years; zero ends it at once."
            }
            Self::MetadataTooLarge(_) => {
                return format!(
                    "A token's metadata has at most {MAX_METADATA} bytes as text; keep more in a table of your own."
                );
            }
            Self::NotConfirmed { .. } | Self::Unconfirmed { .. } => "Pass its exact name as confirm_name.",
            Self::BadLimit => "Pass a number of tokens, or NULL for all.",
        };
        hint.to_string()
    }
}
