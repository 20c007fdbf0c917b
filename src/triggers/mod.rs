//! The trigger functions. They fire for the DML of every role, and the extension's own functions rely on them.

mod erase_sealed;
mod immutable;
mod invalidate;
mod last_token;
mod presets;

use pgrx::heap_tuple::PgHeapTuple;
use pgrx::{AllocatedByPostgres, PgTrigger, WhoAllocated};
use token_auth_core::name;

use crate::error::{EnvironmentError, Error};
use crate::pg::varlena::VarlenaArg;

/// The result of a trigger function. It raises its errors itself.
type TriggerResult<'a> = Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, std::convert::Infallible>;

/// Returns an error if a trigger is not on a table of the extension: a role with EXECUTE on a trigger function could put it on
/// a table of its own.
fn check_table(trigger: &PgTrigger<'_>) -> Result<(), Error> {
    let schema = trigger.table_schema().map_err(|_| EnvironmentError::ForeignTable)?;
    if schema == "token_auth" { Ok(()) } else { Err(EnvironmentError::ForeignTable.into()) }
}

/// Returns the name of the trigger's table.
fn table_name(trigger: &PgTrigger<'_>) -> Result<String, Error> {
    trigger.table_name().map_err(|_| EnvironmentError::ForeignTable.into())
}

/// Returns the argument of the trigger: the name of a column.
fn column_argument(trigger: &PgTrigger<'_>) -> Result<String, Error> {
    let argument = trigger.extra_args().ok().and_then(|arguments| arguments.into_iter().next());
    argument.ok_or(EnvironmentError::ForeignTable.into())
}

/// Returns a column that a constraint keeps from being NULL, as an id.
fn id_in(row: &PgHeapTuple<'_, impl WhoAllocated>, column: &str) -> Result<i64, Error> {
    row.get_by_name(column).ok().flatten().ok_or(EnvironmentError::ForeignTable.into())
}

/// Returns a column that a constraint keeps to names.
fn name_in(row: &PgHeapTuple<'_, impl WhoAllocated>, column: &str) -> Result<String, Error> {
    unchecked_name_in(row, column)?.ok_or(EnvironmentError::ForeignTable.into())
}

/// Returns a column before a constraint has checked it, or `None` if it is NULL or not a name.
fn unchecked_name_in(row: &PgHeapTuple<'_, impl WhoAllocated>, column: &str) -> Result<Option<String>, Error> {
    let text: Option<VarlenaArg<'_>> = row.get_by_name(column).map_err(|_| EnvironmentError::ForeignTable)?;
    Ok(text.and_then(|VarlenaArg(text)| name::from_bytes(text)).map(str::to_string))
}

/// Returns the row before the change.
fn old_row<'a>(trigger: &'a PgTrigger<'a>) -> Result<PgHeapTuple<'a, AllocatedByPostgres>, Error> {
    trigger.old().ok_or(EnvironmentError::ForeignTable.into())
}

/// Returns the row after the change.
fn new_row<'a>(trigger: &'a PgTrigger<'a>) -> Result<PgHeapTuple<'a, AllocatedByPostgres>, Error> {
    trigger.new().ok_or(EnvironmentError::ForeignTable.into())
}
