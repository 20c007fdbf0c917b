//! Invalidation of the sessions' caches after a change that a decision may depend on.
//!
//! The triggers are ENABLE ALWAYS, so that a logical replication worker fires them, too. See `verify/invalidation.rs`.

use pgrx::{PgTrigger, pg_trigger};
use token_auth_core::scheme::Scheme;

use super::{TriggerResult, check_table, column_argument, id_in, name_in, new_row};
use crate::error::{Error, guarded};
use crate::verify::{invalidation, schemes};

/// AFTER a change of a token or its access, for each row. The argument is the column with the token's id.
#[pg_trigger(sql = false)]
fn invalidate_token_cache<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    guarded(|| invalidate_rows(trigger, invalidation::invalidate_token));
    Ok(None)
}

/// AFTER a change of an account or a domain, for each row. The argument is the column with the account's id.
#[pg_trigger(sql = false)]
fn invalidate_account_cache<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    guarded(|| invalidate_rows(trigger, invalidation::invalidate_account));
    Ok(None)
}

/// AFTER any change of what all accounts share, and after TRUNCATE.
#[pg_trigger(sql = false)]
fn invalidate_whole_cache<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    guarded(|| {
        check_table(trigger)?;
        invalidation::invalidate_all();
        Ok(())
    });
    Ok(None)
}

/// AFTER INSERT of a token that was imported, for each row.
#[pg_trigger(sql = false)]
fn announce_imported_scheme<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    guarded(|| {
        check_table(trigger)?;
        if let Some(scheme) = Scheme::from_name(name_in(&new_row(trigger)?, "scheme")?.as_bytes()) {
            schemes::announce(scheme);
        }
        Ok(())
    });
    Ok(None)
}

/// Invalidates the id of the row before the change, and that after it if it is another one.
fn invalidate_rows(trigger: &PgTrigger<'_>, invalidate: fn(i64)) -> Result<(), Error> {
    check_table(trigger)?;
    let column = column_argument(trigger)?;
    let mut last = None;
    for row in [trigger.old(), trigger.new()].into_iter().flatten() {
        let id = id_in(&row, &column)?;
        if last.replace(id) != Some(id) {
            invalidate(id);
        }
    }
    Ok(())
}
