//! The functions that manage accounts: the customers of an application.

use pgrx::pg_extern;

use super::target::{AccountOnly, Authorized, Target};
use crate::arguments::{TextArg, new_name, required, text};
use crate::error::{ArgumentError, Error, StateError, guarded, map_foreign_key_violation, map_unique_violation};
use crate::model::{RowLock, profile};
use crate::permission::{Action, check_not_token};
use crate::pg::datum::{JsonbArg, is_json_object};
use crate::pg::spi::Query;

#[pg_extern(sql = false)]
fn create_account(name: TextArg<'_>, profile: TextArg<'_>, metadata: Option<&[u8]>) -> i64 {
    static INSERT: Query = Query::new(
        "INSERT INTO token_auth.account (name, profile, metadata) VALUES ($1, $2, coalesce($3, '{}'))
         ON CONFLICT (name) DO NOTHING
         RETURNING id",
    );
    guarded(|| {
        let name = new_name(name, "name")?;
        check_not_token("manage accounts")?;
        let profile = existing_profile(profile)?;
        if metadata.is_some_and(|metadata| !is_json_object(metadata)) {
            return Err(ArgumentError::MetadataNotObject.into());
        }
        let metadata = metadata.map(JsonbArg);
        let id = INSERT.row(&[name.into(), profile.into(), metadata.into()], |row| row.get_not_null(1));
        id.ok_or_else(|| StateError::Taken { what: "account", name: name.to_string() }.into())
    })
}

#[pg_extern(sql = false)]
fn pause_account(id: Option<i64>, account_id: Option<i64>) -> bool {
    static PAUSE: Query = Query::new(
        "UPDATE token_auth.account SET paused_at = pg_catalog.clock_timestamp() WHERE id = $1 AND paused_at IS NULL",
    );
    guarded(|| {
        let target = authorized(id, account_id, RowLock::NoKeyUpdate)?;
        Ok(PAUSE.execute(&[target.account.id.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn resume_account(id: Option<i64>, account_id: Option<i64>) -> bool {
    static RESUME: Query =
        Query::new("UPDATE token_auth.account SET paused_at = NULL WHERE id = $1 AND paused_at IS NOT NULL");
    guarded(|| {
        let target = authorized(id, account_id, RowLock::NoKeyUpdate)?;
        Ok(RESUME.execute(&[target.account.id.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn rename_account(id: Option<i64>, name: TextArg<'_>, account_id: Option<i64>) -> bool {
    static RENAME: Query = Query::new("UPDATE token_auth.account SET name = $2 WHERE id = $1 AND name <> $2");
    guarded(|| {
        let name = new_name(name, "name")?;
        let id = authorized(id, account_id, RowLock::NoKeyUpdate)?.account.id;
        Ok(map_unique_violation("account", name, || {
            map_foreign_key_violation(|| format!("account {id}"), || RENAME.execute(&[id.into(), name.into()]))
        })?? > 0)
    })
}

#[pg_extern(sql = false)]
fn set_account_profile(id: Option<i64>, profile: TextArg<'_>, account_id: Option<i64>) -> bool {
    static SET: Query = Query::new("UPDATE token_auth.account SET profile = $2 WHERE id = $1 AND profile <> $2");
    guarded(|| {
        check_not_token("manage accounts")?;
        let profile = existing_profile(profile)?;
        // The lock is as strong as that of the trigger that erases sealed copies: see triggers/erase_sealed.rs.
        let target = authorized(id, account_id, RowLock::Update)?;
        Ok(SET.execute(&[target.account.id.into(), profile.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn delete_account(id: Option<i64>, confirm_name: TextArg<'_>, account_id: Option<i64>) -> bool {
    static DELETE: Query = Query::new("DELETE FROM token_auth.account WHERE id = $1");
    guarded(|| {
        let confirm_name = required(text(confirm_name, "confirm_name")?, "confirm_name")?;
        let account = authorized(id, account_id, RowLock::NoKeyUpdate)?.account;
        if confirm_name != account.name {
            return Err(ArgumentError::NotConfirmed { what: "account", id: account.id }.into());
        }
        Ok(map_foreign_key_violation(|| format!("account {}", account.id), || DELETE.execute(&[account.id.into()]))?
            > 0)
    })
}

#[pg_extern(sql = false)]
fn add_account_admin(id: Option<i64>, actor: TextArg<'_>, account_id: Option<i64>) -> bool {
    static ADD: Query =
        Query::new("INSERT INTO token_auth.account_admin (account_id, actor) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    guarded(|| {
        let actor = new_name(actor, "actor")?;
        let target =
            Target::account(id, account_id)?.lock(RowLock::NoKeyUpdate)?.authorize(Action::AddAdministrator)?;
        Ok(ADD.execute(&[target.account.id.into(), actor.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn remove_account_admin(id: Option<i64>, actor: TextArg<'_>, account_id: Option<i64>) -> bool {
    static REMOVE: Query = Query::new("DELETE FROM token_auth.account_admin WHERE account_id = $1 AND actor = $2");
    guarded(|| {
        let actor = required(text(actor, "actor")?, "actor")?;
        let target = authorized(id, account_id, RowLock::NoKeyUpdate)?;
        Ok(REMOVE.execute(&[target.account.id.into(), actor.into()]) > 0)
    })
}

fn authorized(id: Option<i64>, account_id: Option<i64>, lock: RowLock) -> Result<Authorized<AccountOnly>, Error> {
    Target::account(id, account_id)?.lock(lock)?.authorize(Action::ChangeAccount)
}

fn existing_profile(profile: TextArg<'_>) -> Result<&str, Error> {
    let name = required(text(profile, "profile")?, "profile")?;
    profile::lock(name)?;
    Ok(name)
}
