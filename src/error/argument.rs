//! Errors of arguments: 22023 (invalid_parameter_value), 22004 (null_value_not_allowed) for a NULL that would widen a call,
//! or 22021 for text that is not UTF-8.

use std::fmt;

use pgrx::PgSqlErrorCode;
use token_auth_core::limits::{MAX_METADATA, MAX_SCOPES};
use token_auth_core::name::{self, NameError};
use token_auth_core::scope::{self, ScopeError};

use super::Report;
use super::names::ProfileName;
use super::redact::quoted;

/// An argument that a function does not accept. `what` is the name of the argument or of the kind of object.
#[derive(Debug)]
pub enum ArgumentError {
    Null(&'static str),
    /// 22004: NULL would let the call do more than a value.
    NullWidens {
        what: &'static str,
        instead: &'static str,
    },
    NotUtf8(&'static str),
    BadName {
        what: &'static str,
        name: String,
        why: NameError,
    },
    BadScope {
        scope: String,
        why: ScopeError,
    },
    NoScopes,
    TooManyScopes(usize),
    UnknownScope {
        scope: String,
        profile: ProfileName,
        known: KnownScopes,
        near: Vec<String>,
    },
    NoDomain,
    DomainAndAllDomains,
    ExpiryInThePast,
    ExpiryTooLate,
    GraceWithoutEnd(i64),
    ImpossibleGrace,
    MetadataTooLarge(i64),
    MetadataNotObject,
    NotConfirmed {
        what: &'static str,
        id: i64,
    },
    Unconfirmed {
        profile: ProfileName,
        id: i64,
    },
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
            Self::NullWidens { .. } => PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            _ => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        };
        Report::new(code, self.word(), self.message(), self.hint())
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Null(_) | Self::NullWidens { .. } => "null_argument",
            Self::NotUtf8(_) => "not_utf8",
            Self::BadName { .. } => "bad_name",
            Self::BadScope { .. } => "bad_scope",
            Self::NoScopes => "no_scopes",
            Self::TooManyScopes(_) => "too_many_scopes",
            Self::UnknownScope { .. } => "unknown_scope",
            Self::NoDomain => "no_domain",
            Self::DomainAndAllDomains => "domain_and_all_domains",
            Self::ExpiryInThePast => "expiry_in_the_past",
            Self::ExpiryTooLate => "expiry_too_late",
            Self::GraceWithoutEnd(_) => "grace_without_end",
            Self::ImpossibleGrace => "bad_grace",
            Self::MetadataTooLarge(_) => "metadata_too_large",
            Self::MetadataNotObject => "metadata_not_object",
            Self::NotConfirmed { .. } => "wrong_confirm_name",
            Self::Unconfirmed { .. } => "confirms_delete",
            Self::BadLimit => "bad_max_tokens",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Null(what) | Self::NullWidens { what, .. } => format!("{what} must not be NULL"),
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
                format!("{} does not know the scope {}", profile.shown(), quoted(scope))
            }
            Self::NoDomain => "domain is NULL, and all_domains is not true".to_string(),
            Self::DomainAndAllDomains => "domain and all_domains are both given".to_string(),
            Self::ExpiryInThePast => "expires_at is in the past".to_string(),
            Self::ExpiryTooLate => "expires_at is not before 9999-12-30 UTC".to_string(),
            Self::GraceWithoutEnd(id) => format!("token {id} was reset, so its grace must end"),
            Self::ImpossibleGrace => "grace is negative, infinite or too long".to_string(),
            Self::MetadataNotObject => "metadata is not a JSON object".to_string(),
            Self::MetadataTooLarge(bytes) => format!("metadata of {bytes} bytes is too large"),
            Self::NotConfirmed { what, id } => {
                format!("confirm_name is not the name of {what} {id}; nothing was deleted")
            }
            Self::Unconfirmed { profile, id } => {
                format!("{} asks for the name of token {id} to delete it (confirms_delete is true)", profile.shown())
            }
            Self::BadLimit => "max_tokens must be greater than zero".to_string(),
        }
    }

    fn hint(&self) -> String {
        let hint = match self {
            Self::Null(_) => "Pass a value for it.",
            Self::NullWidens { instead, .. } => instead,
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
            Self::ExpiryTooLate => "Pass an earlier time, or infinity for a token that never expires.",
            Self::GraceWithoutEnd(_) => "Pass the time at which its grace ends.",
            Self::MetadataNotObject => "Pass an object such as {\"plan\": \"pro\"}, encoded once.",
            Self::ExpiryInThePast => {
                "Pass a time in the future, or infinity for a token that never expires; to end a token now, delete it."
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
