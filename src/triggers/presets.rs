//! Presets, which only the extension's own scripts may change.

use pgrx::{PgTrigger, pg_trigger};
use token_auth_core::name;

use super::{TriggerResult, check_table, column_argument, table_name};
use crate::error::{EnvironmentError, StateError, guarded};
use crate::pg::extension;
use crate::pg::spi::Query;
use crate::pg::varlena::VarlenaArg;

/// BEFORE INSERT, UPDATE, DELETE or TRUNCATE of a table that contains presets. The argument is the column with the profile's
/// name.
#[pg_trigger(sql = false)]
fn protect_presets<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    static IS_PRESET: Query = Query::new("SELECT true FROM token_auth.profile WHERE name = $1 AND builtin");
    guarded(|| {
        check_table(trigger)?;
        if extension::is_running_own_script() {
            return Ok(());
        }
        let column = column_argument(trigger)?;
        let rows: Vec<_> = [trigger.old(), trigger.new()].into_iter().flatten().collect();
        if rows.is_empty() {
            return Err(StateError::PresetsTruncated(table_name(trigger)?).into());
        }
        for row in rows {
            let text: Option<VarlenaArg<'_>> = row.get_by_name(&column).map_err(|_| EnvironmentError::ForeignTable)?;
            // A constraint refuses a row whose name is NULL or not a name.
            let Some(name) = text.and_then(|VarlenaArg(text)| name::from_bytes(text)) else { continue };
            let name = name.to_string();
            if IS_PRESET.row_latest_snapshot(&[name.as_str().into()], |_| ()).is_some() {
                return Err(StateError::Preset(name).into());
            }
            if row.get_by_name::<bool>("builtin").ok().flatten() == Some(true) {
                return Err(StateError::PresetClaimed(name).into());
            }
        }
        Ok(())
    });
    Ok(trigger.new().or_else(|| trigger.old()))
}
