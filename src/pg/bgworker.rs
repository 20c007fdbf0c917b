//! The life of a background worker, beyond what `pgrx::bgworkers` offers.

use std::ffi::c_int;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgMemoryContexts, PgTryBuilder};

use super::{unguarded, version};

/// `TimeoutId` in utils/timeout.h. `tests/cluster/tests/server/headers.rs` compares it and the functions
/// below with those of each server.
const STATEMENT_TIMEOUT: c_int = 3;

// Functions of PostgreSQL that are not in pgrx's bindings (utils/timeout.h).
unsafe extern "C-unwind" {
    fn enable_timeout_after(id: c_int, delay_ms: c_int);
    fn disable_timeout(id: c_int, keep_indicator: bool);
}

/// Runs `body` in a transaction of at most `limit` and commits it.
///
/// After an error the process should end: the exit aborts the transaction.
pub fn transaction<T>(limit: Duration, body: impl FnOnce() -> T) -> Result<T, String> {
    PgTryBuilder::new(AssertUnwindSafe(move || {
        // SAFETY: this is a background worker with a database, outside a transaction.
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
        disable_cancel();
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

/// Cancels what this background worker runs after `limit`, as SIGINT does. A later call replaces an earlier one.
///
/// It uses the timeout that backends use for `statement_timeout`.
pub fn cancel_after(limit: Duration) {
    // SAFETY: the process registered the timeout when it connected to its database (InitPostgres).
    unsafe { enable_timeout_after(STATEMENT_TIMEOUT, limit.as_millis().clamp(1, i32::MAX as u128) as i32) }
}

/// Takes [`cancel_after`] back, even if the time is over and the cancellation is still pending.
pub fn disable_cancel() {
    // SAFETY: as above. The flag is a variable of the process.
    unsafe {
        disable_timeout(STATEMENT_TIMEOUT, false);
        pg_sys::QueryCancelPending = 0;
    }
}

/// A memory context for a process that lives long, reset after each use.
pub struct ResetContext(PgMemoryContexts);

impl ResetContext {
    /// Creates the context.
    pub fn new() -> Self {
        Self(PgMemoryContexts::new("token_auth"))
    }

    /// Runs `body` in the context, and then frees what PostgreSQL allocated there.
    pub fn run<T>(&mut self, body: impl FnOnce() -> T) -> T {
        // SAFETY: the result of `body` is allocated by Rust, so nothing refers to the context when it is reset.
        unsafe {
            let result = self.0.switch_to(|_| body());
            self.0.reset();
            result
        }
    }
}

/// Lets SIGTERM end this process at the next safe place, even within a statement.
pub fn die_on_sigterm() {
    // SAFETY: the handler is PostgreSQL's own for backends (tcop/postgres.c).
    unsafe {
        version::set_signal_handler(pg_sys::SIGTERM as i32, unguarded::die);
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Makes the bootstrap superuser the session user again, whatever `session_authorization` the database sets.
pub fn become_bootstrap_superuser() {
    // SAFETY: the role that initdb makes has this OID in every cluster, and background workers begin as it.
    unsafe { pg_sys::SetSessionAuthorization(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID), true) }
}

/// Reads the configuration files again.
pub fn reload_configuration() {
    // SAFETY: every process does this on SIGHUP, outside a transaction.
    unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) }
}

/// Ends this process. The postmaster starts it again, unless it is shutting down.
pub fn exit_for_restart() -> ! {
    // SAFETY: nothing here has anything left to drop.
    unsafe { version::exit_process(1) }
}

/// Returns the id of this process.
pub fn process_id() -> i32 {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::MyProcPid }
}

/// Returns true if a server process with this id runs.
pub fn is_running(process_id: i32) -> bool {
    // SAFETY: looks the process up in shared memory.
    process_id != 0 && unsafe { !pg_sys::BackendPidGetProc(process_id).is_null() }
}
