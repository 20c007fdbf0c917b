//! Queries of the extension through SPI (<https://www.postgresql.org/docs/current/spi.html>).
//!
//! Each query is planned once in a session, and runs as the owner of the extension's tables, or as the caller
//! (`Query::as_caller`). Triggers that it sets off in other tables run as the caller: see `user.rs` and `trigger_queue.rs`.
//!
//! `pgrx::Spi` is not used: it assigns a transaction id to find out whether a transaction writes, which fails on a standby,
//! and it cannot choose a snapshot.

use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::allocation;
use super::datum::{ColumnType, TypedDatum};
use super::error_fields::ErrorWatch;
use super::guc::LocalGuc;
use super::raise::{RECREATE_HINT, raise};
use super::relation::unexpected_null;
use super::snapshot::CurrentSnapshot;
use super::trigger_queue::TriggerQueue;
use super::user::UserSwitch;
use super::xact;

/// A query with the parameters `$1`, `$2` and so on. Every name in it is schema-qualified.
///
/// The methods differ in the snapshot that the query runs under:
///
/// - `execute`, `rows`, `row`: that of any statement of the transaction;
/// - `*_latest_snapshot`: one that is taken now, even if the transaction uses one snapshot. Not in parallel mode;
/// - `rows_with`: the given one, for a query that only reads. It works on a standby and in a parallel worker.
pub struct Query {
    sql: &'static str,
    cursor_options: u32,
    user: RunAs,
    /// The saved plan. Processes are forked before a plan is made, so each has its own.
    plan: AtomicPtr<pg_sys::_SPI_plan>,
}

/// A row of a result. It is valid while the result is read.
pub struct ResultRow {
    tuple: pg_sys::HeapTuple,
    tupdesc: pg_sys::TupleDesc,
}

/// The user that a query runs as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RunAs {
    TableOwner,
    Caller,
}

/// The snapshot that a query runs under.
enum SnapshotChoice<'a> {
    Transaction,
    Latest,
    ReadOnly(&'a CurrentSnapshot),
}

impl Query {
    /// A query with a generic plan. Its arguments, which may be digests, are in no plan that could be printed
    /// (`debug_print_plan`).
    pub const fn new(sql: &'static str) -> Self {
        Self::with_options(sql, pg_sys::CURSOR_OPT_GENERIC_PLAN, RunAs::TableOwner)
    }

    /// A query whose best plan depends on its arguments. They must not be secret.
    pub const fn planned_for_arguments(sql: &'static str) -> Self {
        Self::with_options(sql, 0, RunAs::TableOwner)
    }

    /// A query that runs as the caller, with its privileges.
    pub const fn as_caller(sql: &'static str) -> Self {
        Self::with_options(sql, 0, RunAs::Caller)
    }

    const fn with_options(sql: &'static str, cursor_options: u32, user: RunAs) -> Self {
        Self { sql, cursor_options, user, plan: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Runs the query and returns the number of rows that it processed.
    pub fn execute(&self, arguments: &[TypedDatum]) -> u64 {
        self.run(arguments, SnapshotChoice::Transaction, |_| ()).0
    }

    /// Runs the query and returns its rows, each read by `read`.
    pub fn rows<T>(&self, arguments: &[TypedDatum], read: impl FnMut(&ResultRow) -> T) -> Vec<T> {
        self.run(arguments, SnapshotChoice::Transaction, read).1
    }

    /// Runs the query and returns its first row, if any, read by `read`.
    pub fn row<T>(&self, arguments: &[TypedDatum], read: impl FnMut(&ResultRow) -> T) -> Option<T> {
        self.rows(arguments, read).into_iter().next()
    }

    /// Runs the query under a snapshot that is taken now.
    pub fn execute_latest_snapshot(&self, arguments: &[TypedDatum]) -> u64 {
        self.run(arguments, SnapshotChoice::Latest, |_| ()).0
    }

    /// Runs the query under a snapshot that is taken now, and returns its rows.
    pub fn rows_latest_snapshot<T>(&self, arguments: &[TypedDatum], read: impl FnMut(&ResultRow) -> T) -> Vec<T> {
        self.run(arguments, SnapshotChoice::Latest, read).1
    }

    /// Runs the query under a snapshot that is taken now, and returns its first row, if any.
    pub fn row_latest_snapshot<T>(&self, arguments: &[TypedDatum], read: impl FnMut(&ResultRow) -> T) -> Option<T> {
        self.rows_latest_snapshot(arguments, read).into_iter().next()
    }

    /// Runs a query that only reads under `snapshot`, and returns its rows.
    pub fn rows_with<T>(
        &self,
        snapshot: &CurrentSnapshot,
        arguments: &[TypedDatum],
        read: impl FnMut(&ResultRow) -> T,
    ) -> Vec<T> {
        self.run(arguments, SnapshotChoice::ReadOnly(snapshot), read).1
    }

    fn run<T>(
        &self,
        arguments: &[TypedDatum],
        snapshot: SnapshotChoice<'_>,
        read: impl FnMut(&ResultRow) -> T,
    ) -> (u64, Vec<T>) {
        let _connection = Connection::open();
        let _errors = ErrorWatch::begin();
        // A query that only reads fires no trigger, and must work where none can be queued.
        let triggers = (!matches!(snapshot, SnapshotChoice::ReadOnly(_))).then(TriggerQueue::open);
        let result = {
            let _user = match self.user {
                RunAs::TableOwner => UserSwitch::to_table_owner(),
                RunAs::Caller => UserSwitch::to_caller(),
            };
            let _search_path = LocalGuc::safe_search_path();
            let _plan_cache_mode = LocalGuc::auto_plan_cache_mode();
            self.run_as_current_user(arguments, snapshot, read)
        };
        if let Some(triggers) = triggers {
            triggers.fire();
        }
        result
    }

    /// Runs the query and leaves the AFTER triggers that it queues to the open query level.
    fn run_as_current_user<T>(
        &self,
        arguments: &[TypedDatum],
        snapshot: SnapshotChoice<'_>,
        mut read: impl FnMut(&ResultRow) -> T,
    ) -> (u64, Vec<T>) {
        let plan = self.plan(arguments);
        let mut values: Vec<_> =
            arguments.iter().map(|argument| argument.datum.unwrap_or_else(pg_sys::Datum::null)).collect();
        let nulls: Vec<_> =
            arguments.iter().map(|argument| if argument.datum.is_some() { b' ' } else { b'n' } as _).collect();
        let (read_only, snapshot) = match snapshot {
            SnapshotChoice::Transaction => (false, ptr::null_mut()),
            // SAFETY: the snapshot is copied before another one can replace it.
            SnapshotChoice::Latest => (false, unsafe { pg_sys::GetLatestSnapshot() }),
            SnapshotChoice::ReadOnly(snapshot) => (true, snapshot.as_ptr()),
        };
        // SAFETY: the saved plan has as many parameters, of these types. The arrays outlive the call.
        let code = unsafe {
            pg_sys::SPI_execute_snapshot(
                plan,
                values.as_mut_ptr(),
                nulls.as_ptr(),
                snapshot,
                ptr::null_mut(),
                read_only,
                false,
                0,
            )
        };
        assert!(code >= 0, "{}: {}", self.sql, result_code(code));
        // SAFETY: SPI sets both before it returns. The table is null if the query returns no rows.
        let (processed, table) = unsafe { (pg_sys::SPI_processed, pg_sys::SPI_tuptable.as_ref()) };
        let rows = table.map(|table| {
            // SAFETY: `vals` has `numvals` tuples of this descriptor, and the table lives until SPI_finish.
            let tuples = unsafe { std::slice::from_raw_parts(table.vals, table.numvals as usize) };
            // SAFETY: as above. Rust needs up to four times the bytes of the row for an array of short texts.
            allocation::ensure_available(tuples.iter().map(|tuple| unsafe { (**tuple).t_len as usize * 4 }).sum());
            let read_one = |tuple: &pg_sys::HeapTuple| {
                xact::check_for_interrupts();
                read(&ResultRow { tuple: *tuple, tupdesc: table.tupdesc })
            };
            tuples.iter().map(read_one).collect()
        });
        (processed, rows.unwrap_or_default())
    }

    fn plan(&self, arguments: &[TypedDatum]) -> pg_sys::SPIPlanPtr {
        let saved = self.plan.load(Ordering::Relaxed);
        if !saved.is_null() {
            // SAFETY: a saved plan stays valid.
            let count = unsafe { pg_sys::SPI_getargcount(saved) };
            assert!(count as usize == arguments.len(), "{}: called with {} arguments", self.sql, arguments.len());
            let has_same_types = arguments.iter().enumerate().all(|(index, argument)| {
                // SAFETY: a saved plan stays valid. PostgreSQL checks the index.
                unsafe { pg_sys::SPI_getargtypeid(saved, index as i32) == argument.oid }
            });
            assert!(has_same_types, "{}: called with arguments of other types than before", self.sql);
            return saved;
        }
        let sql = CString::new(self.sql).expect("a query has no NUL in it");
        let mut types: Vec<_> = arguments.iter().map(|argument| argument.oid).collect();
        // SAFETY: `sql` and `types` are only read during the call, and SPI is connected.
        let plan = unsafe {
            let options = self.cursor_options as i32;
            pg_sys::SPI_prepare_cursor(sql.as_ptr(), types.len() as i32, types.as_mut_ptr(), options)
        };
        // SAFETY: SPI sets its result code if it returns no plan.
        assert!(!plan.is_null(), "{}: {}", self.sql, result_code(unsafe { pg_sys::SPI_result }));
        // SAFETY: the plan was just made and is not saved yet.
        let code = unsafe { pg_sys::SPI_keepplan(plan) };
        assert!(code == 0, "{}: {}", self.sql, result_code(code));
        self.plan.store(plan, Ordering::Relaxed);
        plan
    }
}

/// Runs a statement as the current user. It is planned each time.
pub fn execute_text(statement: &str) {
    let _connection = Connection::open();
    let _errors = ErrorWatch::begin();
    let _search_path = LocalGuc::safe_search_path();
    let sql = CString::new(statement).expect("a statement has no NUL in it");
    // SAFETY: SPI is connected, and copies the text.
    let code = unsafe { pg_sys::SPI_execute(sql.as_ptr(), false, 0) };
    assert!(code >= 0, "{statement}: {}", result_code(code));
}

impl ResultRow {
    /// Returns the value of a column, or `None` if it is NULL.
    pub fn get<T: ColumnType>(&self, column: impl ColumnRef) -> Option<T> {
        let column = column.number(self);
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong together. The type is checked before the datum is read.
        unsafe {
            let oid = pg_sys::SPI_gettypeid(self.tupdesc, column);
            if !T::accepts(oid) {
                let message = format!("column {column} of a row of token_auth has another type than it had");
                raise(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, message, RECREATE_HINT)
            }
            let datum = pg_sys::SPI_getbinval(self.tuple, self.tupdesc, column, &mut is_null);
            T::from_polymorphic_datum(datum, is_null, oid)
        }
    }

    /// Returns the value of a column that is never NULL.
    pub fn get_not_null<T: ColumnType>(&self, column: impl ColumnRef + Copy) -> T {
        self.get(column).unwrap_or_else(|| unexpected_null(column.number(self)))
    }
}

/// A column of a result: its number, counted from 1, or its name.
pub trait ColumnRef {
    /// Returns the column's number in a row.
    fn number(self, row: &ResultRow) -> i32;
}

impl ColumnRef for i32 {
    fn number(self, _row: &ResultRow) -> i32 {
        self
    }
}

impl ColumnRef for &CStr {
    fn number(self, row: &ResultRow) -> i32 {
        // SAFETY: compares the name with those of the descriptor.
        let number = unsafe { pg_sys::SPI_fnumber(row.tupdesc, self.as_ptr()) };
        if number <= 0 {
            let message = format!("a row of token_auth has no column \"{}\"", self.to_string_lossy());
            raise(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, message, RECREATE_HINT)
        }
        number
    }
}

/// A connection to SPI, closed when it goes out of scope.
struct Connection;

impl Connection {
    fn open() -> Self {
        // SAFETY: connections nest. The matching SPI_finish is in Drop.
        let code = unsafe { pg_sys::SPI_connect() };
        assert!(code == pg_sys::SPI_OK_CONNECT as i32, "{}", result_code(code));
        Self
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // After an error the end of the (sub)transaction closes it, as for every user of SPI.
        if !std::thread::panicking() {
            // SAFETY: it was opened in `open`, and connections are closed in reverse order, by scope.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}

fn result_code(code: i32) -> String {
    // SAFETY: returns a static string for every code.
    unsafe { CStr::from_ptr(pg_sys::SPI_result_code_string(code)) }.to_string_lossy().into_owned()
}
