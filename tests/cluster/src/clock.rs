//! Waiting for a condition, with a deadline: a sleep proves nothing, a condition does.

use std::time::{Duration, Instant};

/// How often a condition is looked at. Short, because the conditions are cheap and the tests are many.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `condition` holds; panics with `what` when it does not within `timeout`.
pub fn wait_until(what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, timeout, || condition().then(|| ()));
}

/// Waits until `probe` finds something and returns it; panics with `what` when it finds nothing within `timeout`.
pub fn wait_for<T>(what: &str, timeout: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(found) = probe() {
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
