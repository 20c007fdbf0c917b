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

/// Returns the current subtransaction: no other of this session has the same numbers. The transaction has a transaction id.
pub fn current_subtransaction() -> (u32, u32) {
    // SAFETY: reads the state of the transaction.
    unsafe { (pg_sys::GetTopTransactionIdIfAny().into(), pg_sys::GetCurrentSubTransactionId()) }
}

/// Raises PostgreSQL's own error if the transaction is read-only. `command` completes "cannot execute ...".
pub fn check_not_read_only(command: &CStr) {
    // SAFETY: reads the state of the transaction, and the string during the call.
    unsafe { pg_sys::PreventCommandIfReadOnly(command.as_ptr()) }
}

/// Returns true if the statement that calls the current function is a transaction of its own: outside a transaction block,
/// unless a function, a procedure or a DO block calls it.
pub fn is_single_statement() -> bool {
    // SAFETY: reads the state of the transaction.
    !unsafe { pg_sys::IsTransactionBlock() } && !is_in_procedural_code() && !is_in_sql_function()
}

/// Returns true in code of a procedural language: it is connected to SPI, even while it evaluates a simple expression.
fn is_in_procedural_code() -> bool {
    // SAFETY: looks for a name among the relations that a function of this session has registered, of which there are none,
    // and has no effect.
    unsafe { pg_sys::SPI_unregister_relation(c"".as_ptr()) != pg_sys::SPI_ERROR_UNCONNECTED }
}

/// Returns true in a query of a function or procedure in the language SQL (`fmgr_sql` in executor/functions.c).
///
/// The memory contexts tell. The executor of such a query has its memory below that of the function, up to version 17 and for
/// functions that return sets, or below that of the executor that calls the function. (An UPDATE that checks a changed row
/// again, EvalPlanQual, has two executors, too. There a call passes that should be refused, which does no harm.)
fn is_in_sql_function() -> bool {
    // SAFETY: the portal that is run stays valid. Memory contexts are a tree up to TopMemoryContext, and their names are C
    // strings or null.
    unsafe {
        let portal = pg_sys::ActivePortal.as_ref();
        // What CALL runs has no executor around it.
        if portal.is_some_and(|portal| portal.commandTag == pg_sys::CommandTag::CMDTAG_CALL) {
            return true;
        }
        // The fast-path protocol calls a function without a portal and without an executor.
        let mut own_executors = usize::from(portal.is_some());
        let mut context = pg_sys::CurrentMemoryContext;
        while let Some(current) = context.as_ref() {
            let name = if current.name.is_null() { c"" } else { CStr::from_ptr(current.name) };
            if name.to_bytes().starts_with(b"SQL function") {
                return true;
            }
            if name == c"ExecutorState" {
                if own_executors == 0 {
                    return true;
                }
                own_executors -= 1;
            }
            context = current.parent;
        }
    }
    false
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
