//! A snapshot taken now, whatever the transaction's isolation level.
//!
//! `GetCatalogSnapshot` (utils/time/snapmgr.c) takes a new snapshot at each call for anything that is no catalogue, and
//! works in parallel workers, under REPEATABLE READ and in recovery, where `GetLatestSnapshot` refuses.

use pgrx::pg_sys;
use token_auth_core::mvcc::{self, Snapshot, Transaction};

use super::server;

/// A transaction, by the 32 bits that rows and snapshots have of it.
#[derive(Clone, Copy)]
pub struct TransactionId(pub(super) u32);

/// The transaction that will be the next, for making others complete.
#[derive(Clone, Copy)]
pub struct NextTransaction(Transaction);

impl NextTransaction {
    pub fn now() -> Self {
        // SAFETY: reads a counter in shared memory.
        Self(unsafe { pg_sys::ReadNextFullTransactionId() }.value)
    }

    /// One that was given out before.
    pub fn complete(self, id: TransactionId) -> Transaction {
        mvcc::full_transaction_id(id.0, self.0)
    }
}

/// Of more running transactions than these no list is kept: it would be with each thing that is remembered.
const MOST_RUNNING: usize = 32;

/// What had been committed when it was taken, plus the transaction's own earlier commands.
pub struct FreshSnapshot(pg_sys::Snapshot);

impl FreshSnapshot {
    pub fn take() -> Self {
        // SAFETY: InvalidOid names no catalogue, so the snapshot is new; registering it makes it ours until Drop.
        Self(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetCatalogSnapshot(pg_sys::InvalidOid)) })
    }

    /// The moment that it shows.
    pub fn moment(&self, next: NextTransaction) -> Snapshot {
        let complete = |id: pg_sys::TransactionId| next.complete(TransactionId(id.into()));
        // SAFETY: the snapshot is registered. Where subtransactions are missing from it, their array can be, too.
        unsafe {
            let snapshot = &*self.0;
            let count = snapshot.xcnt as usize + snapshot.subxcnt.max(0) as usize;
            // One's own subtransactions are in no snapshot of one's own, and others' only as long as they are few.
            let is_complete = !snapshot.suboverflowed && !server::has_written();
            // Where none runs, the first to run is the first to come, which says all.
            let has_list = is_complete && (1..=MOST_RUNNING).contains(&count);
            let running = || {
                // During recovery all are in the second one.
                let transactions = slice(snapshot.xip, snapshot.xcnt as usize);
                let subtransactions = slice(snapshot.subxip, snapshot.subxcnt.max(0) as usize);
                transactions.iter().chain(subtransactions).copied().map(complete).collect()
            };
            Snapshot { xmin: complete(snapshot.xmin), xmax: complete(snapshot.xmax), xip: has_list.then(running) }
        }
    }

    pub(super) fn as_ptr(&self) -> pg_sys::Snapshot {
        self.0
    }
}

/// # Safety
/// `first` is the first of so many, or there are none.
unsafe fn slice<'a>(first: *const pg_sys::TransactionId, count: usize) -> &'a [pg_sys::TransactionId] {
    // SAFETY: as above.
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(first, count) } }
}

impl Drop for FreshSnapshot {
    fn drop(&mut self) {
        // On an error the resource owner releases it, and may have done so already.
        if !std::thread::panicking() {
            // SAFETY: registered in `take` under the resource owner that is still current.
            unsafe { pg_sys::UnregisterSnapshot(self.0) }
        }
    }
}
