//! Keeps digests out of the messages that PostgreSQL writes itself.
//!
//! A failed constraint prints the row or the key (`DETAIL: Failing row contains (...)`), and COPY prints the line that it
//! was reading. For `token_auth.token` both contain the digest. `emit_log_hook` (utils/error/elog.c) sees each message
//! before it is sent to the log and to the client. For that table it removes these two parts.

use std::ffi::{CStr, c_char};
use std::ptr;

use pgrx::pg_sys;

static mut NEXT_HOOK: pg_sys::emit_log_hook_type = None;

/// Installs the hook for the rest of this process.
pub fn install() {
    // SAFETY: hooks are installed while the library is loaded, by the only thread of the process.
    unsafe {
        NEXT_HOOK = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(redact);
    }
}

/// Removes the parts of a message that may contain a digest. It must not raise an error: one is being reported.
unsafe extern "C-unwind" fn redact(report: *mut pg_sys::ErrorData) {
    // SAFETY: PostgreSQL passes the report that it is about to send. Its strings are C strings or null.
    unsafe {
        if equals((*report).schema_name, c"token_auth") && equals((*report).table_name, c"token") {
            (*report).detail = ptr::null_mut();
            (*report).detail_log = ptr::null_mut();
            (*report).context = ptr::null_mut();
        }
        // A line that COPY cannot split into columns is reported without the table's name.
        if is_copy_context((*report).context) {
            (*report).context = ptr::null_mut();
        }
        if let Some(next) = NEXT_HOOK {
            next(report);
        }
    }
}

/// Returns true if a context is like `COPY token, line 1: "..."`, from the words before the quoted line.
///
/// Translations have the words in another order, and Korean has its own word for COPY. The context of a table of this name
/// in another schema is removed, too; its error message is not.
///
/// # Safety
/// `context` is a C string or null.
unsafe fn is_copy_context(context: *const c_char) -> bool {
    if context.is_null() {
        return false;
    }
    // SAFETY: the caller guarantees it.
    let context = unsafe { CStr::from_ptr(context) }.to_bytes();
    let words = context.split(|byte| *byte == b'"').next().unwrap_or_default();
    let has = |word: &str| words.windows(word.len()).any(|window| window == word.as_bytes());
    let mut names = words.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    names.any(|name| name == b"token") && (has("COPY") || has("복사"))
}

/// # Safety
/// `text` is a C string or null.
unsafe fn equals(text: *const c_char, expected: &CStr) -> bool {
    // SAFETY: the caller guarantees it.
    !text.is_null() && unsafe { CStr::from_ptr(text) } == expected
}
