//! Small questions to the server around us.

use std::ffi::{CStr, CString};

use pgrx::datum::Interval;
use pgrx::pg_sys;
use pgrx::{IntoDatum, PgSqlErrorCode, PgTryBuilder, direct_function_call};

use super::datum::Timestamp;

unsafe extern "C" {
    fn geteuid() -> u32;
}

/// Whether `shared_preload_libraries` is being loaded right now.
pub fn is_preloading() -> bool {
    // SAFETY: a plain flag of the process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Whether CREATE or ALTER EXTENSION is running a script of this extension in this session.
pub fn is_in_own_script() -> bool {
    // SAFETY: plain variables of the process, and a catalogue lookup inside a transaction.
    unsafe {
        pg_sys::creating_extension
            && pg_sys::CurrentExtensionObject == pg_sys::get_extension_oid(c"token_auth".as_ptr(), true)
    }
}

/// Whether a parallel query is running, in its leader or in a worker.
pub fn is_in_parallel_mode() -> bool {
    // SAFETY: reads the state of the transaction.
    unsafe { pg_sys::IsInParallelMode() }
}

/// Whether the transaction may have changed something: only who writes gets a transaction id.
pub fn has_written() -> bool {
    // SAFETY: reads the state of the transaction. 0 is no transaction.
    u32::from(unsafe { pg_sys::GetTopTransactionIdIfAny() }) != 0
}

/// Raises PostgreSQL's own error where the transaction is read-only. `what` completes "cannot execute …".
pub fn check_can_write(what: &CStr) {
    // SAFETY: reads the state of the transaction, and the string while it does.
    unsafe { pg_sys::PreventCommandIfReadOnly(what.as_ptr()) }
}

/// Whether a statement that calls a function of ours directly is a transaction of its own: no block was begun, and no
/// other function is between them, as its error context would be.
pub fn is_alone_in_transaction() -> bool {
    // SAFETY: plain state of the process.
    unsafe { !pg_sys::IsTransactionBlock() && pg_sys::error_context_stack.is_null() }
}

/// The user of the operating system as whom the server runs.
pub fn user_id() -> u32 {
    // SAFETY: geteuid(2) always succeeds.
    unsafe { geteuid() }
}

/// Whether pg_upgrade is at work, which wants to find what it left.
pub fn is_being_upgraded() -> bool {
    // SAFETY: a plain flag of the process.
    unsafe { pg_sys::IsBinaryUpgrade }
}

/// The wall clock, which goes on while a transaction lasts.
pub fn now() -> Timestamp {
    // SAFETY: reads the clock.
    Timestamp(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// `instant + interval`, or `None` where that is out of range.
pub fn add(instant: Timestamp, interval: Interval) -> Option<Timestamp> {
    let arguments = [instant.into_datum(), interval.into_datum()];
    PgTryBuilder::new(|| {
        // SAFETY: timestamptz_pl_interval takes a timestamptz and an interval, and returns a timestamptz.
        unsafe { direct_function_call::<i64>(pg_sys::timestamptz_pl_interval, &arguments) }.map(Timestamp)
    })
    // The one error of a pure function of two values: nothing is left behind that an abort would have to clean.
    .catch_when(PgSqlErrorCode::ERRCODE_DATETIME_FIELD_OVERFLOW, |_| None)
    .execute()
}

/// Whether the transaction sees one snapshot from beginning to end.
pub fn snapshot_stands_still() -> bool {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// The role that logged in, whatever SET ROLE or a SECURITY DEFINER function made of it.
pub fn session_user() -> CString {
    // SAFETY: the session user exists while the session does; the name is copied at once.
    unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(pg_sys::GetSessionUserId(), false)).to_owned() }
}

/// Whether this server is a standby.
pub fn is_in_recovery() -> bool {
    // SAFETY: reads a flag of the process, or one in shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// The setting `max_worker_processes`.
pub fn max_worker_processes() -> i32 {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::max_worker_processes }
}

/// Ends the statement where it was cancelled, or its time is over.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Waits, and can be cancelled.
pub fn pause(time: std::time::Duration) {
    check_for_interrupts();
    std::thread::sleep(time);
}

/// A role of the cluster, by its name.
pub fn role(name: &str) -> Option<pg_sys::Oid> {
    let name = CString::new(name).ok()?;
    // SAFETY: a catalogue lookup inside a transaction.
    let role = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    (role != pg_sys::InvalidOid).then(|| role)
}

/// Whether this database has the extension.
pub fn has_extension() -> bool {
    // SAFETY: a catalogue lookup inside a transaction.
    unsafe { pg_sys::get_extension_oid(c"token_auth".as_ptr(), true) != pg_sys::InvalidOid }
}

/// The name of this database's encoding.
pub fn encoding() -> String {
    // SAFETY: returns a static string.
    unsafe { CStr::from_ptr(pg_sys::GetDatabaseEncodingName()) }.to_string_lossy().into_owned()
}

/// Reserves `prefix`, so that a misspelt setting of ours is an error and not a placeholder.
pub fn reserve_settings_prefix(prefix: &CStr) {
    // SAFETY: copies the string.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) }
}

/// Sets a setting for the rest of this process, over whatever the database, the role or the files say.
pub fn set_for_this_process(name: &CStr, value: &CStr) {
    // SAFETY: both strings are copied.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}
