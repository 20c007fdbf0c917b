//! Who may manage an account and what belongs to it.
//!
//! Where the account's profile says `admins_only`, the actor must be one of its administrators; else EXECUTE on the
//! function is enough. An account that has no administrator yet lets the account functions through, so that the
//! first one can be named.

use crate::account::Account;
use crate::arguments::check_name;
use crate::error::Error;
use crate::settings;
use crate::store::server;
use crate::store::statement::Statement;

/// Who acts: `token_auth.actor`, or the session's user where that is empty.
pub fn actor() -> Result<String, Error> {
    let (actor, what) = match settings::actor() {
        Some(actor) => (actor.into_string().map_err(|_| Error::NotUtf8("token_auth.actor"))?, "token_auth.actor"),
        None => (server::session_user(), "session_user"),
    };
    check_name(&actor, what)?;
    Ok(actor)
}

/// Whether the actor may manage the domains and tokens of `account`.
pub fn check(account: &Account) -> Result<(), Error> {
    if !account.profile.admins_only || administrators(account)?.includes_actor {
        return Ok(());
    }
    refuse(account)
}

/// Whether the actor may manage `account` itself.
pub fn check_account(account: &Account) -> Result<(), Error> {
    if !account.profile.admins_only {
        return Ok(());
    }
    let administrators = administrators(account)?;
    if administrators.includes_actor || !administrators.exist { Ok(()) } else { refuse(account) }
}

struct Administrators {
    exist: bool,
    includes_actor: bool,
}

fn administrators(account: &Account) -> Result<Administrators, Error> {
    static ADMINISTRATORS: Statement = Statement::new(
        "SELECT pg_catalog.count(*) > 0, coalesce(pg_catalog.bool_or(actor = $2), false)
           FROM token_auth.account_admin
          WHERE account_id = $1",
    );
    let read = ADMINISTRATORS.row(&[account.id.into(), actor()?.into()], |row| Administrators {
        exist: row.must(1),
        includes_actor: row.must(2),
    });
    Ok(read.expect("an aggregate has one row"))
}

fn refuse(account: &Account) -> Result<(), Error> {
    Err(Error::NotAdministrator { actor: actor()?, account: account.name.clone() })
}
