//! Errors of permissions: 42501 (insufficient_privilege).

use pgrx::PgSqlErrorCode;

use super::Report;
use super::names::{AccountName, ProfileName};
use super::redact::quoted;

/// A call that the caller may not make.
#[derive(Debug)]
pub enum PermissionError {
    /// The profile does not allow it. `action` completes "does not allow ...".
    Profile { profile: ProfileName, rule: &'static str, action: &'static str, instead: &'static str },
    /// The actor is not an administrator of the account.
    NotAdministrator { actor: String, account: AccountName, profile: ProfileName, has_administrator: bool },
    /// A secret was refused in this transaction.
    Refused,
    /// The session token is no longer valid.
    SessionTokenInvalid(i64),
    /// The session token has not the access that the call takes.
    SessionTokenLacks { token_id: i64, right: MissingRight },
    /// No token may make this call. `action` completes "may not ...".
    NotForTokens { token_id: i64, action: &'static str },
}

/// The access that the session token does not have.
#[derive(Clone, Debug)]
pub enum MissingRight {
    /// `domains:full`, account-wide.
    Domains,
    /// `tokens:full`, account-wide or for the home of the managed token.
    Tokens,
    /// The access that the call would grant.
    GrantedAccess,
    /// Full access to every domain, which covers the token of a new domain.
    AccessOfDomainToken,
    /// Any access to the domain that the call names.
    AccessToDomain,
    /// The access of this token.
    AccessOf(i64),
    /// A life as long as the call would give. It ends at this time, in UTC.
    Lifetime(String),
    /// A life as long as that of this token. `action` completes "cannot ... token 1".
    LifeOf { other: i64, action: &'static str },
    /// To be accepted from all networks that the call would give.
    Networks,
    /// To be accepted from all networks of this token. `action` completes "cannot ... token 1".
    NetworksOf { other: i64, action: &'static str },
    /// The owner that the call would give.
    Owner,
}

impl PermissionError {
    pub(super) fn report(&self) -> Report {
        Report::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, self.word(), self.message(), self.hint())
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Profile { rule, .. } => rule,
            Self::NotAdministrator { .. } => "admins_only",
            Self::Refused => "refused",
            Self::SessionTokenInvalid(_) => "session_token_invalid",
            Self::SessionTokenLacks { right, .. } => match right {
                MissingRight::Domains => "lacks_domains_full",
                MissingRight::Tokens => "lacks_tokens_full",
                MissingRight::GrantedAccess => "lacks_granted_access",
                MissingRight::AccessOfDomainToken => "lacks_full_access",
                MissingRight::AccessToDomain => "lacks_access_to_domain",
                MissingRight::AccessOf(_) => "lacks_access_of_token",
                MissingRight::Lifetime(_) | MissingRight::LifeOf { .. } => "longer_life",
                MissingRight::Networks | MissingRight::NetworksOf { .. } => "more_networks",
                MissingRight::Owner => "another_owner",
            },
            Self::NotForTokens { .. } => "not_for_tokens",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Profile { profile, rule, action, .. } => {
                format!("{} does not allow {action} ({rule} is false)", profile.shown())
            }
            Self::NotAdministrator { actor, account, profile, .. } => format!(
                "{} is not an administrator of {} ({}: admins_only is true)",
                quoted(actor),
                account.shown(),
                profile.shown()
            ),
            Self::Refused => {
                "the transaction is refused: the secret that it was to be authenticated with is not valid".to_string()
            }
            Self::SessionTokenInvalid(id) => format!("token {id} of this transaction is no longer valid"),
            Self::SessionTokenLacks { token_id, right } => match right {
                MissingRight::Domains => format!("token {token_id} may not manage domains"),
                MissingRight::Tokens => format!("token {token_id} may not manage tokens here"),
                MissingRight::GrantedAccess => format!("token {token_id} cannot grant access that it does not have"),
                MissingRight::AccessOfDomainToken => format!(
                    "token {token_id} may not create a domain, which brings a token with full access to it \
                     (creates_domain_token is true)"
                ),
                MissingRight::AccessToDomain => format!("token {token_id} has no access to that domain"),
                MissingRight::AccessOf(other) => {
                    format!("token {token_id} may not manage token {other}, which has access that it does not have")
                }
                MissingRight::Lifetime(end) => {
                    format!("token {token_id} cannot give a token a longer life than its own, which ends at {end}")
                }
                MissingRight::LifeOf { other, action } => {
                    format!("token {token_id} cannot {action} token {other}, which lives longer than it does")
                }
                MissingRight::Networks => {
                    format!("token {token_id} cannot create a token for other networks than its own")
                }
                MissingRight::NetworksOf { other, action } => {
                    format!("token {token_id} cannot {action} token {other}, which is accepted from more networks")
                }
                MissingRight::Owner => format!("token {token_id} cannot create a token of another owner"),
            },
            Self::NotForTokens { token_id, action } => format!("token {token_id} of this transaction may not {action}"),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Profile { instead, .. } => instead,
            Self::NotAdministrator { has_administrator: true, .. } => {
                "One of its administrators can add others with token_auth.add_account_admin."
            }
            Self::NotAdministrator { has_administrator: false, .. } => {
                "It has none yet: any caller of token_auth.add_account_admin can add the first."
            }
            Self::Refused => {
                "Roll it back, or authenticate with a valid secret. token_auth.deauthenticate() makes it act as the role again."
            }
            Self::SessionTokenInvalid(_) => {
                "It was deleted or paused, or has expired. Begin a new transaction and authenticate again."
            }
            Self::SessionTokenLacks { right, .. } => match right {
                MissingRight::Domains => "It takes domains:full with all_domains.",
                MissingRight::Tokens => "It takes tokens:full, with all_domains or for the home of the managed token.",
                MissingRight::GrantedAccess => "Grant less, or authenticate as a token that has it.",
                MissingRight::AccessOfDomainToken => "It takes full access (*) with all_domains.",
                MissingRight::AccessToDomain => "Authenticate as a token that has access to it.",
                MissingRight::AccessOf(_) => "Authenticate as a token that has all the access of the other.",
                MissingRight::Lifetime(_) => "Pass an expires_at that is no later.",
                MissingRight::LifeOf { .. } => "Authenticate as a token that lives as long, or never expires.",
                MissingRight::Networks => "Leave networks out: the new token has those of the session token.",
                MissingRight::NetworksOf { .. } => "Authenticate as a token that is accepted from them, too.",
                MissingRight::Owner => "Leave owner out: the new token has that of the session token.",
            },
            Self::NotForTokens { .. } => "Do it in a transaction that is not authenticated as a token.",
        }
    }
}
