//! Erasing the sealed copies of secrets that may no longer be revealed: after a profile loses `can_reveal`, or an account
//! gets a profile without it, by a function or by plain DML.
//!
//! A token that another session is creating meanwhile must not keep its copy. A session that creates a token holds its
//! account FOR KEY SHARE, and reads the profile after that. So accounts are locked FOR UPDATE here. That waits for sessions
//! that began before, and blocks those that come later. Then everything that has committed is examined. An account that is
//! getting the profile holds the profile FOR KEY SHARE in the same way.
//!
//! The changed row is locked before the change and not after it. An UPDATE that changes no key lets FOR KEY SHARE pass, and
//! a session that waits for the lock of the old row version gets it there, where a lock of the new version does not see it.

use pgrx::{PgTrigger, pg_trigger};

use super::{TriggerResult, check_table, id_in, name_in, new_row, old_row};
use crate::error::guarded;
use crate::pg::spi::Query;

/// BEFORE UPDATE of a profile that loses `can_reveal`: waits for accounts that are getting the profile.
#[pg_trigger(sql = false)]
fn lock_profile_first<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    static LOCK: Query = Query::new("SELECT true FROM token_auth.profile WHERE name = $1 FOR UPDATE");
    guarded(|| {
        check_table(trigger)?;
        LOCK.execute_latest_snapshot(&[name_in(&old_row(trigger)?, "name")?.into()]);
        Ok(())
    });
    Ok(trigger.new())
}

/// BEFORE UPDATE of an account that gets another profile: waits for tokens that are created in the account.
#[pg_trigger(sql = false)]
fn lock_account_first<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    static LOCK: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR UPDATE");
    guarded(|| {
        check_table(trigger)?;
        LOCK.execute_latest_snapshot(&[id_in(&old_row(trigger)?, "id")?.into()]);
        Ok(())
    });
    Ok(trigger.new())
}

/// AFTER UPDATE of a profile that lost `can_reveal`.
#[pg_trigger(sql = false)]
fn erase_sealed_of_profile<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    static LOCK_ACCOUNTS: Query =
        Query::new("SELECT id FROM token_auth.account WHERE profile = $1 ORDER BY id FOR UPDATE");
    guarded(|| {
        check_table(trigger)?;
        let profile = name_in(&new_row(trigger)?, "name")?;
        let accounts: Vec<i64> = LOCK_ACCOUNTS.rows_latest_snapshot(&[profile.into()], |row| row.get_not_null(1));
        accounts.into_iter().for_each(erase);
        Ok(())
    });
    Ok(None)
}

/// AFTER UPDATE of an account that got another profile.
#[pg_trigger(sql = false)]
fn erase_sealed_of_account<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    static CAN_REVEAL: Query = Query::new("SELECT can_reveal FROM token_auth.profile WHERE name = $1 FOR KEY SHARE");
    guarded(|| {
        check_table(trigger)?;
        let new = new_row(trigger)?;
        let (id, profile) = (id_in(&new, "id")?, name_in(&new, "profile")?);
        // The foreign key refuses a profile that does not exist.
        if CAN_REVEAL.row_latest_snapshot(&[profile.into()], |row| row.get_not_null::<bool>(1)) == Some(false) {
            erase(id);
        }
        Ok(())
    });
    Ok(None)
}

fn erase(account_id: i64) {
    static ERASE: Query =
        Query::new("UPDATE token_auth.token SET sealed = NULL WHERE account_id = $1 AND sealed IS NOT NULL");
    ERASE.execute_latest_snapshot(&[account_id.into()]);
}
