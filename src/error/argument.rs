//! Errors of arguments: 22023 (invalid_parameter_value), 22004 (null_value_not_allowed) for a NULL that would widen a call,
//! or 22021 for text that is not UTF-8.

use std::fmt;

use pgrx::PgSqlErrorCode;
use token_auth_core::limits::{MAX_METADATA, MAX_NETWORKS, MAX_SCOPES};
use token_auth_core::name::{self, NameError};
use token_auth_core::scheme::{MAX_SECRET, MIN_SECRET, Scheme};
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
    /// The expiry is later than the profile's `max_lifetime` allows, which is at this time in UTC.
    BeyondMaxLifetime {
        profile: ProfileName,
        latest: String,
    },
    CreatedInTheFuture,
    NetworkCount(usize),
    UnknownScheme(String),
    /// Neither the secret nor its digest is given, or both are.
    SecretOrDigest,
    SecretLength(usize),
    /// The scheme is that of secrets of our own form, and the secret has another one.
    NotOwnForm,
    DigestLength {
        scheme: Scheme,
        length: usize,
    },
    /// The hint contains the secret, or the digest is that of the hint.
    HintIsSecret,
    NoFilter,
    DomainWithoutAccount,
    UnknownAction(String),
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
            Self::BeyondMaxLifetime { .. } => "max_lifetime",
            Self::CreatedInTheFuture => "created_in_the_future",
            Self::NetworkCount(_) => "bad_networks",
            Self::UnknownScheme(_) => "unknown_scheme",
            Self::SecretOrDigest => "secret_or_digest",
            Self::SecretLength(_) => "bad_secret_length",
            Self::NotOwnForm => "not_own_form",
            Self::DigestLength { .. } => "bad_digest_length",
            Self::HintIsSecret => "hint_is_secret",
            Self::NoFilter => "no_filter",
            Self::DomainWithoutAccount => "domain_without_account",
            Self::UnknownAction(_) => "unknown_action",
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
            Self::BeyondMaxLifetime { profile, .. } => {
                format!("expires_at is later than {} allows (max_lifetime)", profile.shown())
            }
            Self::CreatedInTheFuture => "created_at is in the future, or not a time".to_string(),
            Self::NetworkCount(count) => {
                format!("networks must have from 1 to {MAX_NETWORKS} networks and no NULL in it, not {count} elements")
            }
            Self::UnknownScheme(name) => format!("{} is not a scheme", quoted(name)),
            Self::SecretOrDigest => "exactly one of secret and digest must be given".to_string(),
            Self::SecretLength(length) => {
                format!("a secret of {length} bytes cannot be imported: it must have from {MIN_SECRET} to {MAX_SECRET}")
            }
            Self::NotOwnForm => "the secret does not have the form of one of token_auth".to_string(),
            Self::DigestLength { scheme, length } => format!(
                "a digest of {length} bytes does not fit the scheme {}, whose digests have {}",
                scheme.as_str(),
                scheme.foreign_length()
            ),
            Self::HintIsSecret => "hint contains the secret".to_string(),
            Self::NoFilter => "no filter is given".to_string(),
            Self::DomainWithoutAccount => "domain is given, and account_id is not".to_string(),
            Self::UnknownAction(action) => format!("{} is not an action", quoted(action)),
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
            Self::BeyondMaxLifetime { latest, .. } => return format!("Pass a time that is no later than {latest}."),
            Self::CreatedInTheFuture => "Pass when the token was created elsewhere, or leave it out for now.",
            Self::NetworkCount(_) => {
                "Pass an array such as ARRAY['192.0.2.0/24']::cidr[]; {0.0.0.0/0,::/0} means anywhere."
            }
            Self::UnknownScheme(_) => "Use token_auth, sha256, sha256_after_pipe or sha512.",
            Self::SecretOrDigest => "Pass the secret itself, or its digest as the other system stores it.",
            Self::SecretLength(_) => "A shorter secret can be guessed: give its holder a new token.",
            Self::NotOwnForm => "Leave scheme out, or pass sha256.",
            Self::DigestLength { .. } => "Pass its bytes: decode(..., 'hex') or decode(..., 'base64').",
            Self::HintIsSecret => "Pass only its beginning, or leave hint out.",
            Self::NoFilter => "Pass at least one of account_id, owner, created_by, created_before and domain.",
            Self::DomainWithoutAccount => "Names of domains are unique in an account: pass account_id, too.",
            Self::UnknownAction(_) => "Use delete or pause.",
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
