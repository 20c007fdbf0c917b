//! A flag of the transaction that rollbacks to savepoints do not lower.
//!
//! Raising it holds until the transaction ends, even if the subtransaction that raised it is rolled back. Lowering it is
//! undone with the subtransaction that lowered it. The flag belongs to this process, and is not copied into parallel workers.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;

use pgrx::pg_sys;

/// The state: [`DOWN`], [`RAISED`], or the nesting level of the subtransaction that lowered a raised flag.
static STATE: AtomicI32 = AtomicI32::new(DOWN);

const DOWN: i32 = 0;
const RAISED: i32 = -1;

/// Registers the callbacks that follow subtransactions, for the rest of this process.
pub fn register_callbacks() {
    // SAFETY: called while the library is loaded, by the only thread of the process. The callbacks raise no error.
    unsafe {
        pg_sys::RegisterXactCallback(Some(end_transaction), ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(end_subtransaction), ptr::null_mut());
    }
}

/// Returns true if the flag is raised.
pub fn is_raised() -> bool {
    STATE.load(Relaxed) == RAISED
}

/// Raises the flag until it is lowered or the transaction ends.
pub fn raise() {
    STATE.store(RAISED, Relaxed);
}

/// Lowers the flag, until the current subtransaction is rolled back.
pub fn lower() {
    if is_raised() {
        STATE.store(nesting_level(), Relaxed);
    }
}

/// Returns 1 in a transaction, and one more in each nested subtransaction.
fn nesting_level() -> i32 {
    // SAFETY: reads the state of the transaction.
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}

unsafe extern "C-unwind" fn end_transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    if matches!(event, XACT_EVENT_ABORT | XACT_EVENT_COMMIT | XACT_EVENT_PREPARE) {
        STATE.store(DOWN, Relaxed);
    }
}

unsafe extern "C-unwind" fn end_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    _subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    use pg_sys::SubXactEvent::{SUBXACT_EVENT_ABORT_SUB, SUBXACT_EVENT_COMMIT_SUB};
    let (level, lowered_at) = (nesting_level(), STATE.load(Relaxed));
    match event {
        SUBXACT_EVENT_ABORT_SUB if lowered_at >= level => STATE.store(RAISED, Relaxed),
        // From now on the lowering belongs to the parent.
        SUBXACT_EVENT_COMMIT_SUB if lowered_at == level => STATE.store(level - 1, Relaxed),
        _ => {}
    }
}
