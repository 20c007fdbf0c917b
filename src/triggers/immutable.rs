//! Columns that cannot be changed: ids, and the account of a domain or a token.

use pgrx::{PgTrigger, pg_trigger};

use super::{TriggerResult, check_table, column_argument, table_name};
use crate::error::{Error, StateError, guarded};

/// BEFORE UPDATE, with a WHEN that says that the column changes. The argument is the column.
#[pg_trigger(sql = false)]
fn refuse_change<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    guarded(|| -> Result<(), Error> {
        check_table(trigger)?;
        Err(StateError::Immutable { table: table_name(trigger)?, column: column_argument(trigger)? }.into())
    });
    Ok(None)
}
