//! Who may manage.
//!
//! In this order:
//!
//! 1. In a transaction that acts as a token, the token's own access decides, and nothing else. It manages no account.
//!    Domains take `domains:full` account-wide. Tokens take `tokens:full` for the account or for the home of the token
//!    that is managed, under a profile that says `tokens_manage_tokens`. And it must have all the access itself that the
//!    call gives, changes or takes away with a token.
//! 2. Else, where the account's profile says `admins_only`, the actor must be one of its administrators. Whoever may call
//!    `add_account_admin` can name the first one of an account that has none.
//! 3. Else EXECUTE on the function is enough.

use token_auth_core::decision::{self, Code, DomainQuery};
use token_auth_core::scope::Scope;
use token_auth_core::scope::access::Access;
use token_auth_core::scope::coverage;

use crate::arguments::check_name;
use crate::error::{Error, MissingRight};
use crate::guc;
use crate::manage::access;
use crate::manage::account::Account;
use crate::pg::protected_guc::{self, Identity};
use crate::pg::server;
use crate::pg::snapshot::FreshSnapshot;
use crate::pg::spi::Query;
use crate::verify;
use crate::verify::reader::TokenState;

/// What a call is about to do.
pub enum Action {
    ChangeAccount,
    AddAdministrator,
    CreateDomain,
    ChangeDomain,
    /// The tokens whose home it is go with it.
    DeleteDomain(i64),
    /// With this home. [`check_gives`] is to be asked about its access.
    CreateToken(Option<i64>),
    /// Anything about a token that is there, be it to delete or to reveal it.
    ManageToken(i64),
}

/// Whether whoever is calling may do this to `account` and what belongs to it.
pub fn check(account: &Account, action: Action) -> Result<(), Error> {
    if let Some(caller) = Caller::of_transaction()? {
        return caller.check(account, action);
    }
    let status = AdminStatus::of(account)?;
    let names_the_first = matches!(action, Action::AddAdministrator) && !status.has_administrator;
    if !status.admins_only || status.actor_is_administrator || names_the_first {
        return Ok(());
    }
    Err(Error::NotAdministrator {
        actor: actor()?,
        account: account.name.clone(),
        profile: account.profile.name.clone(),
        has_administrator: status.has_administrator,
    })
}

/// Whether whoever is calling may give this access to a token that it manages, or makes: a token must have it itself.
pub fn check_gives(access: &[Access]) -> Result<(), Error> {
    Caller::of_transaction()?.map_or(Ok(()), |caller| caller.check_covers(access, None))
}

/// Whether whoever is calling may learn that there is such a domain, or that there is none: a token needs some access to it.
pub fn check_knows_domain(domain_id: Option<i64>) -> Result<(), Error> {
    let Some(caller) = Caller::of_transaction()? else { return Ok(()) };
    let knows = |access: &Access| access.domain_id.is_none() || access.domain_id == domain_id;
    if caller.0.facts.access().iter().any(knows) { Ok(()) } else { caller.lacks(MissingRight::AccessToDomain) }
}

/// Whether whoever is calling may do what concerns more than one account, or one that does not exist yet: a token may
/// not. `what` completes "may not …".
pub fn check_all_accounts(what: &'static str) -> Result<(), Error> {
    match protected_guc::current_identity() {
        Some(Identity { token_id, .. }) => Err(Error::NotForTokens { token_id, what }),
        None => Ok(()),
    }
}

/// The account that a transaction which acts as a token sees: the ids of others are unknown to it.
pub fn only_account() -> Result<Option<i64>, Error> {
    Ok(Caller::of_transaction()?.map(|caller| caller.0.account_id))
}

/// Who is acting, for `created_by`: the token, or the actor.
pub fn creator() -> Result<String, Error> {
    match protected_guc::current_identity() {
        Some(Identity { token_id, .. }) => Ok(format!("token {token_id}")),
        None => actor(),
    }
}

/// `token_auth.actor`, or the session's user where that is empty.
fn actor() -> Result<String, Error> {
    let (actor, what) = match guc::actor() {
        Some(actor) => (actor, "token_auth.actor"),
        None => (server::session_user(), "session_user"),
    };
    let actor = actor.into_string().map_err(|_| Error::NotUtf8(what))?;
    check_name(&actor, what)?;
    Ok(actor)
}

/// What decides whether the actor may manage an account, as it is now: a transaction whose snapshot stands still must not
/// be let in by an administrator's name, or by a profile, that is gone since.
struct AdminStatus {
    admins_only: bool,
    has_administrator: bool,
    actor_is_administrator: bool,
}

impl AdminStatus {
    fn of(account: &Account) -> Result<Self, Error> {
        static STATUS: Query = Query::new(
            "SELECT p.admins_only,
                    EXISTS (SELECT FROM token_auth.account_admin WHERE account_id = a.id) AS has_administrator,
                    EXISTS (SELECT FROM token_auth.account_admin WHERE account_id = a.id AND actor = $2)
                        AS actor_is_administrator
               FROM token_auth.account a
               JOIN token_auth.profile p ON p.name = a.profile
              WHERE a.id = $1",
        );
        let status = STATUS.row_latest_snapshot(&[account.id.into(), actor()?.into()], |row| Self {
            admins_only: row.get_not_null(c"admins_only"),
            has_administrator: row.get_not_null(c"has_administrator"),
            actor_is_administrator: row.get_not_null(c"actor_is_administrator"),
        });
        status.ok_or(Error::NoAccount(account.id))
    }
}

/// The token as which the transaction acts, as it is now.
struct Caller(TokenState);

impl Caller {
    /// `None` where nobody is authenticated. A token that is no longer good is an error: what it had been let do must not
    /// be done as somebody else now.
    fn of_transaction() -> Result<Option<Self>, Error> {
        let Some(identity) = protected_guc::current_identity() else { return Ok(None) };
        verify::good_token(identity).map(|token| Some(Self(token))).ok_or(Error::CallerNotGood(identity.token_id))
    }

    fn check(&self, account: &Account, action: Action) -> Result<(), Error> {
        match action {
            Action::ChangeAccount | Action::AddAdministrator => {
                Err(Error::NotForTokens { token_id: self.0.id, what: "manage accounts" })
            }
            Action::ChangeDomain => self.check_domains(),
            Action::CreateDomain if account.profile.creates_domain_token => {
                self.check_domains()?;
                // The new domain is covered by access to every domain only.
                let full = Access::new(None, ["*"]);
                if self.covers(&[full]) { Ok(()) } else { self.lacks(MissingRight::AccessOfDomainToken) }
            }
            Action::CreateDomain => self.check_domains(),
            Action::DeleteDomain(id) => {
                self.check_domains()?;
                at_home(id).into_iter().try_for_each(|token| self.check_covers(&access::of_token(token), Some(token)))
            }
            Action::CreateToken(home) => self.check_tokens(account, home.map(Home::of_domain)),
            Action::ManageToken(id) => {
                self.check_tokens(account, Home::of_token(id)?)?;
                self.check_covers(&access::of_token(id), Some(id))
            }
        }
    }

    fn check_domains(&self) -> Result<(), Error> {
        if self.may("domains:full", DomainQuery::AccountWide) { Ok(()) } else { self.lacks(MissingRight::Domains) }
    }

    fn check_tokens(&self, account: &Account, home: Option<Home>) -> Result<(), Error> {
        account.profile.check_tokens_manage_tokens()?;
        let home = home.map_or(DomainQuery::AccountWide, |home| self.0.usable(home.id, home.is_verified));
        if self.may("tokens:full", DomainQuery::AccountWide) || self.may("tokens:full", home) {
            Ok(())
        } else {
            self.lacks(MissingRight::Tokens)
        }
    }

    /// `of` is the token that has this access, or `None` where it is about to be given.
    fn check_covers(&self, access: &[Access], of: Option<i64>) -> Result<(), Error> {
        if self.covers(access) {
            return Ok(());
        }
        self.lacks(of.map_or(MissingRight::AccessToGive, MissingRight::AccessOf))
    }

    /// Whether it may all that this access lets a token do.
    fn covers(&self, access: &[Access]) -> bool {
        coverage::covers(self.0.facts.access(), access, server::check_for_interrupts)
    }

    fn may(&self, scope: &str, domain: DomainQuery) -> bool {
        let scope = Scope::parse_question(scope).expect("a scope of ours");
        decision::decide(&self.0.facts, Some(&scope), domain, || server::now().0) == Code::Ok
    }

    fn lacks(&self, what: MissingRight) -> Result<(), Error> {
        Err(Error::CallerLacks { token_id: self.0.id, what })
    }
}

/// The home of a token that is managed.
struct Home {
    id: i64,
    is_verified: bool,
}

impl Home {
    fn of_token(token_id: i64) -> Result<Option<Self>, Error> {
        static HOME: Query = Query::new("SELECT domain_id FROM token_auth.token WHERE id = $1");
        let home = HOME.rows_with(&FreshSnapshot::take(), &[token_id.into()], |row| row.get::<i64>(1));
        let home = home.into_iter().next().ok_or(Error::NoToken(token_id))?;
        Ok(home.map(Self::of_domain))
    }

    fn of_domain(id: i64) -> Self {
        static VERIFIED: Query = Query::new("SELECT verified_at IS NOT NULL FROM token_auth.domain WHERE id = $1");
        let verified = VERIFIED.rows_with(&FreshSnapshot::take(), &[id.into()], |row| row.get_not_null::<bool>(1));
        Self { id, is_verified: verified == [true] }
    }
}

/// The tokens whose home a domain is.
fn at_home(domain_id: i64) -> Vec<i64> {
    static TOKENS: Query = Query::new("SELECT id FROM token_auth.token WHERE domain_id = $1 ORDER BY id");
    TOKENS.rows_with(&FreshSnapshot::take(), &[domain_id.into()], |row| row.get_not_null(1))
}
