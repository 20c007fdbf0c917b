//! Our own SQL: each statement is planned once per backend and kept, and runs under the snapshot that it needs, as the owner
//! of our tables. What it sets off in other tables runs as the caller: see `owner.rs`.
//!
//! This is SPI (https://www.postgresql.org/docs/current/spi.html) without what `pgrx::Spi` adds: pgrx assigns a
//! transaction id to find out whether a transaction writes, which fails on a standby, and has no way to choose a
//! snapshot.

use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::{FromDatum, IntoDatum, PgSqlErrorCode, pg_sys};

use super::allocation;
use super::datum::Value;
use super::error_fields::ErrorWatch;
use super::index_scan::unexpected_null;
use super::raise::{CREATE_AGAIN, raise};
use super::server;
use super::snapshot::FreshSnapshot;
use super::user::{AsOwner, LocalSetting, TriggerQueue};

/// A statement of ours, with `$1`, `$2`, … for its arguments. Every name in it is schema-qualified.
pub struct Query {
    sql: &'static str,
    cursor_options: u32,
    user: User,
    /// The kept plan. Backends are forked before any plan is made, so each has its own.
    plan: AtomicPtr<pg_sys::_SPI_plan>,
}

/// A row of a result, valid while its statement's result is being read.
pub struct ResultRow {
    tuple: pg_sys::HeapTuple,
    tupdesc: pg_sys::TupleDesc,
}

/// As whom a statement runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    /// As the owner of our tables.
    Owner,
    /// As whoever calls, because it is not about our tables.
    Caller,
}

/// How a statement sees the database.
enum View<'a> {
    /// As any statement of the transaction does.
    Transaction,
    /// Writing or locking, under a snapshot taken now.
    Latest,
    /// Reading only, under the given snapshot.
    Fresh(&'a FreshSnapshot),
}

impl Query {
    /// Its plan is made without a look at its arguments: digests among them do not get into a plan that somebody has
    /// printed (`debug_print_plan`).
    pub const fn new(sql: &'static str) -> Self {
        Self::with(sql, pg_sys::CURSOR_OPT_GENERIC_PLAN, User::Owner)
    }

    /// A statement whose best plan depends on its arguments, which are nothing to hide.
    pub const fn planned_for_arguments(sql: &'static str) -> Self {
        Self::with(sql, 0, User::Owner)
    }

    /// A statement that runs as the current user, with its rights.
    pub const fn as_caller(sql: &'static str) -> Self {
        Self::with(sql, 0, User::Caller)
    }

    const fn with(sql: &'static str, cursor_options: u32, user: User) -> Self {
        Self { sql, cursor_options, user, plan: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Runs it and returns how many rows it processed.
    pub fn execute(&self, arguments: &[Value]) -> u64 {
        self.execute_in_view(arguments, View::Transaction, |_| ()).0
    }

    /// Runs it and returns its rows, each read by `read`.
    pub fn rows<T>(&self, arguments: &[Value], read: impl FnMut(&ResultRow) -> T) -> Vec<T> {
        self.execute_in_view(arguments, View::Transaction, read).1
    }

    /// Runs it and returns its first row, if there is one, read by `read`.
    pub fn row<T>(&self, arguments: &[Value], read: impl FnMut(&ResultRow) -> T) -> Option<T> {
        self.rows(arguments, read).into_iter().next()
    }

    /// Like [`Self::row`], under a snapshot taken now even where the transaction's own stands still. Not in parallel mode.
    pub fn row_latest_snapshot<T>(&self, arguments: &[Value], read: impl FnMut(&ResultRow) -> T) -> Option<T> {
        self.rows_latest_snapshot(arguments, read).into_iter().next()
    }

    /// Like [`Self::run`], under a snapshot taken now even where the transaction's own stands still. Not in parallel mode.
    pub fn execute_latest_snapshot(&self, arguments: &[Value]) -> u64 {
        self.execute_in_view(arguments, View::Latest, |_| ()).0
    }

    /// Like [`Self::rows`], under a snapshot taken now even where the transaction's own stands still. Not in parallel mode.
    pub fn rows_latest_snapshot<T>(&self, arguments: &[Value], read: impl FnMut(&ResultRow) -> T) -> Vec<T> {
        self.execute_in_view(arguments, View::Latest, read).1
    }

    /// Reads its rows under `snapshot`. It works where nothing can be written: on a standby, in a parallel worker.
    pub fn rows_with<T>(
        &self,
        snapshot: &FreshSnapshot,
        arguments: &[Value],
        read: impl FnMut(&ResultRow) -> T,
    ) -> Vec<T> {
        self.execute_in_view(arguments, View::Fresh(snapshot), read).1
    }

    fn execute_in_view<T>(
        &self,
        arguments: &[Value],
        view: View<'_>,
        read: impl FnMut(&ResultRow) -> T,
    ) -> (u64, Vec<T>) {
        let _connection = Connection::open();
        let _errors = ErrorWatch::begin();
        // What only reads fires nothing, and works where nothing can be queued: on a standby, in a parallel worker.
        let triggers = (!matches!(view, View::Fresh(_))).then(TriggerQueue::open);
        let result = {
            let _owner = (self.user == User::Owner).then(AsOwner::begin);
            let _path = LocalSetting::own_search_path();
            let _plans = LocalSetting::plans_as_we_ask();
            self.execute_now(arguments, view, read)
        };
        if let Some(triggers) = triggers {
            triggers.fire();
        }
        result
    }

    /// Runs it as the current user, and leaves the AFTER triggers that it queues to the query level that is open.
    fn execute_now<T>(
        &self,
        arguments: &[Value],
        view: View<'_>,
        mut read: impl FnMut(&ResultRow) -> T,
    ) -> (u64, Vec<T>) {
        let plan = self.plan(arguments);
        let mut values: Vec<_> =
            arguments.iter().map(|value| value.datum.unwrap_or_else(pg_sys::Datum::null)).collect();
        let nulls: Vec<_> =
            arguments.iter().map(|value| if value.datum.is_some() { b' ' } else { b'n' } as _).collect();
        let (read_only, snapshot) = match view {
            View::Transaction => (false, ptr::null_mut()),
            // SAFETY: the snapshot is copied before anything else can replace it.
            View::Latest => (false, unsafe { pg_sys::GetLatestSnapshot() }),
            View::Fresh(snapshot) => (true, snapshot.as_ptr()),
        };
        // SAFETY: the plan is a kept one with as many arguments, of these types; the arrays outlive the call.
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
        // SAFETY: SPI sets both before it returns; a statement without result rows leaves the table null.
        let (processed, table) = unsafe { (pg_sys::SPI_processed, pg_sys::SPI_tuptable.as_ref()) };
        let rows = table.map(|table| {
            // SAFETY: `vals` holds `numvals` tuples of this descriptor, and the table lives until SPI_finish.
            let tuples = unsafe { std::slice::from_raw_parts(table.vals, table.numvals as usize) };
            // SAFETY: as above. Rust keeps an array of short texts in four times the bytes of the row.
            allocation::ensure(tuples.iter().map(|tuple| unsafe { (**tuple).t_len as usize * 4 }).sum());
            let read_one = |tuple: &pg_sys::HeapTuple| {
                server::check_for_interrupts();
                read(&ResultRow { tuple: *tuple, tupdesc: table.tupdesc })
            };
            tuples.iter().map(read_one).collect()
        });
        (processed, rows.unwrap_or_default())
    }

    fn plan(&self, arguments: &[Value]) -> pg_sys::SPIPlanPtr {
        let kept = self.plan.load(Ordering::Relaxed);
        if !kept.is_null() {
            // SAFETY: a kept plan stays valid.
            let count = unsafe { pg_sys::SPI_getargcount(kept) };
            assert!(count as usize == arguments.len(), "{}: called with {} arguments", self.sql, arguments.len());
            let same_types = arguments.iter().enumerate().all(|(place, value)| {
                // SAFETY: a kept plan stays valid; the argument's index is checked by PostgreSQL.
                unsafe { pg_sys::SPI_getargtypeid(kept, place as i32) == value.oid }
            });
            assert!(same_types, "{}: called with arguments of other types than before", self.sql);
            return kept;
        }
        let sql = CString::new(self.sql).expect("a statement has no NUL in it");
        let mut types: Vec<_> = arguments.iter().map(|value| value.oid).collect();
        // SAFETY: `sql` and `types` are only read during the call, and SPI is connected.
        let plan = unsafe {
            let options = self.cursor_options as i32;
            pg_sys::SPI_prepare_cursor(sql.as_ptr(), types.len() as i32, types.as_mut_ptr(), options)
        };
        // SAFETY: SPI sets its result code when it returns no plan.
        assert!(!plan.is_null(), "{}: {}", self.sql, result_code(unsafe { pg_sys::SPI_result }));
        // SAFETY: the plan was just made and is not kept yet.
        let code = unsafe { pg_sys::SPI_keepplan(plan) };
        assert!(code == 0, "{}: {}", self.sql, result_code(code));
        self.plan.store(plan, Ordering::Relaxed);
        plan
    }
}

impl ResultRow {
    /// The value in a column, or `None` where it is NULL.
    pub fn get<T: FromDatum + IntoDatum>(&self, column: impl ColumnRef) -> Option<T> {
        let column = column.number(self);
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong together; the type is checked before the datum is believed.
        unsafe {
            let oid = pg_sys::SPI_gettypeid(self.tupdesc, column);
            if !T::is_compatible_with(oid) {
                let message = format!("column {column} of a row of token_auth has another type than it had");
                raise(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, message, CREATE_AGAIN)
            }
            let datum = pg_sys::SPI_getbinval(self.tuple, self.tupdesc, column, &mut is_null);
            T::from_polymorphic_datum(datum, is_null, oid)
        }
    }

    /// The value in a column that is never NULL.
    pub fn get_not_null<T: FromDatum + IntoDatum>(&self, column: impl ColumnRef + Copy) -> T {
        self.get(column).unwrap_or_else(|| unexpected_null(column.number(self)))
    }
}

/// What names a column of a row: its number, counted from 1, or its name.
pub trait ColumnRef {
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
            raise(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, message, CREATE_AGAIN)
        }
        number
    }
}

/// A connection to SPI, closed when it goes out of scope.
struct Connection;

impl Connection {
    fn open() -> Self {
        // SAFETY: connecting nests; the matching SPI_finish is in Drop.
        let code = unsafe { pg_sys::SPI_connect() };
        assert!(code == pg_sys::SPI_OK_CONNECT as i32, "{}", result_code(code));
        Self
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // After an error the end of the (sub)transaction closes it, as for every SPI user.
        if !std::thread::panicking() {
            // SAFETY: opened in `open`, and connections are closed in reverse order by scope.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}

fn result_code(code: i32) -> String {
    // SAFETY: returns a static string for every code.
    unsafe { CStr::from_ptr(pg_sys::SPI_result_code_string(code)) }.to_string_lossy().into_owned()
}
