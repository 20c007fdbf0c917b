//! Subtransactions: parts of a transaction that can fail without the rest.
//!
//! A PL/pgSQL block with EXCEPTION does the same (`exec_stmt_block` in pl_exec.c).

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::bgworker;

/// The error that a subtransaction failed with.
pub struct Failure {
    pub code: PgSqlErrorCode,
    pub message: String,
}

/// Runs `body` in a subtransaction, and rolls it back if it fails.
///
/// With a limit, a body that takes longer fails, too. A limit is for a background worker, which has no other statement
/// timeout. Without one, a cancellation ends the whole statement.
pub fn run<T>(limit: Option<Duration>, body: impl FnOnce() -> T) -> Result<T, Failure> {
    let outer = OuterState::current();
    // SAFETY: inside a transaction, and not in parallel mode. The subtransaction ends below in each case.
    unsafe {
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        outer.restore_memory_context();
    }
    if let Some(limit) = limit {
        bgworker::cancel_after(limit);
    }
    let result = PgTryBuilder::new(AssertUnwindSafe(|| {
        let result = body();
        // SAFETY: the current subtransaction is the one from above, since everything that `body` began has ended.
        unsafe { pg_sys::ReleaseCurrentSubTransaction() };
        Ok(result)
    }))
    .catch_others(|error| Err(Box::new(error)))
    .execute();
    if limit.is_some() {
        bgworker::disable_cancel();
    }
    match result {
        Ok(result) => {
            outer.restore();
            Ok(result)
        }
        Err(error) => {
            // SAFETY: the error left the subtransaction open.
            unsafe { pg_sys::RollbackAndReleaseCurrentSubTransaction() };
            outer.restore();
            let failure = failure(&error);
            if failure.code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED && limit.is_none() {
                error.rethrow()
            } else {
                Err(failure)
            }
        }
    }
}

fn failure(error: &CaughtError) -> Failure {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic { ereport: report, .. }) = error;
    Failure { code: report.sql_error_code(), message: report.message().to_string() }
}

/// The state of the process that a subtransaction changes and its caller restores.
struct OuterState {
    memory_context: pg_sys::MemoryContext,
    resource_owner: pg_sys::ResourceOwner,
}

impl OuterState {
    fn current() -> Self {
        // SAFETY: reads variables of the process.
        unsafe { Self { memory_context: pg_sys::CurrentMemoryContext, resource_owner: pg_sys::CurrentResourceOwner } }
    }

    fn restore_memory_context(&self) {
        // SAFETY: the context outlives the subtransaction.
        unsafe { pg_sys::MemoryContextSwitchTo(self.memory_context) };
    }

    fn restore(&self) {
        self.restore_memory_context();
        // SAFETY: the resource owner outlives the subtransaction.
        unsafe { pg_sys::CurrentResourceOwner = self.resource_owner };
    }
}
