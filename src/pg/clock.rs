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

/// Returns `timestamp + interval`, or `None` if that is out of range. A day has 24 hours, whatever the session's time zone.
pub fn add(timestamp: Timestamp, interval: Interval) -> Option<Timestamp> {
    let arguments = [timestamp.into_datum(), interval.into_datum()];
    PgTryBuilder::new(|| {
        // SAFETY: timestamp_pl_interval takes a timestamp and an interval, and returns a timestamp. A timestamptz has the
        // representation of the timestamp in UTC.
        unsafe { direct_function_call::<i64>(pg_sys::timestamp_pl_interval, &arguments) }.map(Timestamp)
    })
    // It is a pure function of two values, so the error leaves nothing behind that an abort would have to clean up.
    .catch_when(PgSqlErrorCode::ERRCODE_DATETIME_FIELD_OVERFLOW, |_| None)
    .execute()
}

/// Returns a time in UTC as a text for people.
pub fn to_utc_text(timestamp: Timestamp) -> String {
    let arguments = [timestamp.into_datum()];
    // SAFETY: timestamp_out takes a timestamp and returns a C string. A timestamptz has the representation of the timestamp
    // in UTC.
    let text = unsafe { direct_function_call::<&std::ffi::CStr>(pg_sys::timestamp_out, &arguments) };
    text.map_or_else(String::new, |text| format!("{} UTC", text.to_string_lossy()))
}

/// Waits. The wait can be cancelled before it begins.
pub fn sleep(time: Duration) {
    xact::check_for_interrupts();
    std::thread::sleep(time);
}
