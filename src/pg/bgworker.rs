//! The life of a background process, beyond what `pgrx::bgworkers` has.

use std::ffi::c_int;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgMemoryContexts, PgTryBuilder};

/// `TimeoutId` of utils/timeout.h, the same from PostgreSQL 15 to 18.
const STATEMENT_TIMEOUT: c_int = 3;

// Of PostgreSQL, but not in pgrx's bindings, or there as a wrapper that is no C function.
unsafe extern "C-unwind" {
    fn enable_timeout_after(id: c_int, delay_ms: c_int);
    fn disable_timeout(id: c_int, keep_indicator: bool);
    fn die(signal: c_int);
}

/// Runs `body` in a transaction of at most `limit` and commits it. An error is returned, and the process should end
/// then: the transaction is left for the exit to abort.
pub fn transaction<T>(limit: Duration, body: impl FnOnce() -> T) -> Result<T, String> {
    PgTryBuilder::new(AssertUnwindSafe(move || {
        // SAFETY: a background worker with a database, outside of any transaction.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
        }
        cancel_after(limit);
        // SAFETY: inside the transaction.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) }
        let result = body();
        // SAFETY: pops the snapshot from above.
        unsafe { pg_sys::PopActiveSnapshot() }
        cancel_no_more();
        // SAFETY: ends the transaction from above.
        unsafe { pg_sys::CommitTransactionCommand() }
        Ok(result)
    }))
    .catch_others(|error| match error {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => Err(report.message().to_string()),
        CaughtError::RustPanic { ereport, .. } => Err(ereport.message().to_string()),
    })
    .execute()
}

/// Cancels what runs in this background process after so long, as SIGINT does. Backends use this timeout for
/// `statement_timeout`; the last call counts.
pub fn cancel_after(limit: Duration) {
    // SAFETY: the process has registered the timeout when it connected to its database (InitPostgres).
    unsafe { enable_timeout_after(STATEMENT_TIMEOUT, limit.as_millis().clamp(1, i32::MAX as u128) as i32) }
}

/// Takes [`cancel_after`] back, also where the time is over and nothing was cancelled yet.
pub fn cancel_no_more() {
    // SAFETY: as above; the flag is a plain variable of the process.
    unsafe {
        disable_timeout(STATEMENT_TIMEOUT, false);
        pg_sys::QueryCancelPending = 0;
    }
}

/// Memory that PostgreSQL allocates on our behalf in a process that lives long, given back after each use.
pub struct Scratch(PgMemoryContexts);

impl Scratch {
    pub fn new() -> Self {
        Self(PgMemoryContexts::new("token_auth"))
    }

    /// Runs `body`, and then gives back what was allocated meanwhile.
    pub fn lend<T>(&mut self, body: impl FnOnce() -> T) -> T {
        // SAFETY: what `body` returns is Rust's own, so nothing refers to the context when it is reset.
        unsafe {
            let result = self.0.switch_to(|_| body());
            self.0.reset();
            result
        }
    }
}

/// Lets SIGTERM end this process at the next safe place, also in the middle of a statement.
pub fn die_on_sigterm() {
    // SAFETY: the handler is PostgreSQL's own for backends (tcop/postgres.c).
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(die));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(die));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Undoes what a database's `session_authorization` made of a background worker's session.
pub fn be_bootstrap_superuser() {
    // SAFETY: the role that initdb makes has this id in every cluster, and background workers begin as it.
    unsafe { pg_sys::SetSessionAuthorization(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID), true) }
}

/// Reads the configuration files again.
pub fn reload_settings() {
    // SAFETY: what every process does on SIGHUP, outside of a transaction.
    unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) }
}

/// Ends this process so that the postmaster starts it again, unless it is shutting down itself.
pub fn exit_to_be_restarted() -> ! {
    // SAFETY: runs PostgreSQL's exit callbacks; nothing of ours is left to be dropped. From version 18 on bindgen does not see
    // that it never returns (`pg_noreturn`).
    #[allow(unreachable_code, reason = "before version 18")]
    unsafe {
        pg_sys::proc_exit(1);
        unreachable!("proc_exit does not return")
    }
}

/// Our process id, for those who notify us.
pub fn id() -> i32 {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::MyProcPid }
}
