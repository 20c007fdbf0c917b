//! A snapshot of the current state of the database, at every isolation level.
//!
//! `GetCatalogSnapshot` (utils/time/snapmgr.c) takes a new snapshot at each call for a relation that is not a catalog. It
//! works in parallel workers, at REPEATABLE READ and during recovery, where `GetLatestSnapshot` raises an error.

use pgrx::pg_sys;

/// A transaction id of 32 bits, as rows and snapshots contain it.
#[derive(Clone, Copy)]
pub struct TransactionId(pub u32);

impl From<pg_sys::TransactionId> for TransactionId {
    fn from(id: pg_sys::TransactionId) -> Self {
        Self(id.into())
    }
}

/// Returns the next full transaction id of 64 bits that will be assigned.
pub fn next_full_transaction_id() -> u64 {
    // SAFETY: reads a counter in shared memory.
    unsafe { pg_sys::ReadNextFullTransactionId() }.value
}

/// A snapshot of everything that had committed when it was taken, and of the transaction's own earlier commands.
pub struct CurrentSnapshot(pg_sys::Snapshot);

impl CurrentSnapshot {
    /// Takes a snapshot.
    pub fn take() -> Self {
        // SAFETY: InvalidOid is no catalog, so the snapshot is a new one. It stays registered until Drop.
        Self(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetCatalogSnapshot(pg_sys::InvalidOid)) })
    }

    /// Returns `xmin`: every earlier transaction had ended.
    pub fn xmin(&self) -> TransactionId {
        self.data().xmin.into()
    }

    /// Returns `xmax`: this transaction and every later one had not ended.
    pub fn xmax(&self) -> TransactionId {
        self.data().xmax.into()
    }

    /// Returns the number of transactions and subtransactions from `xmin` to `xmax` that were in progress, or `None` if
    /// the snapshot does not contain all subtransactions.
    pub fn in_progress_count(&self) -> Option<usize> {
        let data = self.data();
        (!data.suboverflowed).then(|| data.xcnt as usize + data.subxcnt.max(0) as usize)
    }

    /// Returns the transactions and subtransactions from `xmin` to `xmax` that were in progress, or `None` if the snapshot
    /// does not contain all subtransactions. Those of this session are never among them.
    pub fn in_progress(&self) -> Option<impl Iterator<Item = TransactionId>> {
        let data = self.data();
        (!data.suboverflowed).then(|| {
            // SAFETY: the arrays have these lengths. During recovery all transactions are in the second one.
            let (transactions, subtransactions) =
                unsafe { (slice(data.xip, data.xcnt as usize), slice(data.subxip, data.subxcnt.max(0) as usize)) };
            transactions.iter().chain(subtransactions).map(|id| TransactionId::from(*id))
        })
    }

    pub(super) fn as_ptr(&self) -> pg_sys::Snapshot {
        self.0
    }

    fn data(&self) -> &pg_sys::SnapshotData {
        // SAFETY: the snapshot is registered while this exists.
        unsafe { &*self.0 }
    }
}

/// # Safety
/// `first` points to `count` transaction ids, or `count` is 0.
unsafe fn slice<'a>(first: *const pg_sys::TransactionId, count: usize) -> &'a [pg_sys::TransactionId] {
    // SAFETY: the caller guarantees it. The array may be null if it is empty.
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(first, count) } }
}

impl Drop for CurrentSnapshot {
    fn drop(&mut self) {
        // After an error the resource owner releases it, and may have done so already.
        if !std::thread::panicking() {
            // SAFETY: it was registered in `take` under the resource owner that is still current.
            unsafe { pg_sys::UnregisterSnapshot(self.0) }
        }
    }
}
