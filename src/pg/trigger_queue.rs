//! The AFTER triggers that a query queues, fired as the caller.
//!
//! A foreign-key action of another table can set off triggers of other roles. PostgreSQL fires them when the query level ends
//! that queued them, as the user who is current then (before version 18, which fires them as the user who queued them). So
//! the query level is opened before the switch to the tables' owner and ends after the switch back: see
//! `AfterTriggerEndQuery` in commands/trigger.c.

use std::ptr;

use pgrx::pg_sys;

use super::user::{Firing, UserSwitch};

/// An open query level. It ends in [`fire`](Self::fire), or with the (sub)transaction that an error aborts.
pub struct TriggerQueue(());

impl TriggerQueue {
    /// Opens a query level.
    pub fn open() -> Self {
        // SAFETY: inside a transaction.
        unsafe { pg_sys::AfterTriggerBeginQuery() }
        Self(())
    }

    /// Ends the query level, and fires its triggers as the current user, who cannot SET ROLE meanwhile.
    pub fn fire(self) {
        let _user = UserSwitch::without_set_role();
        let _caller = Firing::as_current_user();
        // SAFETY: the level was opened in `open`. The triggers get a snapshot, as those of any statement. PostgreSQL makes
        // an executor state if it is given none (afterTriggerInvokeEvents).
        unsafe {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            pg_sys::AfterTriggerEndQuery(ptr::null_mut());
            pg_sys::PopActiveSnapshot();
        }
    }
}
