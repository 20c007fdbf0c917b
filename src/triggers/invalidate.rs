//! Telling every backend that something has changed which an answer may depend on, by anybody's DML: the triggers are
//! ENABLE ALWAYS, so that a logical replication worker fires them, too. See `store/invalidation.rs`.

use pgrx::{PgTrigger, pg_trigger};

use crate::error::{Error, guarded};
use crate::pg::inval;
use crate::triggers::immutable::{Outcome, check_table};

/// AFTER a change of a token or its access, for each row. The argument is the column with the token's id.
#[pg_trigger(sql = false)]
fn invalidate_token_cache<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    guarded(|| announce(trigger, inval::invalidate_token));
    Ok(None)
}

/// AFTER a change of an account or a domain, for each row. The argument is the column with the account's id.
#[pg_trigger(sql = false)]
fn invalidate_account_cache<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    guarded(|| announce(trigger, inval::invalidate_account));
    Ok(None)
}

/// AFTER any change of what all accounts share, and after TRUNCATE.
#[pg_trigger(sql = false)]
fn invalidate_whole_cache<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    guarded(|| {
        check_table(trigger)?;
        inval::invalidate_shared();
        Ok(())
    });
    Ok(None)
}

/// Of the row as it was, and as it is, where that is another id.
fn announce(trigger: &PgTrigger<'_>, announce: fn(i64)) -> Result<(), Error> {
    check_table(trigger)?;
    let column = trigger.extra_args().ok().and_then(|arguments| arguments.into_iter().next());
    let column = column.ok_or(Error::NotOurTable)?;
    let mut announced = None;
    for row in [trigger.old(), trigger.new()].into_iter().flatten() {
        let id: Option<i64> = row.get_by_name(&column).map_err(|_| Error::NotOurTable)?;
        let id = id.ok_or(Error::NotOurTable)?;
        if announced.replace(id) != Some(id) {
            announce(id);
        }
    }
    Ok(())
}
