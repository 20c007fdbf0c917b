//! A part of a transaction that can fail alone.
//!
//! PL/pgSQL's blocks with EXCEPTION do the same (`exec_stmt_block` in pl_exec.c).

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::bgworker;

/// Why it failed.
pub struct Failure {
    pub code: PgSqlErrorCode,
    pub message: String,
}

/// Runs `body`; what it did is undone where it fails. With a limit, in a background process that uses no other statement
/// timeout, a body that takes longer fails as well; without one, a cancellation ends the whole statement.
pub fn run<T>(limit: Option<Duration>, body: impl FnOnce() -> T) -> Result<T, Failure> {
    let outside = Outside::now();
    // SAFETY: inside a transaction, and not in parallel mode. It ends below in each case.
    unsafe {
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        outside.restore_memory();
    }
    if let Some(limit) = limit {
        bgworker::cancel_after(limit);
    }
    let result = PgTryBuilder::new(AssertUnwindSafe(|| {
        let result = body();
        // SAFETY: the subtransaction is the one from above: whatever `body` began has ended.
        unsafe { pg_sys::ReleaseCurrentSubTransaction() };
        Ok(result)
    }))
    .catch_others(|error| Err(Box::new(error)))
    .execute();
    if limit.is_some() {
        bgworker::cancel_no_more();
    }
    match result {
        Ok(result) => {
            outside.restore();
            Ok(result)
        }
        Err(error) => {
            // SAFETY: an error left the subtransaction open.
            unsafe { pg_sys::RollbackAndReleaseCurrentSubTransaction() };
            outside.restore();
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

/// What a subtransaction changes and leaves to its caller to put back.
struct Outside {
    memory: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

impl Outside {
    fn now() -> Self {
        // SAFETY: plain variables of the process.
        unsafe { Self { memory: pg_sys::CurrentMemoryContext, owner: pg_sys::CurrentResourceOwner } }
    }

    fn restore_memory(&self) {
        // SAFETY: the context outlives the subtransaction.
        unsafe { pg_sys::MemoryContextSwitchTo(self.memory) };
    }

    fn restore(&self) {
        self.restore_memory();
        // SAFETY: so does the resource owner.
        unsafe { pg_sys::CurrentResourceOwner = self.owner };
    }
}
