//! A snapshot taken now, whatever the transaction's isolation level.
//!
//! `GetCatalogSnapshot` (utils/time/snapmgr.c) takes a new snapshot at each call for anything that is no catalogue, and
//! works in parallel workers, under REPEATABLE READ and in recovery, where `GetLatestSnapshot` refuses.

use pgrx::pg_sys;

/// What had been committed when it was taken, plus the transaction's own earlier commands.
pub struct FreshSnapshot(pg_sys::Snapshot);

impl FreshSnapshot {
    pub fn take() -> Self {
        // SAFETY: InvalidOid names no catalogue, so the snapshot is new; registering it makes it ours until Drop.
        Self(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetCatalogSnapshot(pg_sys::InvalidOid)) })
    }

    pub(super) fn as_ptr(&self) -> pg_sys::Snapshot {
        self.0
    }
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
