//! Accounts: the customers of an application, each with the profile that says what its tokens can do.

use pgrx::pg_extern;

use crate::arguments::{Text, new_name, required, text};
use crate::authority;
use crate::error::{Error, answer, or_taken};
use crate::profile::Profile;
use crate::store::statement::{Row, Statement};
use crate::store::value::Jsonb;

#[pg_extern(sql = false)]
fn create_account(name: Text<'_>, profile: Text<'_>, metadata: Option<&[u8]>) -> i64 {
    static INSERT: Statement = Statement::new(
        "INSERT INTO token_auth.account (name, profile, metadata) VALUES ($1, $2, coalesce($3, '{}')) RETURNING id",
    );
    answer(|| {
        let name = new_name(name, "name")?;
        let profile = existing_profile(profile)?;
        check_name_is_free(name)?;
        let metadata = metadata.map(|metadata| Jsonb(metadata.to_vec()));
        let values = [name.into(), profile.into(), metadata.into()];
        let id = or_taken("account", name, || INSERT.row(&values, |row| row.must(1)))?;
        Ok(id.expect("an insert returns its row"))
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
        if name != account.name {
            check_name_is_free(name)?;
            or_taken("account", name, || RENAME.run(&[account.id.into(), name.into()]))?;
        }
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_account_profile(id: Option<i64>, profile: Text<'_>, account_id: Option<i64>) {
    static SET: Statement = Statement::new("UPDATE token_auth.account SET profile = $2 WHERE id = $1");
    answer(|| {
        let account = Account::to_manage(id, account_id)?;
        SET.run(&[account.id.into(), existing_profile(profile)?.into()]);
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
            return Err(Error::NotConfirmed("the account"));
        }
        DELETE.run(&[account.id.into()]);
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
        let account = Account::to_manage(id, account_id)?;
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

/// An account and the rules of its profile.
pub struct Account {
    pub id: i64,
    pub name: String,
    pub profile: Profile,
}

/// The columns that [`Account::read`] reads, for a statement that has the account as `a` and its profile as `p`.
macro_rules! account_columns {
    () => {
        concat!("a.id, a.name, ", $crate::profile_columns!())
    };
}
pub(crate) use account_columns;

impl Account {
    /// Reads the `account_columns!()` that begin after the column `before`.
    pub fn read(row: &Row, before: usize) -> Self {
        Self { id: row.must(before + 1), name: row.must(before + 2), profile: Profile::read(row, before + 2) }
    }

    /// The account to make something under. It cannot be deleted until the transaction ends.
    pub fn to_make_under(id: Option<i64>) -> Result<Self, Error> {
        static FIND: Statement = Statement::new(concat!(
            "SELECT ",
            account_columns!(),
            " FROM token_auth.account a
              JOIN token_auth.profile p ON p.name = a.profile
             WHERE a.id = $1
               FOR KEY SHARE OF a"
        ));
        let id = required(id, "account id")?;
        let account = FIND.row(&[id.into()], |row| Self::read(row, 0)).ok_or(Error::NoAccount(id))?;
        authority::check(&account)?;
        Ok(account)
    }

    /// The account itself, locked against others who change it.
    fn to_manage(id: Option<i64>, account_id: Option<i64>) -> Result<Self, Error> {
        static FIND: Statement = Statement::new(concat!(
            "SELECT ",
            account_columns!(),
            " FROM token_auth.account a
              JOIN token_auth.profile p ON p.name = a.profile
             WHERE a.id = $1
               AND a.id = coalesce($2, a.id)
               FOR NO KEY UPDATE OF a"
        ));
        let id = required(id, "account id")?;
        let account =
            FIND.row(&[id.into(), account_id.into()], |row| Self::read(row, 0)).ok_or(Error::NoAccount(id))?;
        authority::check_account(&account)?;
        Ok(account)
    }
}

fn existing_profile(profile: Text<'_>) -> Result<&str, Error> {
    static EXISTS: Statement = Statement::new("SELECT true FROM token_auth.profile WHERE name = $1 FOR KEY SHARE");
    let name = required(text(profile, "profile")?, "profile")?;
    let found = EXISTS.row(&[name.into()], |row| row.must::<bool>(1));
    found.map(|_| name).ok_or_else(|| Error::NoProfile(name.to_string()))
}

fn check_name_is_free(name: &str) -> Result<(), Error> {
    static EXISTS: Statement = Statement::new("SELECT true FROM token_auth.account WHERE name = $1");
    match EXISTS.row(&[name.into()], |row| row.must::<bool>(1)) {
        Some(_) => Err(Error::Taken { what: "account", name: name.to_string() }),
        None => Ok(()),
    }
}
