//! Waiting for a condition with a deadline.

use std::time::{Duration, Instant};

/// The time between two checks of a condition. It is short, because the conditions are cheap and the tests are many.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `condition` is true. Panics with `what` after `timeout`.
pub fn wait_until(what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, timeout, || condition().then(|| ()));
}

/// Waits until `find` returns a value, and returns it. Panics with `what` after `timeout`.
pub fn wait_for<T>(what: &str, timeout: Duration, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {timeout:?} in vain for: {what}");
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_polled_until_it_holds() {
        let mut looks = 0;
        wait_until("three looks", Duration::from_secs(5), || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }

    #[test]
    #[should_panic(expected = "in vain for: pigs to fly")]
    fn a_wait_in_vain_names_what_it_waited_for() {
        wait_until("pigs to fly", Duration::from_millis(50), || false);
    }
}
