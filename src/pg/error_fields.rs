//! The schema, table and constraint that a PostgreSQL error names, read and set.
//!
//! pgrx turns an error into a Rust panic with its SQLSTATE, message, detail and hint, and drops the other fields. An error
//! context callback (`errfinish` in utils/error/elog.c) sees the whole report first, and can set fields.
//!
//! The callback also shortens long texts. A trigger of another role may raise an error of a gigabyte, and pgrx copies it
//! with Rust's allocator, which ends the server if it finds no memory.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use pgrx::{PgLogLevel, pg_sys};

use super::unguarded;

/// The most bytes of a message, a detail or a hint.
const MAX_TEXT: usize = 8192;
const NAME: usize = pg_sys::NAMEDATALEN as usize;

/// The names of the objects that an error is about. A name is empty if the error has none.
#[derive(Clone, Copy)]
pub struct ErrorFields {
    schema: [u8; NAME],
    table: [u8; NAME],
    constraint: [u8; NAME],
}

thread_local! {
    static LAST_ERROR: Cell<Option<ErrorFields>> = const { Cell::new(None) };
}

impl ErrorFields {
    /// Returns the fields of the last error that was raised under an [`ErrorWatch`] or with a [`NamedConstraint`], and
    /// forgets them.
    pub fn take_last_error() -> Option<Self> {
        LAST_ERROR.take()
    }

    /// Forgets the last error.
    pub fn clear() {
        LAST_ERROR.set(None);
    }

    /// Returns the fields of the last error that was raised under an [`ErrorWatch`].
    pub fn of_last_error() -> Option<Self> {
        LAST_ERROR.get()
    }

    pub fn schema(&self) -> String {
        to_string(&self.schema)
    }

    pub fn table(&self) -> String {
        to_string(&self.table)
    }

    pub fn constraint(&self) -> String {
        to_string(&self.constraint)
    }
}

fn to_string(name: &[u8; NAME]) -> String {
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    String::from_utf8_lossy(&name[..length]).into_owned()
}

/// Watches errors until it goes out of scope.
pub struct ErrorWatch {
    callback: Box<pg_sys::ErrorContextCallback>,
}

impl ErrorWatch {
    /// Begins to watch.
    pub fn begin() -> Self {
        LAST_ERROR.set(None);
        // SAFETY: the callback stays at its address, in its box, until Drop takes it off the stack.
        unsafe {
            let mut callback = Box::new(pg_sys::ErrorContextCallback {
                previous: pg_sys::error_context_stack,
                callback: Some(record),
                arg: pg_sys::CurrentMemoryContext.cast(),
            });
            pg_sys::error_context_stack = &raw mut *callback;
            Self { callback }
        }
    }
}

impl Drop for ErrorWatch {
    fn drop(&mut self) {
        // SAFETY: later callbacks are off the stack again. After an error pgrx restores the stack.
        unsafe { pg_sys::error_context_stack = self.callback.previous }
    }
}

/// The name of a constraint for the field CONSTRAINT of the error that is raised next.
pub struct NamedConstraint;

thread_local! {
    /// The name, followed by zeros.
    static CONSTRAINT: Cell<Option<[u8; NAME]>> = const { Cell::new(None) };
    static HIDES_STATEMENT: Cell<bool> = const { Cell::new(false) };
}

/// The callback that sets the field. It is on the stack of callbacks from the moment that an error is raised in Rust until
/// PostgreSQL has reported it, and then PostgreSQL takes it off.
static mut NAMING: pg_sys::ErrorContextCallback =
    pg_sys::ErrorContextCallback { previous: ptr::null_mut(), callback: Some(set_constraint), arg: ptr::null_mut() };

impl NamedConstraint {
    /// Gives this name to the error that the caller raises next. An empty one is no name. The server does not log the statement with
    /// it if `hides_statement` is true.
    pub fn of_next_error(name: &str, hides_statement: bool) {
        HIDES_STATEMENT.set(hides_statement);
        let mut bytes = [0; NAME];
        let length = name.floor_char_boundary(NAME - 1);
        bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        LAST_ERROR.set(Some(ErrorFields { schema: [0; NAME], table: [0; NAME], constraint: bytes }));
        CONSTRAINT.set((length > 0).then(|| bytes));
        // SAFETY: the stack is a list of callbacks that are alive. The only thread of the process uses it.
        unsafe {
            let naming = &raw mut NAMING;
            // An error that was caught in Rust has left it there. It must not be in the list twice.
            let mut link = &raw mut pg_sys::error_context_stack;
            while !(*link).is_null() {
                if *link == naming {
                    *link = (*naming).previous;
                } else {
                    link = &raw mut (**link).previous;
                }
            }
            (*naming).previous = pg_sys::error_context_stack;
            pg_sys::error_context_stack = naming;
        }
    }
}

/// Sets the field of the report that PostgreSQL is finishing, once. It must not panic.
unsafe extern "C-unwind" fn set_constraint(_argument: *mut c_void) {
    if let Some(name) = CONSTRAINT.take() {
        // SAFETY: the name ends with a zero, and is copied.
        unsafe { unguarded::err_generic_string(pg_sys::PG_DIAG_CONSTRAINT_NAME as c_int, name.as_ptr().cast()) };
        if HIDES_STATEMENT.take() {
            // SAFETY: sets a field of the report.
            unsafe { unguarded::errhidestmt(true) };
        }
    }
}

/// Records the fields of a report and shortens its texts. It must not panic.
///
/// The report is copied to `context`, which must not be `ErrorContext`.
unsafe extern "C-unwind" fn record(context: *mut c_void) {
    // SAFETY: PostgreSQL calls this while it finishes the report that is copied. The copy may be changed.
    unsafe {
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = context.cast();
        let report = unguarded::CopyErrorData();
        if (*report).elevel >= PgLogLevel::ERROR as c_int {
            LAST_ERROR.set(Some(ErrorFields {
                schema: name((*report).schema_name),
                table: name((*report).table_name),
                constraint: name((*report).constraint_name),
            }));
            if shorten((*report).message) {
                unguarded::errmsg_internal(c"%s...".as_ptr(), (*report).message);
            }
            if shorten((*report).detail) {
                unguarded::errdetail_internal(c"%s...".as_ptr(), (*report).detail);
            }
            if shorten((*report).hint) {
                unguarded::errhint(c"%s...".as_ptr(), (*report).hint);
            }
        }
        unguarded::FreeErrorData(report);
        pg_sys::CurrentMemoryContext = before;
    }
}

/// # Safety
/// `name` is a C string or null.
unsafe fn name(name: *const c_char) -> [u8; NAME] {
    let mut copy = [0; NAME];
    if !name.is_null() {
        // SAFETY: the caller guarantees a C string. The last byte stays 0.
        unsafe {
            let length = CStr::from_ptr(name).to_bytes().len().min(NAME - 1);
            ptr::copy_nonoverlapping(name.cast::<u8>(), copy.as_mut_ptr(), length);
        }
    }
    copy
}

/// Shortens a text of more than [`MAX_TEXT`] bytes at the start of a character. Returns true if it did.
///
/// # Safety
/// `text` is a C string that may be written to, or null.
unsafe fn shorten(text: *mut c_char) -> bool {
    // SAFETY: the caller guarantees it.
    unsafe {
        if text.is_null() || CStr::from_ptr(text).to_bytes().len() <= MAX_TEXT {
            return false;
        }
        let mut end = MAX_TEXT;
        while end > 0 && *text.add(end) as u8 & 0xc0 == 0x80 {
            end -= 1;
        }
        *text.add(end) = 0;
    }
    true
}
