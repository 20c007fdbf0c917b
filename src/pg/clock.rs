//! The wall clock and date arithmetic.

use std::time::Duration;

use pgrx::datum::Interval;
use pgrx::{IntoDatum, PgSqlErrorCode, PgTryBuilder, direct_function_call, pg_sys};

use super::datum::Timestamp;
use super::xact;

/// Returns the current time, which advances during a transaction (`clock_timestamp()`).
pub fn now() -> Timestamp {
    // SAFETY: reads the clock.
    Timestamp(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// Returns `timestamp + interval`, or `None` if that is out of range.
pub fn add(timestamp: Timestamp, interval: Interval) -> Option<Timestamp> {
    let arguments = [timestamp.into_datum(), interval.into_datum()];
    PgTryBuilder::new(|| {
        // SAFETY: timestamptz_pl_interval takes a timestamptz and an interval, and returns a timestamptz.
        unsafe { direct_function_call::<i64>(pg_sys::timestamptz_pl_interval, &arguments) }.map(Timestamp)
    })
    // It is a pure function of two values, so the error leaves nothing behind that an abort would have to clean up.
    .catch_when(PgSqlErrorCode::ERRCODE_DATETIME_FIELD_OVERFLOW, |_| None)
    .execute()
}

/// Waits. The wait can be cancelled before it begins.
pub fn sleep(time: Duration) {
    xact::check_for_interrupts();
    std::thread::sleep(time);
}
