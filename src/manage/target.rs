//! The target of a call: resolved, then locked, then authorized.
//!
//! Only an [`Authorized`] target gives access to a row, and only a locked one can be authorized, except for a call that only reads
//! (`token_to_read`). So permission is checked after the locks: a call that waited for one is judged by the state after the
//! wait.
//!
//! Locks are taken in the order of `model/mod.rs`.

use pgrx::datum::TimestampWithTimeZone;
use token_auth_core::network::Networks;
use token_auth_core::scope::access::Access;

use super::checked;
use crate::arguments::{Tenant, TextArg, required, text};
use crate::error::{Error, NotFound, ProfileName, StateError};
use crate::model::account::Account;
use crate::model::token::Token;
use crate::model::{RowLock, access, domain, token};
use crate::permission::{Action, Caller, check_not_token};
use crate::pg::clock;
use crate::pg::datum::Timestamp;

/// The constructors of targets. An id that the caller does not know is one that does not exist.
pub struct Target;

/// An account that is resolved, but not yet locked.
pub struct AccountTarget {
    id: i64,
}

/// A domain that is resolved, with its account locked.
pub struct DomainTarget {
    account: Account,
    id: i64,
}

/// A token that is resolved, with its account locked.
pub struct TokenTarget {
    account: Account,
    id: i64,
}

/// A target that is locked, and not yet authorized.
pub struct Locked<R> {
    account: Account,
    row: R,
}

/// A target that the caller may change.
pub struct Authorized<R> {
    pub account: Account,
    pub row: R,
    caller: Caller,
    /// The access of the token, if it was loaded for the check.
    access: Option<Vec<Access>>,
}

/// The row of a target that is an account itself, or a new row in it.
pub struct AccountOnly;

/// The id of a locked domain.
pub struct DomainId(pub i64);

impl Target {
    /// Resolves an account. `account_id` is the argument of the function: see [`Tenant`].
    ///
    /// A token cannot manage accounts. It gets that error before it could find out which accounts exist.
    pub fn account(id: Option<i64>, account_id: Option<i64>) -> Result<AccountTarget, Error> {
        let (id, tenant) = (required(id, "account id")?, Tenant::from_argument(account_id)?);
        check_not_token("manage accounts")?;
        if !tenant.includes(id) {
            return Err(NotFound::Account(id).into());
        }
        Ok(AccountTarget { id })
    }

    /// Resolves and locks the account in which a row is created.
    pub fn new_in(account_id: Option<i64>) -> Result<Locked<AccountOnly>, Error> {
        let id = required(account_id, "account id")?;
        let is_known = Caller::current()?.knows_account(id);
        let account = if is_known { Account::lock(id, RowLock::KeyShare) } else { None };
        let mut account = account.ok_or(NotFound::Account(id))?;
        // Tokens that count are created one after the other. Accounts are locked before their domains.
        if account.profile.max_tokens.is_some() {
            account = Account::lock(id, RowLock::NoKeyUpdate).ok_or(NotFound::Account(id))?;
        }
        Ok(Locked { account, row: AccountOnly })
    }

    /// Resolves a domain and locks its account. `account_id` is as for [`Target::account`].
    ///
    /// The domains of an account are changed one after the other: two deletions could meet in the access of tokens, and
    /// two renamings in their names.
    pub fn domain(id: Option<i64>, account_id: Option<i64>) -> Result<DomainTarget, Error> {
        let (id, tenant) = (required(id, "domain id")?, Tenant::from_argument(account_id)?);
        let owner = known_owner(domain::account_id(id), tenant)?;
        let account = owner.and_then(|owner| Account::lock(owner, RowLock::NoKeyUpdate));
        Ok(DomainTarget { account: account.ok_or(NotFound::Domain(id))?, id })
    }

    /// Resolves a token and locks its account. `account_id` is as for [`Target::account`].
    pub fn token(id: Option<i64>, account_id: Option<i64>) -> Result<TokenTarget, Error> {
        let (id, tenant) = (required(id, "token id")?, Tenant::from_argument(account_id)?);
        let owner = known_owner(token::account_id(id), tenant)?;
        let account = owner.and_then(|owner| Account::lock(owner, RowLock::KeyShare));
        Ok(TokenTarget { account: account.ok_or(NotFound::Token(id))?, id })
    }

    /// Resolves a token for a call that changes nothing, which takes no lock and works on a standby.
    pub fn token_to_read(id: Option<i64>, account_id: Option<i64>) -> Result<Locked<Token>, Error> {
        let (id, tenant) = (required(id, "token id")?, Tenant::from_argument(account_id)?);
        let owner = known_owner(token::account_id(id), tenant)?;
        let account = owner.and_then(Account::load).ok_or(NotFound::Token(id))?;
        Ok(Locked { account, row: Token::load(id)? })
    }
}

/// Returns the account of an object, unless the call names another one or the caller does not know it.
fn known_owner(owner: Option<i64>, tenant: Tenant) -> Result<Option<i64>, Error> {
    let caller = Caller::current()?;
    Ok(owner.filter(|owner| tenant.includes(*owner) && caller.knows_account(*owner)))
}

impl AccountTarget {
    /// Locks the account.
    pub fn lock(self, lock: RowLock) -> Result<Locked<AccountOnly>, Error> {
        let account = Account::lock(self.id, lock).ok_or(NotFound::Account(self.id))?;
        Ok(Locked { account, row: AccountOnly })
    }
}

impl DomainTarget {
    /// Locks the domain.
    pub fn lock(self, lock: RowLock) -> Result<Locked<DomainId>, Error> {
        domain::lock(self.id, lock)?;
        Ok(Locked { account: self.account, row: DomainId(self.id) })
    }
}

impl TokenTarget {
    /// Locks the home of the token, for a change that may end the token: see [`token::lock_home`].
    pub fn lock_home(self) -> Self {
        token::lock_home(self.id);
        self
    }

    /// Locks the domains that the token has access to, for a change that copies the access.
    pub fn lock_access_domains(self) -> Self {
        access::lock_domains(self.id);
        self
    }

    /// Finds and locks a domain of the token's account. NULL is no domain.
    ///
    /// The caller keeps the error until the target is authorized: only then may the call tell which domains exist.
    pub fn find_domain(&self, name: TextArg<'_>) -> Result<Option<i64>, Error> {
        find_domain(&self.account, name)
    }

    /// Locks the token.
    pub fn lock(self) -> Result<Locked<Token>, Error> {
        Ok(Locked { account: self.account, row: Token::lock(self.id)? })
    }
}

impl<R> Locked<R> {
    fn check(self, action: Action) -> Result<Authorized<R>, Error> {
        let caller = Caller::current()?;
        let access = caller.check(&self.account, action)?;
        Ok(Authorized { account: self.account, row: self.row, caller, access })
    }
}

impl Locked<AccountOnly> {
    /// Finds and locks a domain of the account, as [`TokenTarget::find_domain`] does.
    pub fn find_domain(&self, name: TextArg<'_>) -> Result<Option<i64>, Error> {
        find_domain(&self.account, name)
    }

    /// Returns an error if the caller may not take this action.
    pub fn authorize(self, action: Action) -> Result<Authorized<AccountOnly>, Error> {
        self.check(action)
    }
}

impl Locked<DomainId> {
    /// Locks the tokens whose home the domain is: see [`domain::lock_tokens`].
    pub fn lock_tokens(self) -> Self {
        domain::lock_tokens(self.row.0);
        self
    }

    /// Returns an error if the caller may not take this action.
    pub fn authorize(self, action: Action) -> Result<Authorized<DomainId>, Error> {
        self.check(action)
    }

    /// Returns an error if the caller may not delete the domain.
    pub fn authorize_delete(self) -> Result<Authorized<DomainId>, Error> {
        let DomainId(id) = self.row;
        self.check(Action::DeleteDomain(id))
    }
}

impl Locked<Token> {
    /// Returns an error if the caller may not manage the token.
    pub fn authorize(self) -> Result<Authorized<Token>, Error> {
        let action = Action::ManageToken { id: self.row.id, home: self.row.home };
        self.check(action)
    }

    /// Authorizes a caller that has presented the secret of the token, for what each bearer may do. `action` completes "may not
    /// ...", for a session token.
    pub fn authorize_bearer(self, action: &'static str) -> Result<Authorized<Token>, Error> {
        let caller = Caller::current()?;
        caller.check_no_token(action)?;
        Ok(Authorized { account: self.account, row: self.row, caller, access: None })
    }
}

impl<R> Authorized<R> {
    /// Returns an error if the caller may not grant this access.
    pub fn check_grants(&self, access: &[Access]) -> Result<(), Error> {
        self.caller.check_grants(access)
    }

    /// Returns the expiry of a new token: the one that is asked for, if the caller may give it, or else the default, limited by the
    /// caller's own.
    pub fn expiry_or(
        &self,
        argument: Option<TimestampWithTimeZone>,
        default: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, Error> {
        if argument.is_none() {
            return Ok(self.limit_lifetime(default));
        }
        let expires_at = checked::expiry(argument, &self.account.profile, clock::now())?;
        self.check_lifetime(expires_at)?;
        Ok(expires_at)
    }

    /// Returns an error if the caller may not give a token this expiry: see [`Caller::check_lifetime`].
    pub fn check_lifetime(&self, expires_at: Option<Timestamp>) -> Result<(), Error> {
        self.caller.check_lifetime(expires_at)
    }

    /// Returns the networks of a new token: see [`Caller::networks_or_own`].
    pub fn networks_or_own(&self, given: Option<Option<Networks>>) -> Result<Option<Networks>, Error> {
        self.caller.networks_or_own(given)
    }

    /// Returns default networks, limited to the caller's own: see [`Caller::limit_networks`].
    pub fn limit_networks(&self, networks: Option<Networks>) -> Result<Option<Networks>, Error> {
        self.caller.limit_networks(networks)
    }

    /// Returns the owner of a new token: see [`Caller::owner_or_own`].
    pub fn owner_or_own(&self, owner: Option<&str>) -> Result<Option<String>, Error> {
        self.caller.owner_or_own(owner)
    }

    /// Returns an error if the caller is a token. `action` completes "may not ...".
    pub fn check_no_token(&self, action: &'static str) -> Result<(), Error> {
        self.caller.check_no_token(action)
    }

    /// Returns a default expiry, limited by the caller's own: see [`Caller::limit_lifetime`].
    pub fn limit_lifetime(&self, expires_at: Option<Timestamp>) -> Option<Timestamp> {
        self.caller.limit_lifetime(expires_at)
    }

    /// Returns an error if the caller may not know whether a domain exists.
    pub fn check_knows_domain(&self, domain_id: Option<i64>) -> Result<(), Error> {
        self.caller.check_knows_domain(domain_id)
    }
}

impl Authorized<AccountOnly> {
    /// Returns an error if the account has as many live tokens as its profile allows. Target::new_in has locked it accordingly.
    pub fn check_room_for_token(&self) -> Result<(), Error> {
        match self.account.profile.max_tokens {
            Some(limit) if token::account_has_live(self.account.id, limit) => Err(StateError::TooManyTokens {
                profile: ProfileName(self.account.profile.name.clone()),
                account_id: self.account.id,
                limit,
            }
            .into()),
            _ => Ok(()),
        }
    }
}

impl Authorized<Token> {
    /// Returns an error if the token lives longer than the caller, or has more networks: see [`Caller::check_reaches`].
    pub fn check_caller_reaches(&self, action: &'static str) -> Result<(), Error> {
        self.caller.check_reaches(&self.row, action)
    }

    /// Returns the access of the token: the one that the caller's rights were compared with, or else the current one.
    pub fn take_access(&mut self) -> Vec<Access> {
        self.access.take().unwrap_or_else(|| access::of_token(self.row.id))
    }
}

fn find_domain(account: &Account, name: TextArg<'_>) -> Result<Option<i64>, Error> {
    text(name, "domain")?.map(|name| domain::find(account.id, name)).transpose()
}
