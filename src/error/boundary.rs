//! The boundary between Rust and PostgreSQL: what can fail in a function that SQL can call runs in [`guarded`].

use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe};

use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::{PgSqlErrorCode, PgTryBuilder};

use super::redact::redacted;
use super::{Error, Report, StateError};
use crate::pg::error_fields::ErrorFields;
use crate::pg::raise::raise_with_constraint;

/// The extension's schema.
const SCHEMA: &str = "token_auth";

/// Runs the body of a function and raises its error as a PostgreSQL error.
///
/// An error that was raised in the body is raised again with the name of its constraint, which pgrx drops, and without the
/// backtrace that pgrx would add. The DETAIL of a violated constraint is dropped, because a failing row contains its digest.
/// A panic becomes an internal error.
pub fn guarded<T>(body: impl FnOnce() -> Result<T, Error>) -> T {
    let raise_again = |error: CaughtError| -> Result<T, Error> {
        let is_panic = matches!(error, CaughtError::RustPanic { .. });
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = error;
        if is_panic {
            raise(internal_error(report.message()))
        }
        raise(Report {
            code: report.sql_error_code(),
            message: report.message().to_string(),
            detail: report.detail().filter(|_| !is_integrity_violation(report.sql_error_code())).map(str::to_string),
            hint: report.hint().map(str::to_string),
            constraint: ErrorFields::take_last_error().map(|fields| fields.constraint()).unwrap_or_default(),
            hides_statement: false,
        })
    };
    ErrorFields::clear();
    match PgTryBuilder::new(AssertUnwindSafe(body)).catch_others(raise_again).execute() {
        Ok(value) => value,
        Err(error) => raise(error.report()),
    }
}

/// Returns the report of a defect: no input should cause it.
fn internal_error(message: &str) -> Report {
    Report::new(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        "internal_error",
        format!("internal error of token_auth: {}", redacted(message)),
        "Please report it, with what was done.",
    )
}

/// Returns true if a code is of class 23, Integrity Constraint Violation.
///
/// A code is five characters of six bits each, the first of them lowest (`MAKE_SQLSTATE` in utils/elog.h).
fn is_integrity_violation(code: PgSqlErrorCode) -> bool {
    const CLASS: i32 = 0xfff;
    code as i32 & CLASS == PgSqlErrorCode::ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION as i32 & CLASS
}

/// Runs an UPDATE that gives an object a name, and returns an error if the name is taken.
///
/// The error must end the function: the failed statement is not rolled back.
pub fn map_unique_violation<T>(what: &'static str, name: &str, statement: impl FnOnce() -> T) -> Result<T, Error> {
    map_violation(statement, PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION, |fields| {
        (fields.schema() == SCHEMA).then(|| StateError::Taken { what, name: name.to_string() }.into())
    })
}

/// Runs a statement that deletes or changes an object, and returns an error if rows of an application refer to it.
///
/// The error must end the function: the failed statement is not rolled back.
/// `object` completes "rows of another table refer to ...".
pub fn map_foreign_key_violation<T>(
    object: impl Fn() -> String + UnwindSafe + RefUnwindSafe,
    statement: impl FnOnce() -> T,
) -> Result<T, Error> {
    map_violation(statement, PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION, |fields| {
        (!fields.table().is_empty()).then(|| {
            let by = redacted(&format!("{}.{}", fields.schema(), fields.table()));
            StateError::Referenced { object: object(), by, constraint: fields.constraint() }.into()
        })
    })
}

/// Runs a statement, and returns the error that `map` makes of an error with this code. If `map` returns `None`, the
/// original error is raised.
fn map_violation<T>(
    statement: impl FnOnce() -> T,
    code: PgSqlErrorCode,
    map: impl Fn(ErrorFields) -> Option<Error> + UnwindSafe + RefUnwindSafe,
) -> Result<T, Error> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(statement())))
        .catch_when(code, |error| match ErrorFields::of_last_error().and_then(&map) {
            Some(mapped) => Err(mapped),
            None => error.rethrow(),
        })
        .execute()
}

fn raise(report: Report) -> ! {
    let mut raised = ErrorReport::new(report.code, report.message, "token_auth");
    if let Some(detail) = report.detail {
        raised = raised.set_detail(detail);
    }
    if let Some(hint) = report.hint {
        raised = raised.set_hint(hint);
    }
    raise_with_constraint(raised, &report.constraint, report.hides_statement)
}
