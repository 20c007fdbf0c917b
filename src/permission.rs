//! Who may manage what.
//!
//! The rules, in this order:
//!
//! 1. In a transaction that is authenticated as a token, only the token's own access counts. It cannot manage accounts.
//!    Managing domains takes `domains:full` account-wide. Managing tokens takes `tokens:full`, account-wide or for the home of
//!    the managed token, under a profile with `tokens_manage_tokens`. And the token must itself have all access that the
//!    call grants, changes or removes with a token.
//! 2. Otherwise, if the account's profile has `admins_only`, the actor must be one of its administrators. Any caller of
//!    `add_account_admin` can add the first one.
//! 3. Otherwise EXECUTE on the function is enough.

use std::rc::Rc;

use token_auth_core::decision::{self, Code, DomainQuery, Origin};
use token_auth_core::network::Networks;
use token_auth_core::scope::access::Access;
use token_auth_core::scope::{Scope, access_coverage};

use crate::arguments::check_name;
use crate::error::{AccountName, ArgumentError, Error, MissingRight, NotFound, PermissionError, ProfileName};
use crate::guc;
use crate::model::account::{Account, Administration};
use crate::model::token::Token;
use crate::model::{access, domain, token};
use crate::pg::datum::Timestamp;
use crate::pg::{clock, extension, xact};
use crate::session;
use crate::verify::state::TokenState;

/// An action on an account or on what belongs to it.
#[derive(Clone, Copy)]
pub enum Action {
    ChangeAccount,
    AddAdministrator,
    CreateDomain,
    ChangeDomain,
    /// Deletes a domain, and the tokens whose home it is.
    DeleteDomain(i64),
    /// Creates a token with this home. [`Caller::check_grants`] checks its access.
    CreateToken {
        home: Option<i64>,
    },
    /// Changes, deletes or reveals a token with this home.
    ManageToken {
        id: i64,
        home: Option<i64>,
    },
}

/// The user or the token that makes a call, with its rights as they are when it is loaded.
///
/// A call loads it before its locks to find out which accounts the caller knows, and again after them: the caller's rights
/// may have changed during a wait.
pub struct Caller(Option<Rc<TokenState>>);

impl Caller {
    /// Returns the current caller. A session token that is no longer valid is an error.
    pub fn current() -> Result<Self, Error> {
        Ok(Self(session::current_token()?))
    }

    /// Returns true if the caller knows that an account exists: a token knows only its own.
    pub fn knows_account(&self, account_id: i64) -> bool {
        self.0.as_ref().is_none_or(|token| token.account_id == account_id)
    }

    /// Returns an error if the caller may not take this action.
    ///
    /// Returns the access of the managed token if it was loaded.
    pub fn check(&self, account: &Account, action: Action) -> Result<Option<Vec<Access>>, Error> {
        match &self.0 {
            Some(token) => SessionTokenRights(token).check(account, action),
            None => check_actor(account, action).map(|()| None),
        }
    }

    /// Returns an error if the caller may not grant this access: a token must have it itself.
    pub fn check_grants(&self, access: &[Access]) -> Result<(), Error> {
        let Some(token) = &self.0 else { return Ok(()) };
        SessionTokenRights(token).check_covers(access, MissingRight::GrantedAccess)
    }

    /// Returns an error if the caller may not give a token this expiry, where `None` is never: a token can give no longer life
    /// than its own.
    pub fn check_lifetime(&self, expires_at: Option<Timestamp>) -> Result<(), Error> {
        let Some((token, own)) = self.outlived_by(expires_at) else { return Ok(()) };
        SessionTokenRights(token).lacks(MissingRight::Lifetime(clock::to_utc_text(own)))
    }

    /// Returns an error if the caller may not use the access of a token, or give it some: what it gets or gives would outlive it,
    /// or be accepted where it is not. `action` completes "cannot ... token 1".
    pub fn check_reaches(&self, other: &Token, action: &'static str) -> Result<(), Error> {
        if let Some((token, _)) = self.outlived_by(other.expires_at) {
            SessionTokenRights(token).lacks(MissingRight::LifeOf { other: other.id, action })?;
        }
        match &self.0 {
            Some(token) if !covers_networks(token, other.networks.as_ref()) => {
                SessionTokenRights(token).lacks(MissingRight::NetworksOf { other: other.id, action })
            }
            _ => Ok(()),
        }
    }

    /// Returns the networks of a new token, where `None` is anywhere: the given ones, if the caller is accepted from all of them,
    /// or else its own.
    pub fn networks_or_own(&self, given: Option<Option<Networks>>) -> Result<Option<Networks>, Error> {
        let Some(token) = &self.0 else { return Ok(given.flatten()) };
        let Some(networks) = given else { return Ok(token.rights.networks.as_deref().cloned()) };
        if !covers_networks(token, networks.as_ref()) {
            SessionTokenRights(token).lacks(MissingRight::Networks)?;
        }
        Ok(networks)
    }

    /// Returns networks that were not asked for, without those from which the caller is not accepted itself.
    pub fn limit_networks(&self, networks: Option<Networks>) -> Result<Option<Networks>, Error> {
        let Some(token) = &self.0 else { return Ok(networks) };
        let Some(own) = token.rights.networks.as_deref() else { return Ok(networks) };
        let common = networks.map_or_else(|| own.clone(), |networks| networks.intersection(own));
        if common.are_nowhere() {
            SessionTokenRights(token).lacks(MissingRight::Networks)?;
        }
        Ok(Some(common))
    }

    /// Returns the owner of a new token: the given one, or that of the session token, which can give no other.
    pub fn owner_or_own(&self, owner: Option<&str>) -> Result<Option<String>, Error> {
        let Some(session) = &self.0 else { return Ok(owner.map(str::to_string)) };
        let own = token::owner(session.id);
        if owner.is_some() && owner != own.as_deref() {
            SessionTokenRights(session).lacks(MissingRight::Owner)?;
        }
        Ok(own)
    }

    /// Returns the session token and its expiry, if a token that lives until `expires_at` lives longer.
    fn outlived_by(&self, expires_at: Option<Timestamp>) -> Option<(&TokenState, Timestamp)> {
        let (token, own) = (self.0.as_ref()?, self.own_expiry()?);
        expires_at.is_none_or(|expiry| expiry > own).then(|| (&**token, own))
    }

    /// Returns an expiry that was not asked for, or the end of the caller's own life if that is earlier.
    pub fn limit_lifetime(&self, expires_at: Option<Timestamp>) -> Option<Timestamp> {
        [expires_at, self.own_expiry()].into_iter().flatten().min()
    }

    fn own_expiry(&self) -> Option<Timestamp> {
        self.0.as_ref()?.rights.expires_at.map(Timestamp)
    }

    /// Returns an error if the caller is a token. `action` completes "may not ...".
    pub fn check_no_token(&self, action: &'static str) -> Result<(), Error> {
        match &self.0 {
            Some(token) => Err(PermissionError::NotForTokens { token_id: token.id, action }.into()),
            None => Ok(()),
        }
    }

    /// Returns an error if the caller may not know whether a domain exists: a token needs some access to it.
    pub fn check_knows_domain(&self, domain_id: Option<i64>) -> Result<(), Error> {
        let Some(token) = &self.0 else { return Ok(()) };
        let knows = |access: &Access| access.domain_id.is_none() || access.domain_id == domain_id;
        if token.rights.access().iter().any(knows) {
            Ok(())
        } else {
            SessionTokenRights(token).lacks(MissingRight::AccessToDomain)
        }
    }
}

/// Returns true if a token is accepted from all of these networks, where `None` is anywhere.
fn covers_networks(token: &TokenState, networks: Option<&Networks>) -> bool {
    match (token.rights.networks.as_deref(), networks) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(networks)) => own.cover(networks),
    }
}

/// Returns an error if the transaction is authenticated as a token, or is refused: the call is about more than one account,
/// or about one that does not exist yet. `action` completes "may not ...".
pub fn check_not_token(action: &'static str) -> Result<(), Error> {
    match session::current_identity()? {
        Some(identity) => Err(PermissionError::NotForTokens { token_id: identity.token_id, action }.into()),
        None => Ok(()),
    }
}

/// Returns the creator for `created_by`: the session token, or the actor.
pub fn creator() -> Result<String, Error> {
    match session::current_identity()? {
        Some(identity) => Ok(format!("token {}", identity.token_id)),
        None => actor(),
    }
}

/// Returns `token_auth.actor`, or the session user if that is empty.
fn actor() -> Result<String, Error> {
    let (actor, what) = match guc::actor() {
        Some(actor) => (actor, "token_auth.actor"),
        None => (extension::session_user(), "session_user"),
    };
    let actor = actor.into_string().map_err(|_| ArgumentError::NotUtf8(what))?;
    check_name(&actor, what)?;
    Ok(actor)
}

fn check_actor(account: &Account, action: Action) -> Result<(), Error> {
    let administration = Administration::load(account.id, actor()?).ok_or(NotFound::Account(account.id))?;
    let adds_the_first = matches!(action, Action::AddAdministrator) && !administration.has_administrator;
    if !administration.admins_only || administration.actor_is_administrator || adds_the_first {
        return Ok(());
    }
    Err(PermissionError::NotAdministrator {
        actor: actor()?,
        account: AccountName { id: account.id, name: account.name.clone() },
        profile: ProfileName(account.profile.name.clone()),
        has_administrator: administration.has_administrator,
    }
    .into())
}

/// The rights of the session token.
struct SessionTokenRights<'a>(&'a TokenState);

impl SessionTokenRights<'_> {
    fn check(&self, account: &Account, action: Action) -> Result<Option<Vec<Access>>, Error> {
        match action {
            Action::ChangeAccount | Action::AddAdministrator => {
                return Err(PermissionError::NotForTokens { token_id: self.0.id, action: "manage accounts" }.into());
            }
            Action::ChangeDomain => self.check_domains()?,
            Action::CreateDomain => {
                self.check_domains()?;
                if account.profile.creates_domain_token {
                    // Only access to every domain covers a new domain.
                    self.check_covers(&[Access::new(None, ["*"])], MissingRight::AccessOfDomainToken)?;
                }
            }
            Action::DeleteDomain(id) => {
                self.check_domains()?;
                for token in domain::tokens(id) {
                    self.check_covers(&access::of_token(token), MissingRight::AccessOf(token))?;
                }
            }
            Action::CreateToken { home } => self.check_tokens(account, home)?,
            Action::ManageToken { id, home } => {
                self.check_tokens(account, home)?;
                let access = access::of_token(id);
                self.check_covers(&access, MissingRight::AccessOf(id))?;
                return Ok(Some(access));
            }
        }
        Ok(None)
    }

    fn check_domains(&self) -> Result<(), Error> {
        if self.has("domains:full", DomainQuery::AccountWide) { Ok(()) } else { self.lacks(MissingRight::Domains) }
    }

    fn check_tokens(&self, account: &Account, home: Option<i64>) -> Result<(), Error> {
        account.profile.check_tokens_manage_tokens()?;
        let at_home = || {
            let Some(id) = home else { return false };
            self.has("tokens:full", self.0.query_for_id(id, domain::is_verified(id)))
        };
        if self.has("tokens:full", DomainQuery::AccountWide) || at_home() {
            Ok(())
        } else {
            self.lacks(MissingRight::Tokens)
        }
    }

    fn check_covers(&self, access: &[Access], missing: MissingRight) -> Result<(), Error> {
        if access_coverage::covers(self.0.rights.access(), access, xact::check_for_interrupts) {
            Ok(())
        } else {
            self.lacks(missing)
        }
    }

    fn has(&self, scope: &str, domain: DomainQuery) -> bool {
        let scope = Scope::parse_question(scope).expect("the scope is a constant");
        decision::decide(&self.0.rights, Some(&scope), domain, Origin::Authenticated, || clock::now().0) == Code::Ok
    }

    fn lacks(&self, right: MissingRight) -> Result<(), Error> {
        Err(PermissionError::SessionTokenLacks { token_id: self.0.id, right }.into())
    }
}
