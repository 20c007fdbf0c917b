//! Keeps digests out of error messages that PostgreSQL writes itself.
//!
//! A constraint that fails prints the row or the key (`DETAIL: Failing row contains (…)`), COPY prints the line it was
//! reading, and in `token_auth.token` both have the digest in them. `emit_log_hook` (utils/error/elog.c) sees each
//! message before it goes to the log and to the client; there the two are dropped for that table.

use std::ffi::{CStr, c_char};
use std::ptr;

use pgrx::pg_sys;

static mut NEXT_HOOK: pg_sys::emit_log_hook_type = None;

/// Installs the hook for the rest of this process.
pub fn hide_from_now_on() {
    // SAFETY: hooks are installed while the library is loaded, by the process's one thread.
    unsafe {
        NEXT_HOOK = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(hide);
    }
}

/// Nothing in here may raise an error: it runs while one is being reported.
unsafe extern "C-unwind" fn hide(report: *mut pg_sys::ErrorData) {
    // SAFETY: PostgreSQL passes the report that it is about to send; its strings are its own C strings, or null.
    unsafe {
        if is((*report).schema_name, c"token_auth") && is((*report).table_name, c"token") {
            (*report).detail = ptr::null_mut();
            (*report).detail_log = ptr::null_mut();
            (*report).context = ptr::null_mut();
        }
        // A line that COPY cannot even split names no table.
        if is_of_copy((*report).context) {
            (*report).context = ptr::null_mut();
        }
        if let Some(next) = NEXT_HOOK {
            next(report);
        }
    }
}

/// Whether a context is that of `COPY token, line 1: "…"`, going by what stands before the quoted line. Translations have
/// the words in another order, and Korean one of its own for COPY. A table of this name in another schema loses its
/// context too, but not its error.
///
/// # Safety
/// `context` is a C string or null.
unsafe fn is_of_copy(context: *const c_char) -> bool {
    if context.is_null() {
        return false;
    }
    // SAFETY: as the caller promises.
    let context = unsafe { CStr::from_ptr(context) }.to_bytes();
    let words = context.split(|byte| *byte == b'"').next().unwrap_or_default();
    let has = |word: &str| words.windows(word.len()).any(|window| window == word.as_bytes());
    let mut names = words.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    names.any(|name| name == b"token") && (has("COPY") || has("복사"))
}

/// # Safety
/// `text` is a C string or null.
unsafe fn is(text: *const c_char, expected: &CStr) -> bool {
    // SAFETY: as the caller promises.
    !text.is_null() && unsafe { CStr::from_ptr(text) } == expected
}
