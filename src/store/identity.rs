//! The setting `token_auth.identity`, which says as which token the transaction acts.
//!
//! A setting, because PostgreSQL does the rest: it ends with the transaction, follows savepoints, and is copied into
//! parallel workers (utils/misc/guc.c). Its check hook refuses every value but the one that [`assume`] is setting at that
//! moment. The permission for it is for one value, once, and is withdrawn on every way out, errors included.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

/// What PostgreSQL keeps the setting in.
static mut IDENTITY: *mut c_char = ptr::null_mut();

const NAME: &CStr = c"token_auth.identity";

thread_local! {
    /// The one token id that the check hook lets pass.
    static PERMITTED: Cell<Option<i64>> = const { Cell::new(None) };
}

pub fn define() {
    // A session in which somebody set a placeholder of this name before the library was loaded passes its value through
    // the hook here, which refuses it.
    // SAFETY: the strings and the variable live as long as the process, and the hook is guarded.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            NAME.as_ptr(),
            c"Id of the token as which this transaction acts.".as_ptr(),
            c"Empty means none. Set by token_auth.authenticate(), and by nothing else.".as_ptr(),
            &raw mut IDENTITY,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            (pg_sys::GUC_DISALLOW_IN_FILE | pg_sys::GUC_DISALLOW_IN_AUTO_FILE | pg_sys::GUC_NOT_IN_SAMPLE) as i32,
            Some(check),
            None,
            None,
        );
    }
}

/// The token as which this transaction acts, whether it is good still or not.
pub fn assumed() -> Option<i64> {
    // SAFETY: null or a C string, which does not change meanwhile.
    let value = unsafe { IDENTITY.as_ref().map(|value| CStr::from_ptr(value)) }?;
    if value.is_empty() {
        return None;
    }
    // The hook lets nothing else pass. An identity that cannot be read must not turn into none.
    Some(value.to_str().ok().and_then(|id| id.parse().ok()).expect("token_auth.identity is the id of a token"))
}

/// Acts as this token until the transaction ends.
pub fn assume(token_id: i64) {
    let _permission = Permission::give(token_id);
    set(&CString::new(token_id.to_string()).expect("digits have no NUL in them"));
}

/// Acts as nobody until the transaction ends.
pub fn renounce() {
    set(c"");
}

fn set(value: &CStr) {
    // SAFETY: both strings are copied. An error comes back as a panic, and passes the permission's Drop.
    unsafe {
        pg_sys::set_config_option(
            NAME.as_ptr(),
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

/// Leave to set one value; none is left when it goes out of scope.
struct Permission;

impl Permission {
    fn give(token_id: i64) -> Self {
        PERMITTED.set(Some(token_id));
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
    // SAFETY: PostgreSQL passes the new value, which is a C string or null.
    let value = unsafe { (*value).as_ref().map(|value| CStr::from_ptr(value)) };
    let Some(value) = value.filter(|value| !value.is_empty()) else { return true };
    let permitted = PERMITTED.take().is_some_and(|id| value.to_bytes() == id.to_string().as_bytes());
    // A parallel worker that is starting takes over what the leader has, and runs nobody's code yet.
    // SAFETY: a plain flag of the process.
    if permitted || unsafe { pg_sys::InitializingParallelWorker } {
        return true;
    }
    // SAFETY: these hold strings that PostgreSQL only reads, for the error that it raises when this returns.
    unsafe {
        pg_sys::GUC_check_errcode(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as i32);
        pg_sys::GUC_check_errmsg_string = c"token_auth.identity cannot be set".as_ptr().cast_mut();
        pg_sys::GUC_check_errhint_string =
            c"Call token_auth.authenticate() with the secret of a token.".as_ptr().cast_mut();
    }
    false
}
