//! Accounts: the customers of an application, each with the profile that says what its tokens can do.

use pgrx::pg_extern;

use crate::arguments::{Text, new_name, required, text};
use crate::error::{Error, excerpt, guarded, map_foreign_key_violation, map_unique_violation};
use crate::model::profile::Profile;
use crate::permission::{self, Action};
use crate::pg::datum::JsonbArgument;
use crate::pg::server;
use crate::pg::spi::Query;

#[pg_extern(sql = false)]
fn create_account(name: Text<'_>, profile: Text<'_>, metadata: Option<&[u8]>) -> i64 {
    static INSERT: Query = Query::new(
        "INSERT INTO token_auth.account (name, profile, metadata) VALUES ($1, $2, coalesce($3, '{}'))
         ON CONFLICT (name) DO NOTHING
         RETURNING id",
    );
    guarded(|| {
        let name = new_name(name, "name")?;
        permission::check_all_accounts("manage accounts")?;
        let profile = existing_profile(profile)?;
        let metadata = metadata.map(JsonbArgument);
        let id = INSERT.row(&[name.into(), profile.into(), metadata.into()], |row| row.get_not_null(1));
        id.ok_or_else(|| Error::Taken { what: "account", name: name.to_string() })
    })
}

#[pg_extern(sql = false)]
fn pause_account(id: Option<i64>, account_id: Option<i64>) {
    static PAUSE: Query = Query::new(
        "UPDATE token_auth.account SET paused_at = pg_catalog.clock_timestamp() WHERE id = $1 AND paused_at IS NULL",
    );
    guarded(|| {
        let account = Account::to_manage(id, account_id)?;
        PAUSE.execute(&[account.id.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn resume_account(id: Option<i64>, account_id: Option<i64>) {
    static RESUME: Query =
        Query::new("UPDATE token_auth.account SET paused_at = NULL WHERE id = $1 AND paused_at IS NOT NULL");
    guarded(|| {
        let account = Account::to_manage(id, account_id)?;
        RESUME.execute(&[account.id.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn rename_account(id: Option<i64>, name: Text<'_>, account_id: Option<i64>) {
    static RENAME: Query = Query::new("UPDATE token_auth.account SET name = $2 WHERE id = $1");
    guarded(|| {
        let name = new_name(name, "name")?;
        let account = Account::to_manage(id, account_id)?;
        map_unique_violation("account", name, || {
            map_foreign_key_violation("account", account.id, || RENAME.execute(&[account.id.into(), name.into()]))
        })??;
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_account_profile(id: Option<i64>, profile: Text<'_>, account_id: Option<i64>) {
    static SET: Query = Query::new("UPDATE token_auth.account SET profile = $2 WHERE id = $1");
    guarded(|| {
        permission::check_all_accounts("manage accounts")?;
        let profile = existing_profile(profile)?;
        // Its tokens are about to lose their sealed copies, where the new profile reveals nothing: see erase.rs.
        let account = Account::to_administer(id, account_id, RowLock::Update)?.check(Action::ChangeAccount)?;
        SET.execute(&[account.id.into(), profile.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn delete_account(id: Option<i64>, confirm_name: Text<'_>, account_id: Option<i64>) {
    static DELETE: Query = Query::new("DELETE FROM token_auth.account WHERE id = $1");
    guarded(|| {
        let confirm_name = required(text(confirm_name, "confirm_name")?, "confirm_name")?;
        let account = Account::to_manage(id, account_id)?;
        if confirm_name != account.name {
            return Err(Error::NotConfirmed { what: "account", id: account.id });
        }
        map_foreign_key_violation("account", account.id, || DELETE.execute(&[account.id.into()]))?;
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn add_account_admin(id: Option<i64>, actor: Text<'_>, account_id: Option<i64>) {
    static ADD: Query =
        Query::new("INSERT INTO token_auth.account_admin (account_id, actor) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    guarded(|| {
        let actor = new_name(actor, "actor")?;
        let account = Account::to_administer(id, account_id, RowLock::NoKeyUpdate)?.check(Action::AddAdministrator)?;
        ADD.execute(&[account.id.into(), actor.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn remove_account_admin(id: Option<i64>, actor: Text<'_>, account_id: Option<i64>) {
    static REMOVE: Query = Query::new("DELETE FROM token_auth.account_admin WHERE account_id = $1 AND actor = $2");
    guarded(|| {
        let actor = required(text(actor, "actor")?, "actor")?;
        let account = Account::to_manage(id, account_id)?;
        REMOVE.execute(&[account.id.into(), actor.into()]);
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
enum RowLock {
    /// Not at all: for what only reads.
    None,
    /// It keeps the account from being deleted or put under another profile, and no more.
    KeyShare,
    /// Others who change the account, or its domains, wait.
    NoKeyUpdate,
    /// Others who make or change anything in the account wait, too.
    Update,
}

impl Account {
    /// The account itself, to change it.
    fn to_manage(id: Option<i64>, account_id: Option<i64>) -> Result<Self, Error> {
        Self::to_administer(id, account_id, RowLock::NoKeyUpdate)?.check(Action::ChangeAccount)
    }

    /// The same, before anybody has asked whether the caller may. That a token may not is said before it could learn which
    /// accounts there are.
    fn to_administer(id: Option<i64>, account_id: Option<i64>, lock: RowLock) -> Result<Self, Error> {
        let id = required(id, "account id")?;
        permission::check_all_accounts("manage accounts")?;
        let is_another = account_id.is_some_and(|account_id| account_id != id);
        let account = if is_another { None } else { Self::lock(id, lock) };
        account.ok_or(Error::NoAccount(id))
    }

    /// The account to make something under. Whether the caller may is to be asked still.
    pub fn to_make_under(id: Option<i64>) -> Result<Self, Error> {
        let id = required(id, "account id")?;
        let is_another = permission::only_account()?.is_some_and(|only| only != id);
        let account = if is_another { None } else { Self::lock(id, RowLock::KeyShare) };
        account.ok_or(Error::NoAccount(id))
    }

    /// The account of a domain, to change that, and the domain's id. Whether the caller may is to be asked still, after the
    /// locks that the change takes. Domains of an account are changed one after the other: the deletion of two could meet
    /// in the access of tokens, and the renaming of two in their names.
    pub fn of_domain(id: Option<i64>, account_id: Option<i64>) -> Result<(Self, i64), Error> {
        static OWNER: Query = Query::new("SELECT account_id FROM token_auth.domain WHERE id = $1");
        let id = required(id, "domain id")?;
        let account = Self::owning(&OWNER, id, account_id, RowLock::NoKeyUpdate)?;
        Ok((account.ok_or(Error::NoDomainWithId(id))?, id))
    }

    /// The account of a token, to change that, and the token's id. Whether the caller may is to be asked still, after the
    /// locks that the change takes.
    pub fn of_token(id: Option<i64>, account_id: Option<i64>) -> Result<(Self, i64), Error> {
        Self::of_token_locked(id, account_id, RowLock::KeyShare)
    }

    /// The account of a token, to read that, and the token's id. Whether the caller may is to be asked still.
    pub fn of_token_to_read(id: Option<i64>, account_id: Option<i64>) -> Result<(Self, i64), Error> {
        Self::of_token_locked(id, account_id, RowLock::None)
    }

    fn of_token_locked(id: Option<i64>, account_id: Option<i64>, lock: RowLock) -> Result<(Self, i64), Error> {
        static OWNER: Query = Query::new("SELECT account_id FROM token_auth.token WHERE id = $1");
        let id = required(id, "token id")?;
        let account = Self::owning(&OWNER, id, account_id, lock)?;
        Ok((account.ok_or(Error::NoToken(id))?, id))
    }

    /// The account of what `owner` finds by its id. Another account than the one that the caller gave, or than the one of
    /// the token that is calling, is none.
    fn owning(owner: &Query, id: i64, account_id: Option<i64>, lock: RowLock) -> Result<Option<Self>, Error> {
        let only = permission::only_account()?;
        let is_meant = |owner: &i64| [account_id, only].into_iter().flatten().all(|account| account == *owner);
        let owner = owner.row(&[id.into()], |row| row.get_not_null::<i64>(1)).filter(is_meant);
        Ok(owner.and_then(|owner| Self::lock(owner, lock)))
    }

    /// Locks the row alone, and then reads it with its profile: where the lock was waited for, the row may be of another
    /// profile since, which a join that was begun before the wait would miss, and so would a snapshot that stands still.
    fn lock(id: i64, lock: RowLock) -> Option<Self> {
        static KEEP: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR KEY SHARE");
        static CHANGE: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR NO KEY UPDATE");
        static READ: Query = Query::new(
            "SELECT a.id AS account_id, a.name AS account, p.name AS profile, p.*
               FROM token_auth.account a
               JOIN token_auth.profile p ON p.name = a.profile
              WHERE a.id = $1",
        );
        static ALONE: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR UPDATE");
        let lock = match lock {
            RowLock::None => None,
            RowLock::KeyShare => Some(&KEEP),
            RowLock::NoKeyUpdate => Some(&CHANGE),
            RowLock::Update => Some(&ALONE),
        };
        if let Some(lock) = lock {
            server::check_can_write(c"a function that manages tokens");
            lock.row(&[id.into()], |_| ())?;
        }
        READ.row_latest_snapshot(&[id.into()], |row| Self {
            id: row.get_not_null(c"account_id"),
            name: row.get_not_null(c"account"),
            profile: Profile::read(row),
        })
    }

    fn check(self, action: Action) -> Result<Self, Error> {
        permission::check(&self, action)?;
        Ok(self)
    }
}

fn existing_profile(profile: Text<'_>) -> Result<&str, Error> {
    static EXISTS: Query = Query::new("SELECT true FROM token_auth.profile WHERE name = $1 FOR KEY SHARE");
    let name = required(text(profile, "profile")?, "profile")?;
    let found = EXISTS.row(&[name.into()], |row| row.get_not_null::<bool>(1));
    found.map(|_| name).ok_or_else(|| Error::NoProfile(excerpt(name)))
}
