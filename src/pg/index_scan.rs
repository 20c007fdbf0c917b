//! Reading our own tables without SQL: a table, an index of it, a key, and the rows that the index finds.
//!
//! This is what the executor does for an index scan (executor/nodeIndexscan.c), without a plan, and without anybody's
//! `search_path`. It asks for no privilege on the table: whoever may call a function of ours gets its answer, and only that.

use std::ffi::CStr;
use std::marker::PhantomData;

use pgrx::{FromDatum, IntoDatum, PgSqlErrorCode, pg_sys};

use super::datum::OwnedVarlena;
use super::raise::{CREATE_AGAIN, raise};
use super::snapshot::{FreshSnapshot, TransactionId};

const ACCESS_SHARE: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

/// PostgreSQL's functions as they are, for several of them under one guard. None of what is between them has anything to
/// drop, because an error of PostgreSQL jumps over it, and none of it panics, because that would end the process.
mod plain {
    use super::pg_sys;
    use std::ffi::c_int;

    unsafe extern "C-unwind" {
        pub fn try_table_open(oid: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> pg_sys::Relation;
        pub fn table_close(table: pg_sys::Relation, lock: pg_sys::LOCKMODE);
        pub fn index_open(oid: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> pg_sys::Relation;
        pub fn index_close(index: pg_sys::Relation, lock: pg_sys::LOCKMODE);
        pub fn ScanKeyEntryInitialize(
            entry: pg_sys::ScanKey,
            flags: c_int,
            column: pg_sys::AttrNumber,
            strategy: pg_sys::StrategyNumber,
            subtype: pg_sys::Oid,
            collation: pg_sys::Oid,
            function: pg_sys::Oid,
            argument: pg_sys::Datum,
        );
        pub fn table_slot_create(
            table: pg_sys::Relation,
            reglist: *mut *mut pg_sys::List,
        ) -> *mut pg_sys::TupleTableSlot;
        #[cfg(not(feature = "pg18"))]
        pub fn index_beginscan(
            table: pg_sys::Relation,
            index: pg_sys::Relation,
            snapshot: pg_sys::Snapshot,
            keys: c_int,
            orderings: c_int,
        ) -> pg_sys::IndexScanDesc;
        #[cfg(feature = "pg18")]
        pub fn index_beginscan(
            table: pg_sys::Relation,
            index: pg_sys::Relation,
            snapshot: pg_sys::Snapshot,
            instrument: *mut pg_sys::IndexScanInstrumentation,
            keys: c_int,
            orderings: c_int,
        ) -> pg_sys::IndexScanDesc;
        pub fn index_rescan(
            scan: pg_sys::IndexScanDesc,
            keys: pg_sys::ScanKey,
            count: c_int,
            orderings: pg_sys::ScanKey,
            ordering_count: c_int,
        );
        pub fn index_endscan(scan: pg_sys::IndexScanDesc);
        pub fn ExecDropSingleTupleTableSlot(slot: *mut pg_sys::TupleTableSlot);
    }
}

/// A table or an index of our schema, by name.
pub fn find(name: &CStr) -> pg_sys::Oid {
    // SAFETY: catalogue lookups inside a transaction.
    let oid = unsafe {
        let schema = pg_sys::get_namespace_oid(c"token_auth".as_ptr(), false);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    if oid == pg_sys::InvalidOid {
        let message = format!("relation \"token_auth.{}\" does not exist", name.to_string_lossy());
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, message, CREATE_AGAIN)
    }
    oid
}

/// Who owns a relation that [`find`] found.
pub fn owner(relation: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a catalogue lookup inside a transaction; the row is released after its column is read.
    let owner = unsafe {
        let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, pg_sys::Datum::from(relation));
        (!row.is_null()).then(|| {
            let owner = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>()).relowner;
            pg_sys::ReleaseSysCache(row);
            owner
        })
    };
    owner.unwrap_or_else(|| {
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, "a table of token_auth was dropped meanwhile", CREATE_AGAIN)
    })
}

/// The type of the rows of a table, or of a composite type, of our schema.
pub fn row_type(relation: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a catalogue lookup inside a transaction.
    unsafe { pg_sys::get_rel_type_id(relation) }
}

/// A column of a table of ours, with the type that it has.
pub struct Column<T> {
    number: pg_sys::AttrNumber,
    value: PhantomData<T>,
}

impl<T: IntoDatum> Column<T> {
    pub fn find(table: pg_sys::Oid, name: &CStr) -> Self {
        // SAFETY: catalogue lookups inside a transaction.
        let (number, oid) = unsafe {
            let number = pg_sys::get_attnum(table, name.as_ptr());
            (number, pg_sys::get_atttype(table, number))
        };
        let name = name.to_string_lossy();
        if number <= 0 {
            let message = format!("column \"{name}\" of a table of token_auth does not exist");
            raise(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, message, CREATE_AGAIN)
        }
        if !T::is_compatible_with(oid) {
            let message = format!("column \"{name}\" of a table of token_auth has another type than it had");
            raise(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, message, CREATE_AGAIN)
        }
        Self { number, value: PhantomData }
    }
}

/// An open table.
pub struct Table(pg_sys::Relation);

impl Table {
    /// `None` where there is no such table any more.
    pub fn open(oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: what it returns is ours to close.
        let relation = unsafe { pg_sys::try_table_open(oid, ACCESS_SHARE) };
        (!relation.is_null()).then(|| Self(relation))
    }

    /// Whether it has a trigger of this name that fires whatever `session_replication_role` says.
    pub fn has_trigger_always(&self, name: &CStr) -> bool {
        // SAFETY: the relation is open, and its triggers are PostgreSQL's own array.
        unsafe {
            let Some(triggers) = (*self.0).trigdesc.as_ref() else { return false };
            let triggers = std::slice::from_raw_parts(triggers.triggers, triggers.numtriggers as usize);
            let always = pg_sys::TRIGGER_FIRES_ALWAYS as std::ffi::c_char;
            triggers.iter().any(|trigger| CStr::from_ptr(trigger.tgname) == name && trigger.tgenabled == always)
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // After an error the resource owner closes it.
        if !std::thread::panicking() {
            // SAFETY: opened in `open`.
            unsafe { pg_sys::table_close(self.0, ACCESS_SHARE) }
        }
    }
}

/// An open table, with an index of it.
pub struct IndexedTable {
    table: pg_sys::Relation,
    index: pg_sys::Relation,
}

impl IndexedTable {
    /// `None` where there is no such table any more, or where `holds` says, once the table is locked, that these are not
    /// the right ones.
    pub fn open(table: pg_sys::Oid, index: pg_sys::Oid, holds: impl Fn() -> bool + Copy) -> Option<Self> {
        // SAFETY: what is opened is ours to close. That the index is there follows from `holds`; else it is an error.
        unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let table = plain::try_table_open(table, ACCESS_SHARE);
                if table.is_null() {
                    return None;
                }
                if !holds() {
                    plain::table_close(table, ACCESS_SHARE);
                    return None;
                }
                Some(Self { table, index: plain::index_open(index, ACCESS_SHARE) })
            })
        }
    }

    /// The rows that the index finds for these keys, which are of its first columns.
    pub fn scan<'t>(&'t self, keys: &[ScanKey<'t>], snapshot: &'t FreshSnapshot) -> IndexScan<'t> {
        IndexScan::begin(self, keys, snapshot)
    }

    fn index_is_hash(&self) -> bool {
        // SAFETY: the relation is open.
        unsafe { (*(*self.index).rd_rel).relam == pg_sys::HASH_AM_OID }
    }
}

impl Drop for IndexedTable {
    fn drop(&mut self) {
        // After an error the resource owner closes them.
        if !std::thread::panicking() {
            // SAFETY: opened in `open`.
            unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    plain::index_close(self.index, ACCESS_SHARE);
                    plain::table_close(self.table, ACCESS_SHARE);
                });
            }
        }
    }
}

/// What a column of an index shall be equal to.
#[derive(Clone, Copy)]
pub struct ScanKey<'a> {
    value: pg_sys::Datum,
    function: u32,
    collation: pg_sys::Oid,
    lender: PhantomData<&'a ()>,
}

impl<'a> ScanKey<'a> {
    pub fn bigint(value: i64) -> Self {
        Self::new(pg_sys::Datum::from(value), pg_sys::F_INT8EQ, pg_sys::InvalidOid)
    }

    pub fn bytes(value: &'a OwnedVarlena<Vec<u8>>) -> Self {
        Self::new(value.datum(), pg_sys::F_BYTEAEQ, pg_sys::InvalidOid)
    }

    /// Text, compared under the collation that the column of the index has.
    pub fn text(value: &'a OwnedVarlena<String>, collation: pg_sys::Oid) -> Self {
        Self::new(value.datum(), pg_sys::F_TEXTEQ, collation)
    }

    fn new(value: pg_sys::Datum, function: u32, collation: pg_sys::Oid) -> Self {
        Self { value, function, collation, lender: PhantomData }
    }
}

/// A scan of an index, and the row that it is at.
pub struct IndexScan<'t> {
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    _held: (&'t IndexedTable, &'t FreshSnapshot),
}

impl<'t> IndexScan<'t> {
    fn begin(on: &'t IndexedTable, keys: &[ScanKey<'t>], snapshot: &'t FreshSnapshot) -> Self {
        let strategy = if on.index_is_hash() { pg_sys::HTEqualStrategyNumber } else { pg_sys::BTEqualStrategyNumber };
        // SAFETY: for scan keys all zeros is a value; each is initialised below.
        let mut scan_keys: [pg_sys::ScanKeyData; 2] = unsafe { std::mem::zeroed() };
        assert!(keys.len() <= scan_keys.len(), "{} keys are too many", keys.len());
        let count = keys.len() as i32;
        // SAFETY: the function of a key compares two values of the column's type, which its constructor is for. Table,
        // index, snapshot and what a key points to outlive the scan, by the lifetime. The scan copies the keys.
        let (scan, slot) = unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                for ((place, key), scan_key) in keys.iter().enumerate().zip(&mut scan_keys) {
                    plain::ScanKeyEntryInitialize(
                        scan_key,
                        0,
                        place as pg_sys::AttrNumber + 1,
                        strategy as pg_sys::StrategyNumber,
                        pg_sys::InvalidOid,
                        key.collation,
                        pg_sys::Oid::from(key.function),
                        key.value,
                    );
                }
                let slot = plain::table_slot_create(on.table, std::ptr::null_mut());
                #[cfg(not(feature = "pg18"))]
                let scan = plain::index_beginscan(on.table, on.index, snapshot.as_ptr(), count, 0);
                #[cfg(feature = "pg18")]
                let scan =
                    plain::index_beginscan(on.table, on.index, snapshot.as_ptr(), std::ptr::null_mut(), count, 0);
                plain::index_rescan(scan, scan_keys.as_mut_ptr(), count, std::ptr::null_mut(), 0);
                (scan, slot)
            })
        };
        Self { scan, slot, _held: (on, snapshot) }
    }

    /// The next row. A hash index compares a code of 32 bits only, so what it finds is to be looked at.
    pub fn next(&mut self) -> Option<TableRow<'_>> {
        // SAFETY: the scan and the slot are ours.
        let found =
            unsafe { pg_sys::index_getnext_slot(self.scan, pg_sys::ScanDirection::ForwardScanDirection, self.slot) };
        found.then(|| TableRow { slot: self.slot, _of: self })
    }
}

impl Drop for IndexScan<'_> {
    fn drop(&mut self) {
        // After an error the resource owner releases what they hold.
        if !std::thread::panicking() {
            // SAFETY: both were made in `begin`.
            unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    plain::index_endscan(self.scan);
                    plain::ExecDropSingleTupleTableSlot(self.slot);
                });
            }
        }
    }
}

/// Reports that a column which a constraint keeps from being NULL is NULL.
pub(super) fn unexpected_null(column: i32) -> ! {
    let message = format!("column {column} of a row of token_auth is NULL");
    raise(PgSqlErrorCode::ERRCODE_NOT_NULL_VIOLATION, message, CREATE_AGAIN)
}

/// The row that a scan is at, until the next one.
pub struct TableRow<'p> {
    slot: *mut pg_sys::TupleTableSlot,
    _of: &'p IndexScan<'p>,
}

impl TableRow<'_> {
    /// The value in a column, or `None` where it is NULL. It is copied out of the row.
    pub fn get<T: FromDatum + IntoDatum>(&self, column: &Column<T>) -> Option<T> {
        let (datum, is_null) = self.raw(column.number);
        // SAFETY: the column has this type: `Column::find` has looked, and the callback of `invalidation` hears of a
        // change before the table can be opened again.
        unsafe { T::from_polymorphic_datum(datum, is_null, T::type_oid()) }
    }

    /// The value in a column that is never NULL.
    pub fn get_not_null<T: FromDatum + IntoDatum>(&self, column: &Column<T>) -> T {
        self.get(column).unwrap_or_else(|| unexpected_null(column.number.into()))
    }

    pub fn is_null<T>(&self, column: &Column<T>) -> bool {
        self.raw(column.number).1
    }

    /// The transaction that wrote this version of the row.
    pub fn written_by(&self) -> TransactionId {
        let mut is_null = false;
        let xmin = pg_sys::MinTransactionIdAttributeNumber as pg_sys::AttrNumber;
        // SAFETY: the slot holds a row of a table while this exists.
        let datum = unsafe { pg_sys::slot_getsysattr(self.slot, xmin.into(), &mut is_null) };
        TransactionId(datum.value() as u32)
    }

    fn raw(&self, column: pg_sys::AttrNumber) -> (pg_sys::Datum, bool) {
        let place = column as usize - 1;
        // SAFETY: the slot holds a row while this exists, and the row has this many columns once they are extracted.
        unsafe {
            if (*self.slot).tts_nvalid < column {
                pg_sys::slot_getsomeattrs_int(self.slot, column.into());
            }
            (*(*self.slot).tts_values.add(place), *(*self.slot).tts_isnull.add(place))
        }
    }
}
