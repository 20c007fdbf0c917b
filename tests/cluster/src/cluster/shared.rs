//! A cluster, or a scene on one, that the tests of a process share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What is in the slot, which `start` makes where there is nothing: where it failed, whoever comes next tries again and
/// says why. The last test that has it drops it, which a static would not do.
pub fn shared<T>(slot: &Mutex<Weak<T>>, start: impl FnOnce() -> T) -> Arc<T> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    slot.upgrade().unwrap_or_else(|| {
        let made = Arc::new(start());
        *slot = Arc::downgrade(&made);
        made
    })
}
