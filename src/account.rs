//! Accounts: the customers of an application, each with the profile that says what its tokens can do.

use pgrx::pg_extern;

use crate::arguments::{Text, new_name, required, text};
use crate::authority::{self, Deed};
use crate::error::{Error, answer, excerpt, or_referenced, or_taken};
use crate::profile::Profile;
use crate::store::server;
use crate::store::statement::Statement;
use crate::store::value::JsonbArgument;

#[pg_extern(sql = false)]
fn create_account(name: Text<'_>, profile: Text<'_>, metadata: Option<&[u8]>) -> i64 {
    static INSERT: Statement = Statement::new(
        "INSERT INTO token_auth.account (name, profile, metadata) VALUES ($1, $2, coalesce($3, '{}'))
         ON CONFLICT (name) DO NOTHING
         RETURNING id",
    );
    answer(|| {
        let name = new_name(name, "name")?;
        authority::check_all_accounts("manage accounts")?;
        let profile = existing_profile(profile)?;
        let metadata = metadata.map(JsonbArgument);
        let id = INSERT.row(&[name.into(), profile.into(), metadata.into()], |row| row.must(1));
        id.ok_or_else(|| Error::Taken { what: "account", name: name.to_string() })
    })
}

#[pg_extern(sql = false)]
fn pause_account(id: Option<i64>, account_id: Option<i64>) {
    static PAUSE: Statement = Statement::new(
        "UPDATE token_auth.account SET paused_at = pg_catalog.clock_timestamp() WHERE id = $1 AND paused_at IS NULL",
    );
    answer(|| {
        let account = Account::to_manage(id, account_id)?;
        PAUSE.run(&[account.id.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn resume_account(id: Option<i64>, account_id: Option<i64>) {
    static RESUME: Statement =
        Statement::new("UPDATE token_auth.account SET paused_at = NULL WHERE id = $1 AND paused_at IS NOT NULL");
    answer(|| {
        let account = Account::to_manage(id, account_id)?;
        RESUME.run(&[account.id.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn rename_account(id: Option<i64>, name: Text<'_>, account_id: Option<i64>) {
    static RENAME: Statement = Statement::new("UPDATE token_auth.account SET name = $2 WHERE id = $1");
    answer(|| {
        let name = new_name(name, "name")?;
        let account = Account::to_manage(id, account_id)?;
        or_taken("account", name, || {
            or_referenced("account", account.id, || RENAME.run(&[account.id.into(), name.into()]))
        })??;
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_account_profile(id: Option<i64>, profile: Text<'_>, account_id: Option<i64>) {
    static SET: Statement = Statement::new("UPDATE token_auth.account SET profile = $2 WHERE id = $1");
    answer(|| {
        authority::check_all_accounts("manage accounts")?;
        let profile = existing_profile(profile)?;
        // Its tokens are about to lose their sealed copies, where the new profile reveals nothing: see erase.rs.
        let account = Account::to_administer(id, account_id, Lock::Alone)?.check(Deed::ChangeAccount)?;
        SET.run(&[account.id.into(), profile.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn delete_account(id: Option<i64>, confirm_name: Text<'_>, account_id: Option<i64>) {
    static DELETE: Statement = Statement::new("DELETE FROM token_auth.account WHERE id = $1");
    answer(|| {
        let confirm_name = required(text(confirm_name, "confirm_name")?, "confirm_name")?;
        let account = Account::to_manage(id, account_id)?;
        if confirm_name != account.name {
            return Err(Error::NotConfirmed { what: "account", id: account.id });
        }
        or_referenced("account", account.id, || DELETE.run(&[account.id.into()]))?;
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn add_account_admin(id: Option<i64>, actor: Text<'_>, account_id: Option<i64>) {
    static ADD: Statement = Statement::new(
        "INSERT INTO token_auth.account_admin (account_id, actor) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    );
    answer(|| {
        let actor = new_name(actor, "actor")?;
        let account = Account::to_administer(id, account_id, Lock::Change)?.check(Deed::AddAdministrator)?;
        ADD.run(&[account.id.into(), actor.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn remove_account_admin(id: Option<i64>, actor: Text<'_>, account_id: Option<i64>) {
    static REMOVE: Statement =
        Statement::new("DELETE FROM token_auth.account_admin WHERE account_id = $1 AND actor = $2");
    answer(|| {
        let actor = required(text(actor, "actor")?, "actor")?;
        let account = Account::to_manage(id, account_id)?;
        REMOVE.run(&[account.id.into(), actor.into()]);
        Ok(())
    })
}

/// An account and the rules of its profile, locked.
///
/// Locks are taken from the top: the profile, then the account, then a domain of it, then a token. Every function follows this, and so
/// does the cascade of a deletion, so that they wait for each other in one direction.
pub struct Account {
    pub id: i64,
    pub name: String,
    pub profile: Profile,
}

/// How strongly an account is locked.
#[derive(Clone, Copy)]
enum Lock {
    /// Not at all: for what only reads.
    None,
    /// It keeps the account from being deleted or put under another profile, and no more.
    Keep,
    /// Others who change the account, or its domains, wait.
    Change,
    /// Others who make or change anything in the account wait, too.
    Alone,
}

impl Account {
    /// The account itself, to change it.
    fn to_manage(id: Option<i64>, account_id: Option<i64>) -> Result<Self, Error> {
        Self::to_administer(id, account_id, Lock::Change)?.check(Deed::ChangeAccount)
    }

    /// The same, before anybody has asked whether the caller may. That a token may not is said before it could learn which
    /// accounts there are.
    fn to_administer(id: Option<i64>, account_id: Option<i64>, lock: Lock) -> Result<Self, Error> {
        let id = required(id, "account id")?;
        authority::check_all_accounts("manage accounts")?;
        let is_another = account_id.is_some_and(|account_id| account_id != id);
        let account = if is_another { None } else { Self::lock(id, lock) };
        account.ok_or(Error::NoAccount(id))
    }

    /// The account to make something under. Whether the caller may is to be asked still.
    pub fn to_make_under(id: Option<i64>) -> Result<Self, Error> {
        let id = required(id, "account id")?;
        let is_another = authority::only_account()?.is_some_and(|only| only != id);
        let account = if is_another { None } else { Self::lock(id, Lock::Keep) };
        account.ok_or(Error::NoAccount(id))
    }

    /// The account of a domain, to change that, and the domain's id. Whether the caller may is to be asked still, after the
    /// locks that the change takes. Domains of an account are changed one after the other: the deletion of two could meet
    /// in the access of tokens, and the renaming of two in their names.
    pub fn of_domain(id: Option<i64>, account_id: Option<i64>) -> Result<(Self, i64), Error> {
        static OWNER: Statement = Statement::new("SELECT account_id FROM token_auth.domain WHERE id = $1");
        let id = required(id, "domain id")?;
        let account = Self::owning(&OWNER, id, account_id, Lock::Change)?;
        Ok((account.ok_or(Error::NoDomainWithId(id))?, id))
    }

    /// The account of a token, to change that, and the token's id. Whether the caller may is to be asked still, after the
    /// locks that the change takes.
    pub fn of_token(id: Option<i64>, account_id: Option<i64>) -> Result<(Self, i64), Error> {
        Self::of_token_locked(id, account_id, Lock::Keep)
    }

    /// The account of a token, to read that, and the token's id. Whether the caller may is to be asked still.
    pub fn of_token_to_read(id: Option<i64>, account_id: Option<i64>) -> Result<(Self, i64), Error> {
        Self::of_token_locked(id, account_id, Lock::None)
    }

    fn of_token_locked(id: Option<i64>, account_id: Option<i64>, lock: Lock) -> Result<(Self, i64), Error> {
        static OWNER: Statement = Statement::new("SELECT account_id FROM token_auth.token WHERE id = $1");
        let id = required(id, "token id")?;
        let account = Self::owning(&OWNER, id, account_id, lock)?;
        Ok((account.ok_or(Error::NoToken(id))?, id))
    }

    /// The account of what `owner` finds by its id. Another account than the one that the caller gave, or than the one of
    /// the token that is calling, is none.
    fn owning(owner: &Statement, id: i64, account_id: Option<i64>, lock: Lock) -> Result<Option<Self>, Error> {
        let only = authority::only_account()?;
        let is_meant = |owner: &i64| [account_id, only].into_iter().flatten().all(|account| account == *owner);
        let owner = owner.row(&[id.into()], |row| row.must::<i64>(1)).filter(is_meant);
        Ok(owner.and_then(|owner| Self::lock(owner, lock)))
    }

    /// Locks the row alone, and then reads it with its profile: where the lock was waited for, the row may be of another
    /// profile since, which a join that was begun before the wait would miss, and so would a snapshot that stands still.
    fn lock(id: i64, lock: Lock) -> Option<Self> {
        static KEEP: Statement = Statement::new("SELECT true FROM token_auth.account WHERE id = $1 FOR KEY SHARE");
        static CHANGE: Statement =
            Statement::new("SELECT true FROM token_auth.account WHERE id = $1 FOR NO KEY UPDATE");
        static READ: Statement = Statement::new(
            "SELECT a.id AS account_id, a.name AS account, p.name AS profile, p.*
               FROM token_auth.account a
               JOIN token_auth.profile p ON p.name = a.profile
              WHERE a.id = $1",
        );
        static ALONE: Statement = Statement::new("SELECT true FROM token_auth.account WHERE id = $1 FOR UPDATE");
        let lock = match lock {
            Lock::None => None,
            Lock::Keep => Some(&KEEP),
            Lock::Change => Some(&CHANGE),
            Lock::Alone => Some(&ALONE),
        };
        if let Some(lock) = lock {
            server::check_can_write(c"a function that manages tokens");
            lock.row(&[id.into()], |_| ())?;
        }
        READ.latest_row(&[id.into()], |row| Self {
            id: row.must(c"account_id"),
            name: row.must(c"account"),
            profile: Profile::read(row),
        })
    }

    fn check(self, deed: Deed) -> Result<Self, Error> {
        authority::check(&self, deed)?;
        Ok(self)
    }
}

fn existing_profile(profile: Text<'_>) -> Result<&str, Error> {
    static EXISTS: Statement = Statement::new("SELECT true FROM token_auth.profile WHERE name = $1 FOR KEY SHARE");
    let name = required(text(profile, "profile")?, "profile")?;
    let found = EXISTS.row(&[name.into()], |row| row.must::<bool>(1));
    found.map(|_| name).ok_or_else(|| Error::NoProfile(excerpt(name)))
}
