//! Index scans without SQL: a table, one of its indexes, the keys, and the rows that the index finds.
//!
//! This does what the executor does for an index scan (executor/nodeIndexscan.c), without a plan and without the caller's
//! `search_path`. No privilege on the table is checked: the caller has EXECUTE on the function, and sees only its result.

use std::marker::PhantomData;

use pgrx::pg_sys;

use super::datum::ColumnType;
use super::relation::{ACCESS_SHARE, Column, unexpected_null};
use super::snapshot::{CurrentSnapshot, TransactionId};
use super::unguarded;
use super::varlena::OwnedVarlena;
use super::version::begin_index_scan;

/// An open table and one of its indexes. Both are locked ACCESS SHARE while this exists.
pub struct IndexedTable {
    table: pg_sys::Relation,
    index: pg_sys::Relation,
}

impl IndexedTable {
    /// Opens a table and an index of it. Returns `None` if the table no longer exists, or if `is_current` returns false
    /// after the table is locked.
    pub fn open(table: pg_sys::Oid, index: pg_sys::Oid, is_current: impl Fn() -> bool + Copy) -> Option<Self> {
        // SAFETY: the relations are closed in Drop. The index exists if `is_current` is true; otherwise there is an error.
        unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let table = unguarded::try_table_open(table, ACCESS_SHARE);
                if table.is_null() {
                    return None;
                }
                if !is_current() {
                    unguarded::table_close(table, ACCESS_SHARE);
                    return None;
                }
                Some(Self { table, index: unguarded::index_open(index, ACCESS_SHARE) })
            })
        }
    }

    /// Begins a scan for the rows whose first columns of the index equal `keys`.
    pub fn scan<'t>(&'t self, keys: &[ScanKey<'t>], snapshot: &'t CurrentSnapshot) -> IndexScan<'t> {
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
            // SAFETY: both were opened in `open`.
            unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    unguarded::index_close(self.index, ACCESS_SHARE);
                    unguarded::table_close(self.table, ACCESS_SHARE);
                });
            }
        }
    }
}

/// The value that a column of an index must equal.
#[derive(Clone, Copy)]
pub struct ScanKey<'a> {
    value: pg_sys::Datum,
    function: u32,
    collation: pg_sys::Oid,
    owner: PhantomData<&'a ()>,
}

impl<'a> ScanKey<'a> {
    /// A key of a `bigint` column.
    pub fn bigint(value: i64) -> Self {
        Self::new(pg_sys::Datum::from(value), pg_sys::F_INT8EQ, pg_sys::InvalidOid)
    }

    /// A key of a `bytea` column.
    pub fn bytes(value: &'a OwnedVarlena<Vec<u8>>) -> Self {
        Self::new(value.raw(), pg_sys::F_BYTEAEQ, pg_sys::InvalidOid)
    }

    /// A key of a `text` column, with the collation of that column in the index.
    pub fn text(value: &'a OwnedVarlena<String>, collation: pg_sys::Oid) -> Self {
        Self::new(value.raw(), pg_sys::F_TEXTEQ, collation)
    }

    fn new(value: pg_sys::Datum, function: u32, collation: pg_sys::Oid) -> Self {
        Self { value, function, collation, owner: PhantomData }
    }
}

/// An index scan and its current row.
pub struct IndexScan<'t> {
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    _borrowed: (&'t IndexedTable, &'t CurrentSnapshot),
}

impl<'t> IndexScan<'t> {
    fn begin(on: &'t IndexedTable, keys: &[ScanKey<'t>], snapshot: &'t CurrentSnapshot) -> Self {
        let strategy = if on.index_is_hash() { pg_sys::HTEqualStrategyNumber } else { pg_sys::BTEqualStrategyNumber };
        // SAFETY: all zeros is a valid scan key. Each key that is used is initialised below.
        let mut scan_keys: [pg_sys::ScanKeyData; 2] = unsafe { std::mem::zeroed() };
        assert!(keys.len() <= scan_keys.len(), "{} keys are too many", keys.len());
        let count = keys.len() as i32;
        // SAFETY: the function of a key compares two values of the column's type. The table, the index, the snapshot and the
        // values of the keys outlive the scan, by the lifetime. The scan copies the keys.
        let (scan, slot) = unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                for ((position, key), scan_key) in keys.iter().enumerate().zip(&mut scan_keys) {
                    unguarded::ScanKeyEntryInitialize(
                        scan_key,
                        0,
                        position as pg_sys::AttrNumber + 1,
                        strategy as pg_sys::StrategyNumber,
                        pg_sys::InvalidOid,
                        key.collation,
                        pg_sys::Oid::from(key.function),
                        key.value,
                    );
                }
                let slot = unguarded::table_slot_create(on.table, std::ptr::null_mut());
                let scan = begin_index_scan(on.table, on.index, snapshot.as_ptr(), count);
                unguarded::index_rescan(scan, scan_keys.as_mut_ptr(), count, std::ptr::null_mut(), 0);
                (scan, slot)
            })
        };
        Self { scan, slot, _borrowed: (on, snapshot) }
    }

    /// Advances to the next row. A hash index compares hash codes of 32 bits only, so the caller checks the row's key.
    pub fn next(&mut self) -> Option<TableRow<'_>> {
        // SAFETY: the scan and the slot were made in `begin`.
        let found =
            unsafe { pg_sys::index_getnext_slot(self.scan, pg_sys::ScanDirection::ForwardScanDirection, self.slot) };
        found.then(|| TableRow { slot: self.slot, _scan: self })
    }
}

impl Drop for IndexScan<'_> {
    fn drop(&mut self) {
        // After an error the resource owner releases both.
        if !std::thread::panicking() {
            // SAFETY: both were made in `begin`.
            unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    unguarded::index_endscan(self.scan);
                    unguarded::ExecDropSingleTupleTableSlot(self.slot);
                });
            }
        }
    }
}

/// The current row of a scan.
pub struct TableRow<'p> {
    slot: *mut pg_sys::TupleTableSlot,
    _scan: &'p IndexScan<'p>,
}

impl TableRow<'_> {
    /// Returns a copy of the value of a column, or `None` if it is NULL.
    pub fn get<T: ColumnType>(&self, column: &Column<T>) -> Option<T> {
        let (datum, is_null) = self.raw(column.number);
        // SAFETY: `Column::find` has checked the type. If the column is altered, the callback of `inval` is called before the
        // table can be opened again.
        unsafe { T::from_polymorphic_datum(datum, is_null, T::oid()) }
    }

    /// Returns a copy of the value of a column that is never NULL.
    pub fn get_not_null<T: ColumnType>(&self, column: &Column<T>) -> T {
        self.get(column).unwrap_or_else(|| unexpected_null(column.number.into()))
    }

    /// Returns true if a column is NULL.
    pub fn is_null<T>(&self, column: &Column<T>) -> bool {
        self.raw(column.number).1
    }

    /// Returns the transaction that wrote this version of the row (`xmin`).
    pub fn written_by(&self) -> TransactionId {
        let mut is_null = false;
        let xmin = pg_sys::MinTransactionIdAttributeNumber as pg_sys::AttrNumber;
        // SAFETY: the slot holds a row of a table while this exists.
        let datum = unsafe { pg_sys::slot_getsysattr(self.slot, xmin.into(), &mut is_null) };
        TransactionId(datum.value() as u32)
    }

    fn raw(&self, column: pg_sys::AttrNumber) -> (pg_sys::Datum, bool) {
        let index = column as usize - 1;
        // SAFETY: the slot holds a row while this exists. `slot_getsomeattrs_int` extracts its columns up to this one.
        unsafe {
            if (*self.slot).tts_nvalid < column {
                pg_sys::slot_getsomeattrs_int(self.slot, column.into());
            }
            (*(*self.slot).tts_values.add(index), *(*self.slot).tts_isnull.add(index))
        }
    }
}
