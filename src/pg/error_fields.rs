//! What an error of PostgreSQL is about: the table and the constraint that it names, beside its text.
//!
//! pgrx turns an error into a Rust panic with its SQLSTATE, message, detail and hint, and drops the other fields. An error
//! context callback (`errfinish` in utils/error/elog.c) sees the whole report first. It also cuts a text that is longer
//! than anybody reads: code of other roles that our statements set off may raise an error of a gigabyte, and pgrx copies
//! it with Rust's allocator, which aborts the server where it finds no memory.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use pgrx::{PgLogLevel, pg_sys};

/// PostgreSQL's functions as they are: an error in them jumps over the callback, which has nothing to drop.
mod plain {
    use super::pg_sys;
    use std::ffi::{c_char, c_int};

    unsafe extern "C-unwind" {
        pub fn CopyErrorData() -> *mut pg_sys::ErrorData;
        pub fn FreeErrorData(data: *mut pg_sys::ErrorData);
        pub fn errmsg_internal(format: *const c_char, ...) -> c_int;
        pub fn errdetail_internal(format: *const c_char, ...) -> c_int;
        pub fn errhint(format: *const c_char, ...) -> c_int;
    }
}

/// The most bytes of a message, a detail or a hint that are kept.
const LONGEST_TEXT: usize = 8192;
const NAME: usize = pg_sys::NAMEDATALEN as usize;

/// The objects that an error names.
#[derive(Clone, Copy)]
pub struct ErrorFields {
    schema: [u8; NAME],
    table: [u8; NAME],
    constraint: [u8; NAME],
}

thread_local! {
    static LAST: Cell<Option<ErrorFields>> = const { Cell::new(None) };
}

impl ErrorFields {
    /// Those of the error that was raised last under an [`ErrorWatch`].
    pub fn of_last_error() -> Option<Self> {
        LAST.get()
    }

    pub fn schema(&self) -> String {
        text(&self.schema)
    }

    /// Empty where the error names no table.
    pub fn table(&self) -> String {
        text(&self.table)
    }

    /// Empty where the error names no constraint.
    pub fn constraint(&self) -> String {
        text(&self.constraint)
    }
}

fn text(name: &[u8; NAME]) -> String {
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    String::from_utf8_lossy(&name[..length]).into_owned()
}

/// Watches errors until it goes out of scope.
pub struct ErrorWatch {
    callback: Box<pg_sys::ErrorContextCallback>,
}

impl ErrorWatch {
    pub fn begin() -> Self {
        LAST.set(None);
        // SAFETY: the callback stays where it is, in its box, and Drop takes it off the stack again.
        unsafe {
            let mut callback = Box::new(pg_sys::ErrorContextCallback {
                previous: pg_sys::error_context_stack,
                callback: Some(note),
                arg: pg_sys::CurrentMemoryContext.cast(),
            });
            pg_sys::error_context_stack = &raw mut *callback;
            Self { callback }
        }
    }
}

impl Drop for ErrorWatch {
    fn drop(&mut self) {
        // SAFETY: whoever pushed something after this has popped it; after an error pgrx restores the stack of before.
        unsafe { pg_sys::error_context_stack = self.callback.previous }
    }
}

/// Nothing in here may panic. `context` is where the report is copied to, which must not be `ErrorContext`.
unsafe extern "C-unwind" fn note(context: *mut c_void) {
    // SAFETY: PostgreSQL calls this while it finishes a report, which is what is copied. The copy is ours to change.
    unsafe {
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = context.cast();
        let report = plain::CopyErrorData();
        if (*report).elevel >= PgLogLevel::ERROR as c_int {
            LAST.set(Some(ErrorFields {
                schema: name((*report).schema_name),
                table: name((*report).table_name),
                constraint: name((*report).constraint_name),
            }));
            if cut((*report).message) {
                plain::errmsg_internal(c"%s...".as_ptr(), (*report).message);
            }
            if cut((*report).detail) {
                plain::errdetail_internal(c"%s...".as_ptr(), (*report).detail);
            }
            if cut((*report).hint) {
                plain::errhint(c"%s...".as_ptr(), (*report).hint);
            }
        }
        plain::FreeErrorData(report);
        pg_sys::CurrentMemoryContext = before;
    }
}

/// # Safety
/// `name` is a C string or null.
unsafe fn name(name: *const c_char) -> [u8; NAME] {
    let mut copy = [0; NAME];
    if !name.is_null() {
        // SAFETY: as the caller promises; the last byte stays 0.
        unsafe {
            let length = CStr::from_ptr(name).to_bytes().len().min(NAME - 1);
            ptr::copy_nonoverlapping(name.cast::<u8>(), copy.as_mut_ptr(), length);
        }
    }
    copy
}

/// Shortens a text that is too long, where a character begins, and returns whether it was.
///
/// # Safety
/// `text` is a C string that may be written to, or null.
unsafe fn cut(text: *mut c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if text.is_null() || CStr::from_ptr(text).to_bytes().len() <= LONGEST_TEXT {
            return false;
        }
        let mut end = LONGEST_TEXT;
        while end > 0 && *text.add(end) as u8 & 0xc0 == 0x80 {
            end -= 1;
        }
        *text.add(end) = 0;
    }
    true
}
