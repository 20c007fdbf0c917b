//! Triggers that keep what never changes: ids, the account of a domain or a token, and the presets.

use pgrx::heap_tuple::PgHeapTuple;
use pgrx::{AllocatedByPostgres, PgTrigger, pg_trigger};
use token_auth_core::name;

use crate::error::{Error, guarded};
use crate::pg::datum::VarlenaArg;
use crate::pg::server;
use crate::pg::spi::Query;

/// What a trigger function returns. It raises its errors itself.
pub type Outcome<'a> = Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, std::convert::Infallible>;

/// BEFORE UPDATE of a column that never changes: WHEN says that it did, the trigger's argument names it.
#[pg_trigger(sql = false)]
fn refuse_change<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    guarded(|| -> Result<(), Error> {
        check_table(trigger)?;
        let table = trigger.table_name().map_err(|_| Error::NotOurTable)?;
        Err(Error::Immutable { table, column: argument(trigger).ok_or(Error::NotOurTable)? })
    });
    Ok(None)
}

/// BEFORE INSERT, UPDATE, DELETE or TRUNCATE of a table that holds presets. The argument is the column with the
/// profile's name. Only the extension's own scripts may change a preset.
#[pg_trigger(sql = false)]
fn protect_presets<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    static IS_PRESET: Query = Query::new("SELECT true FROM token_auth.profile WHERE name = $1 AND builtin");
    guarded(|| {
        check_table(trigger)?;
        if server::is_in_own_script() {
            return Ok(());
        }
        let column = argument(trigger).ok_or(Error::NotOurTable)?;
        let rows: Vec<_> = [trigger.old(), trigger.new()].into_iter().flatten().collect();
        if rows.is_empty() {
            return Err(Error::PresetsTruncated(trigger.table_name().map_err(|_| Error::NotOurTable)?));
        }
        for row in rows {
            let text: Option<VarlenaArg<'_>> = row.get_by_name(&column).map_err(|_| Error::NotOurTable)?;
            // A constraint refuses a row without a name, or with one that is none.
            let Some(name) = text.and_then(|VarlenaArg(text)| name::from_bytes(text)) else { continue };
            let name = name.to_string();
            if IS_PRESET.row_latest_snapshot(&[name.as_str().into()], |_| ()).is_some() {
                return Err(Error::Preset(name));
            }
            if row.get_by_name::<bool>("builtin").ok().flatten() == Some(true) {
                return Err(Error::PresetClaimed(name));
            }
        }
        Ok(())
    });
    Ok(trigger.new().or_else(|| trigger.old()))
}

/// That a trigger is on a table of ours: whoever may execute a trigger function could put it on one of his own.
pub fn check_table(trigger: &PgTrigger<'_>) -> Result<(), Error> {
    let schema = trigger.table_schema().map_err(|_| Error::NotOurTable)?;
    if schema == "token_auth" { Ok(()) } else { Err(Error::NotOurTable) }
}

fn argument(trigger: &PgTrigger<'_>) -> Option<String> {
    trigger.extra_args().ok()?.into_iter().next()
}
