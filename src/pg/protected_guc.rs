//! A setting that only this library can set.
//!
//! It is a setting because PostgreSQL then does the rest: the value ends with the transaction, follows savepoints, and is
//! copied into parallel workers (utils/misc/guc.c). The check hook refuses every value except the one that [`set`] is
//! setting. That permission is for one value, once, and is withdrawn on every way out, errors included.
//!
//! While the sticky flag is raised (`sticky_flag.rs`), a value that a rollback restores is emptied.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use super::sticky_flag;

/// The most bytes of a value.
pub const MAX_VALUE: usize = 63;

/// The definition of the setting.
pub struct Definition {
    pub name: &'static CStr,
    pub description: &'static CStr,
    pub long_description: &'static CStr,
    /// The error message when it is set in another way, and its hint.
    pub refusal: &'static CStr,
    pub refusal_hint: &'static CStr,
}

/// A value that is not empty. The rest of the array is zero.
pub type Value = [u8; MAX_VALUE];

static DEFINITION: OnceLock<Definition> = OnceLock::new();

/// The variable in which PostgreSQL keeps the value.
static mut VALUE: *mut c_char = ptr::null_mut();

thread_local! {
    /// The one value that the check hook permits.
    static PERMITTED: Cell<Option<CString>> = const { Cell::new(None) };
}

/// Defines the setting. There is one such setting in a process.
///
/// If a session has set a placeholder of this name before the library was loaded, PostgreSQL passes that value through the
/// check hook, which refuses it.
pub fn define(definition: Definition) {
    let definition = DEFINITION.get_or_init(|| definition);
    // SAFETY: the strings and the variable live as long as the process, and the hook is guarded.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            definition.name.as_ptr(),
            definition.description.as_ptr(),
            definition.long_description.as_ptr(),
            &raw mut VALUE,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            (pg_sys::GUC_DISALLOW_IN_FILE | pg_sys::GUC_DISALLOW_IN_AUTO_FILE | pg_sys::GUC_NOT_IN_SAMPLE) as i32,
            Some(check),
            Some(assign),
            None,
        );
    }
}

/// Returns the value, or `None` if it is empty.
pub fn value() -> Option<Value> {
    // SAFETY: null or a C string, which does not change before it is copied.
    let value = unsafe { VALUE.as_ref().map(|value| CStr::from_ptr(value)) }?.to_bytes();
    if value.is_empty() {
        return None;
    }
    let mut copy = [0; MAX_VALUE];
    // A value that cannot be read must not look like an empty one.
    copy.get_mut(..value.len()).expect("the setting is longer than the library sets it").copy_from_slice(value);
    Some(copy)
}

/// Sets the value until the transaction ends.
pub fn set(value: &CStr) {
    let _permission = Permission::give(value);
    set_config_option(value);
}

/// Empties the value until the transaction ends.
pub fn clear() {
    set_config_option(c"");
}

fn set_config_option(value: &CStr) {
    let name = DEFINITION.get().expect("the setting is defined when the library is loaded").name;
    // SAFETY: both strings are copied. An error returns as a panic, which drops the permission.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
}

/// The permission to set one value. It is withdrawn when it goes out of scope.
struct Permission;

impl Permission {
    fn give(value: &CStr) -> Self {
        PERMITTED.set(Some(value.to_owned()));
        Self
    }
}

impl Drop for Permission {
    fn drop(&mut self) {
        PERMITTED.set(None);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes the new value, a C string or null.
    let value = unsafe { (*value).as_ref().map(|value| CStr::from_ptr(value)) };
    let Some(value) = value.filter(|value| !value.is_empty()) else { return true };
    let is_permitted = PERMITTED.take().is_some_and(|permitted| *permitted == *value);
    // A parallel worker that is starting takes over the value of its leader, before it runs any code of a user.
    // SAFETY: reads a variable of the process.
    if is_permitted || unsafe { pg_sys::InitializingParallelWorker } {
        return true;
    }
    let Some(definition) = DEFINITION.get() else { return false };
    // SAFETY: PostgreSQL only reads these strings, for the error that it raises when this returns.
    unsafe {
        pg_sys::GUC_check_errcode(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as i32);
        pg_sys::GUC_check_errmsg_string = definition.refusal.as_ptr().cast_mut();
        pg_sys::GUC_check_errhint_string = definition.refusal_hint.as_ptr().cast_mut();
    }
    false
}

/// Empties a value that the end of a subtransaction restores while the sticky flag is raised. It must not raise an error.
///
/// The end of a subtransaction restores settings after its callbacks (`AbortSubTransaction` in access/transam/xact.c), and
/// parallel workers copy the stored value. So the value itself is changed.
unsafe extern "C-unwind" fn assign(value: *const c_char, _extra: *mut c_void) {
    // SAFETY: PostgreSQL passes a C string or null. A value that is not empty was allocated for this setting when it was set,
    // and is read by nobody while this runs.
    unsafe {
        if sticky_flag::is_raised() && !value.is_null() && *value != 0 {
            *value.cast_mut() = 0;
        }
    }
}
