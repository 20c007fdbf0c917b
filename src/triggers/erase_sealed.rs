//! Erasing the sealed copies of secrets that may not be revealed any more, after a profile lost `can_reveal` or an account
//! got another profile, by a function or by anybody's plain DML.
//!
//! A token that somebody is making meanwhile must not keep its copy. Whoever makes one holds its account FOR KEY SHARE and
//! has read the profile after that; so accounts are locked FOR UPDATE here, which waits for those who began before and
//! holds up those who come after, and then everything that has committed is looked at. An account that is on its way to
//! the profile holds the profile FOR KEY SHARE in the same way.
//!
//! The row that is changed is locked before the change and not after it: an UPDATE of no key lets FOR KEY SHARE pass, and
//! who waits for the lock of an old version of the row gets it there, unseen by whoever locks the new one.

use pgrx::heap_tuple::PgHeapTuple;
use pgrx::{PgTrigger, WhoAllocated, pg_trigger};
use token_auth_core::name;

use crate::error::{Error, guarded};
use crate::pg::datum::VarlenaArg;
use crate::pg::spi::Query;
use crate::triggers::immutable::{Outcome, check_table};

/// BEFORE UPDATE of a profile that is about to lose `can_reveal`: waits for accounts that are on their way to it.
#[pg_trigger(sql = false)]
fn lock_profile_first<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    static LOCK: Query = Query::new("SELECT true FROM token_auth.profile WHERE name = $1 FOR UPDATE");
    guarded(|| {
        check_table(trigger)?;
        let old = trigger.old().ok_or(Error::NotOurTable)?;
        let name = name_in(&old, "name")?;
        LOCK.execute_latest_snapshot(&[name.into()]);
        Ok(())
    });
    Ok(trigger.new())
}

/// BEFORE UPDATE of an account that is about to get another profile: waits for tokens that are being made in it.
#[pg_trigger(sql = false)]
fn lock_account_first<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    static LOCK: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR UPDATE");
    guarded(|| {
        check_table(trigger)?;
        let old = trigger.old().ok_or(Error::NotOurTable)?;
        let id: i64 = old.get_by_name("id").ok().flatten().ok_or(Error::NotOurTable)?;
        LOCK.execute_latest_snapshot(&[id.into()]);
        Ok(())
    });
    Ok(trigger.new())
}

/// AFTER UPDATE of a profile that was `can_reveal` and is so no longer.
#[pg_trigger(sql = false)]
fn erase_sealed_of_profile<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    static WAIT_FOR_MAKERS: Query =
        Query::new("SELECT id FROM token_auth.account WHERE profile = $1 ORDER BY id FOR UPDATE");
    guarded(|| {
        check_table(trigger)?;
        let new = trigger.new().ok_or(Error::NotOurTable)?;
        let profile = name_in(&new, "name")?;
        let accounts: Vec<i64> = WAIT_FOR_MAKERS.rows_latest_snapshot(&[profile.into()], |row| row.get_not_null(1));
        accounts.into_iter().for_each(erase);
        Ok(())
    });
    Ok(None)
}

/// AFTER UPDATE of an account whose profile is another one now.
#[pg_trigger(sql = false)]
fn erase_sealed_of_account<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    static CAN_REVEAL: Query = Query::new("SELECT can_reveal FROM token_auth.profile WHERE name = $1 FOR KEY SHARE");
    guarded(|| {
        check_table(trigger)?;
        let new = trigger.new().ok_or(Error::NotOurTable)?;
        let id: i64 = new.get_by_name("id").ok().flatten().ok_or(Error::NotOurTable)?;
        let profile = name_in(&new, "profile")?;
        // The foreign key refuses a profile that does not exist.
        if CAN_REVEAL.row_latest_snapshot(&[profile.into()], |row| row.get_not_null::<bool>(1)) == Some(false) {
            erase(id);
        }
        Ok(())
    });
    Ok(None)
}

/// A column that a constraint keeps to names.
fn name_in(row: &PgHeapTuple<'_, impl WhoAllocated>, column: &str) -> Result<String, Error> {
    let text: Option<VarlenaArg<'_>> = row.get_by_name(column).map_err(|_| Error::NotOurTable)?;
    text.and_then(|VarlenaArg(text)| name::from_bytes(text)).map(str::to_string).ok_or(Error::NotOurTable)
}

fn erase(account_id: i64) {
    static ERASE: Query =
        Query::new("UPDATE token_auth.token SET sealed = NULL WHERE account_id = $1 AND sealed IS NOT NULL");
    ERASE.execute_latest_snapshot(&[account_id.into()]);
}
