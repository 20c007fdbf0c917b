//! Who may manage an account and what belongs to it.
//!
//! Where the account's profile says `admins_only`, the actor must be one of its administrators; else EXECUTE on the
//! function is enough. Who may call `add_account_admin` can name the first administrator of an account that has none.

use crate::account::Account;
use crate::arguments::check_name;
use crate::error::Error;
use crate::settings;
use crate::store::server;
use crate::store::statement::Statement;

/// Who acts: `token_auth.actor`, or the session's user where that is empty.
pub fn actor() -> Result<String, Error> {
    let (actor, what) = match settings::actor() {
        Some(actor) => (actor, "token_auth.actor"),
        None => (server::session_user(), "session_user"),
    };
    let actor = actor.into_string().map_err(|_| Error::NotUtf8(what))?;
    check_name(&actor, what)?;
    Ok(actor)
}

/// Whether the actor may manage `account`, its domains and its tokens.
pub fn check(account: &Account) -> Result<(), Error> {
    if Rule::of(account)?.lets_actor_manage() { Ok(()) } else { refuse(account) }
}

/// Whether the actor may name an administrator of `account`.
pub fn check_adding_administrator(account: &Account) -> Result<(), Error> {
    let rule = Rule::of(account)?;
    if rule.lets_actor_manage() || !rule.has_administrator { Ok(()) } else { refuse(account) }
}

/// What decides who may manage an account, as it is now: a transaction whose snapshot stands still must not be let in
/// by an administrator's name, or by a profile, that is gone since.
struct Rule {
    admins_only: bool,
    has_administrator: bool,
    actor_is_administrator: bool,
}

impl Rule {
    fn of(account: &Account) -> Result<Self, Error> {
        static RULE: Statement = Statement::new(
            "SELECT p.admins_only,
                    EXISTS (SELECT FROM token_auth.account_admin WHERE account_id = a.id) AS has_administrator,
                    EXISTS (SELECT FROM token_auth.account_admin WHERE account_id = a.id AND actor = $2)
                        AS actor_is_administrator
               FROM token_auth.account a
               JOIN token_auth.profile p ON p.name = a.profile
              WHERE a.id = $1",
        );
        let rule = RULE.latest_row(&[account.id.into(), actor()?.into()], |row| Self {
            admins_only: row.must(c"admins_only"),
            has_administrator: row.must(c"has_administrator"),
            actor_is_administrator: row.must(c"actor_is_administrator"),
        });
        rule.ok_or(Error::NoAccount(account.id))
    }

    fn lets_actor_manage(&self) -> bool {
        !self.admins_only || self.actor_is_administrator
    }
}

fn refuse(account: &Account) -> Result<(), Error> {
    Err(Error::NotAdministrator { actor: actor()?, account: account.name.clone() })
}
