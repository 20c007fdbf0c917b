//! A cluster that the tests of a process share.

use super::Cluster;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The cluster that this process shares; `start` makes it where there is none. The last test that has it stops it, which
/// a static would not do.
pub fn shared(start: impl FnOnce() -> Cluster) -> Arc<Cluster> {
    static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(start());
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}
