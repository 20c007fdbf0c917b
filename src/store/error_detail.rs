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
        cut_copied_line((*report).context);
        if let Some(next) = NEXT_HOOK {
            next(report);
        }
    }
}

/// Leaves of `COPY token, line 1: "…"` in a context no more than `COPY token`, whatever the language of messages. That
/// hits tables of that name in other schemas too, which lose the line but not the error.
///
/// # Safety
/// `context` is a C string that may be written to, or null.
unsafe fn cut_copied_line(context: *mut c_char) {
    const COPY: &[u8] = b"COPY token,";
    if context.is_null() {
        return;
    }
    // SAFETY: as the caller promises; the cut is inside the string.
    unsafe {
        let bytes = CStr::from_ptr(context).to_bytes();
        if let Some(place) = bytes.windows(COPY.len()).position(|window| window == COPY) {
            *context.add(place + COPY.len() - 1) = 0;
        }
    }
}

/// # Safety
/// `text` is a C string or null.
unsafe fn is(text: *const c_char, expected: &CStr) -> bool {
    // SAFETY: as the caller promises.
    !text.is_null() && unsafe { CStr::from_ptr(text) } == expected
}
