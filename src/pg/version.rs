//! The differences between the versions of PostgreSQL that are supported. What is the same in all of them stands where it is used.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::unguarded;

/// Begins an index scan that no EXPLAIN counts.
///
/// # Safety
/// As `index_beginscan` (access/indexam.c), without a guard.
pub unsafe fn begin_index_scan(
    table: pg_sys::Relation,
    index: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    keys: c_int,
) -> pg_sys::IndexScanDesc {
    // SAFETY: by the caller.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        return unguarded::index_beginscan(table, index, snapshot, keys, 0);
        #[cfg(feature = "pg18")]
        return unguarded::index_beginscan(table, index, snapshot, std::ptr::null_mut(), keys, 0);
    }
}

/// Returns the columns of a row type. PostgreSQL 18 has them after an array of shorter descriptions (access/tupdesc.h).
///
/// # Safety
/// `tupdesc` is valid as long as the slice is used.
pub unsafe fn attributes<'a>(tupdesc: pg_sys::TupleDesc) -> &'a [pg_sys::FormData_pg_attribute] {
    // SAFETY: by the caller.
    unsafe {
        let count = (*tupdesc).natts as usize;
        #[cfg(not(feature = "pg18"))]
        let first = (*tupdesc).attrs.as_ptr();
        #[cfg(feature = "pg18")]
        let first = (*tupdesc).compact_attrs.as_ptr().add(count).cast();
        std::slice::from_raw_parts(first, count)
    }
}

/// Sets the handler of a signal. The server's own function has another name in PostgreSQL 18 (port/pqsignal.c).
///
/// # Safety
/// The handler may be called at any moment, and must do only what a handler may.
pub unsafe fn set_signal_handler(signal: c_int, handler: unsafe extern "C-unwind" fn(c_int)) {
    // SAFETY: by the caller.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(signal, Some(handler));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(signal, Some(handler));
    }
}

/// Ends this process. Bindgen does not see that `proc_exit` never returns in PostgreSQL 18 (`pg_noreturn`).
///
/// # Safety
/// Nothing has anything left to drop.
#[allow(unreachable_code, reason = "before version 18")]
pub unsafe fn exit_process(code: c_int) -> ! {
    // SAFETY: runs PostgreSQL's exit callbacks.
    unsafe { pg_sys::proc_exit(code) };
    unreachable!("proc_exit does not return")
}
