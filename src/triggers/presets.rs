//! Presets, which only the extension's own scripts may change, and which each server has of its own.

use pgrx::{PgTrigger, pg_trigger};

use super::{TriggerResult, check_table, column_argument, table_name, unchecked_name_in};
use crate::error::{StateError, guarded};
use crate::pg::extension;
use crate::pg::spi::Query;

/// BEFORE INSERT, UPDATE, DELETE or TRUNCATE of a table that contains presets. The argument is the column with the profile's
/// name.
#[pg_trigger(sql = false)]
fn protect_presets<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
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
            let Some(name) = unchecked_name_in(&row, &column)? else { continue };
            if is_preset(&name) {
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

/// BEFORE INSERT, UPDATE or DELETE of a table that contains presets, where `session_replication_role` is `replica`: in the workers of
/// a subscription, and in a restore without foreign keys. The argument is the column with the profile's name.
///
/// Leaves the presets of this database as they are.
#[pg_trigger(sql = false)]
fn skip_replicated_presets<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    let skips = guarded(|| {
        check_table(trigger)?;
        // Elsewhere the other trigger protects presets. `ALTER TABLE ... ENABLE TRIGGER` makes this one fire there, too.
        if extension::is_running_own_script() || !extension::is_replica_session() {
            return Ok(false);
        }
        let column = column_argument(trigger)?;
        if let Some(old) = trigger.old()
            && unchecked_name_in(&old, &column)?.is_some_and(|name| is_preset(&name))
        {
            return Ok(true);
        }
        let Some(new) = trigger.new() else { return Ok(false) };
        let Some(name) = unchecked_name_in(&new, &column)? else { return Ok(false) };
        // Only the row of the profile itself has the column, and is refused.
        match (is_preset(&name), new.get_by_name::<bool>("builtin").ok().flatten()) {
            (true, Some(false)) => Err(StateError::PresetOnlyHere(name).into()),
            (false, Some(true)) => Err(StateError::PresetOnlyThere(name).into()),
            (is_own, _) => Ok(is_own),
        }
    });
    Ok(if skips { None } else { trigger.new().or_else(|| trigger.old()) })
}

fn is_preset(name: &str) -> bool {
    static IS_PRESET: Query = Query::new("SELECT true FROM token_auth.profile WHERE name = $1 AND builtin");
    IS_PRESET.row_latest_snapshot(&[name.into()], |_| ()).is_some()
}
