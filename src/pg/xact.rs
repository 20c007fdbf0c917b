//! The state of the current transaction.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Returns true if a parallel query is running, in its leader or in a worker.
pub fn is_in_parallel_mode() -> bool {
    // SAFETY: reads the state of the transaction.
    unsafe { pg_sys::IsInParallelMode() }
}

/// Returns true if the transaction has a transaction id, so that it may have changed something.
pub fn has_transaction_id() -> bool {
    // SAFETY: reads the state of the transaction. 0 is no transaction id.
    u32::from(unsafe { pg_sys::GetTopTransactionIdIfAny() }) != 0
}

/// Raises PostgreSQL's own error if the transaction is read-only. `command` completes "cannot execute ...".
pub fn check_not_read_only(command: &CStr) {
    // SAFETY: reads the state of the transaction, and the string during the call.
    unsafe { pg_sys::PreventCommandIfReadOnly(command.as_ptr()) }
}

/// Returns true if the statement that calls the current function is a transaction of its own.
///
/// That is so outside a transaction block, unless another function calls this one: it would have an error context.
pub fn is_single_statement() -> bool {
    // SAFETY: reads variables of the process.
    unsafe { !pg_sys::IsTransactionBlock() && pg_sys::error_context_stack.is_null() }
}

/// Returns true if the whole transaction uses one snapshot (REPEATABLE READ and SERIALIZABLE).
pub fn uses_one_snapshot() -> bool {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Raises an error if the statement was cancelled or the session terminated.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}
