//! PostgreSQL's functions without pgrx's guards: to call several under one guard, or in a callback, or where a guard would cost
//! more than the function does.
//!
//! An error in one of them jumps to the next guard outside. So the code in between has nothing to drop. It does not panic
//! either, because that would end the process.

use std::ffi::{c_char, c_int};

use pgrx::pg_sys;

/// Declares functions, each with a call of what pgrx declares, which bindgen makes from the headers of the server: where the
/// parameters of a version of PostgreSQL are others, this does not compile.
macro_rules! declare {
    ($($(#[$version:meta])? fn $name:ident($($parameter:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        unsafe extern "C-unwind" {
            $($(#[$version])? pub fn $name($($parameter: $type),*) $(-> $result)?;)*
        }
        $($(#[$version])? const _: () = {
            #[allow(dead_code, clippy::too_many_arguments, reason = "only compiled")]
            unsafe fn check($($parameter: $type),*) $(-> $result)? {
                // SAFETY: never called.
                unsafe { pg_sys::$name($($parameter),*) }
            }
        };)*
    };
}

declare! {
    fn try_table_open(oid: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> pg_sys::Relation;
    fn table_close(table: pg_sys::Relation, lock: pg_sys::LOCKMODE);
    fn index_open(oid: pg_sys::Oid, lock: pg_sys::LOCKMODE) -> pg_sys::Relation;
    fn index_close(index: pg_sys::Relation, lock: pg_sys::LOCKMODE);
    fn ScanKeyEntryInitialize(
        entry: pg_sys::ScanKey,
        flags: c_int,
        column: pg_sys::AttrNumber,
        strategy: pg_sys::StrategyNumber,
        subtype: pg_sys::Oid,
        collation: pg_sys::Oid,
        function: pg_sys::RegProcedure,
        argument: pg_sys::Datum,
    );
    fn table_slot_create(table: pg_sys::Relation, registered: *mut *mut pg_sys::List) -> *mut pg_sys::TupleTableSlot;
    #[cfg(not(feature = "pg18"))]
    fn index_beginscan(
        table: pg_sys::Relation,
        index: pg_sys::Relation,
        snapshot: pg_sys::Snapshot,
        keys: c_int,
        orderings: c_int,
    ) -> pg_sys::IndexScanDesc;
    #[cfg(feature = "pg18")]
    fn index_beginscan(
        table: pg_sys::Relation,
        index: pg_sys::Relation,
        snapshot: pg_sys::Snapshot,
        instrument: *mut pg_sys::IndexScanInstrumentation,
        keys: c_int,
        orderings: c_int,
    ) -> pg_sys::IndexScanDesc;
    fn index_rescan(
        scan: pg_sys::IndexScanDesc,
        keys: pg_sys::ScanKey,
        count: c_int,
        orderings: pg_sys::ScanKey,
        ordering_count: c_int,
    );
    fn index_endscan(scan: pg_sys::IndexScanDesc);
    fn ExecDropSingleTupleTableSlot(slot: *mut pg_sys::TupleTableSlot);

    fn lookup_type_cache(row_type: pg_sys::Oid, flags: c_int) -> *mut pg_sys::TypeCacheEntry;
    fn heap_form_tuple(tupdesc: pg_sys::TupleDesc, values: *mut pg_sys::Datum, nulls: *mut bool) -> pg_sys::HeapTuple;
    fn heap_deform_tuple(
        tuple: pg_sys::HeapTuple,
        tupdesc: pg_sys::TupleDesc,
        values: *mut pg_sys::Datum,
        nulls: *mut bool,
    );
    fn HeapTupleHeaderGetDatum(header: pg_sys::HeapTupleHeader) -> pg_sys::Datum;

    fn CopyErrorData() -> *mut pg_sys::ErrorData;
    fn FreeErrorData(data: *mut pg_sys::ErrorData);
    fn err_generic_string(field: c_int, text: *const c_char) -> c_int;
    fn errhidestmt(hide: bool) -> c_int;

    fn die(signal: c_int);
}

unsafe extern "C-unwind" {
    // pgrx's bindings do not have it. `tests/cluster/tests/server/headers.rs` compares it with the server's.
    pub fn errhint(format: *const c_char, ...) -> c_int;
}

// pgrx puts no guard around functions with a variable number of arguments.
pub use pg_sys::{errdetail_internal, errmsg_internal};
