//! Rows as results: values in the order of the columns that are declared.

use std::ptr;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{PgSqlErrorCode, pg_sys};
use smallvec::SmallVec;

use super::datum::Value;
use super::raise::{CREATE_AGAIN, raise};

/// A row of a type that only the call knows: a function's OUT parameters.
pub struct Record<const COLUMNS: usize>(pub [Value<'static>; COLUMNS]);

/// A row of a named type, complete.
pub struct Composite(pg_sys::Datum);

/// PostgreSQL's functions as they are. Those of pgrx make a place for an error to jump to at each call, which for several
/// short ones costs more than they do.
mod plain {
    use super::pg_sys;

    unsafe extern "C-unwind" {
        pub fn lookup_type_cache(row_type: pg_sys::Oid, flags: std::ffi::c_int) -> *mut pg_sys::TypeCacheEntry;
        pub fn heap_form_tuple(
            tupdesc: pg_sys::TupleDesc,
            values: *mut pg_sys::Datum,
            nulls: *mut bool,
        ) -> pg_sys::HeapTuple;
        pub fn heap_deform_tuple(
            tuple: pg_sys::HeapTuple,
            tupdesc: pg_sys::TupleDesc,
            values: *mut pg_sys::Datum,
            nulls: *mut bool,
        );
        pub fn HeapTupleHeaderGetDatum(header: pg_sys::HeapTupleHeader) -> pg_sys::Datum;
    }
}

/// A row of a named type that was formed once, to be answered often. It is of no use any more when the type has changed.
#[derive(Clone)]
pub struct RowTemplate<const COLUMNS: usize> {
    words: SmallVec<[u64; FORMED_WORDS]>,
    types: [pg_sys::Oid; COLUMNS],
}

/// A row of so many words takes no memory of its own.
const FORMED_WORDS: usize = 16;

impl Composite {
    /// PostgreSQL keeps the description of a row type at hand (utils/cache/typcache.c), so no catalogue is read.
    pub fn new<const COLUMNS: usize>(row_type: pg_sys::Oid, values: [Value<'_>; COLUMNS]) -> Self {
        // SAFETY: the description is there until invalidations are taken in, which forming a row does not do.
        Self(unsafe { form(values, || description(row_type)) })
    }
}

impl<const COLUMNS: usize> RowTemplate<COLUMNS> {
    pub fn new(row_type: pg_sys::Oid, values: [Value<'_>; COLUMNS]) -> Self {
        let types = values.map(|value| value.oid);
        let Composite(row) = Composite::new(row_type, values);
        // SAFETY: a row in one alloc_overhead, which has its length at its beginning (HeapTupleHeaderGetDatumLength).
        unsafe {
            let row = row.cast_mut_ptr::<pg_sys::varlena>();
            let length = pgrx::varsize_4b(row);
            let mut words: SmallVec<[u64; FORMED_WORDS]> = SmallVec::from_elem(0, length.div_ceil(size_of::<u64>()));
            ptr::copy_nonoverlapping(row.cast::<u8>(), words.as_mut_ptr().cast::<u8>(), length);
            Self { words, types }
        }
    }

    /// As it is.
    pub fn to_datum(&self) -> Composite {
        let length = size_of_val(&*self.words);
        // SAFETY: as many bytes are allocated as are copied.
        unsafe {
            let copy = pg_sys::palloc(length);
            ptr::copy_nonoverlapping(self.words.as_ptr().cast::<u8>(), copy.cast::<u8>(), length);
            Composite(pg_sys::Datum::from(copy))
        }
    }

    /// With other values, of the same types, in these columns, which are counted from 0.
    pub fn with_columns(&self, row_type: pg_sys::Oid, changes: &[(usize, Value<'_>)]) -> Composite {
        assert!(changes.iter().all(|(place, value)| value.oid == self.types[*place]), "other types than the row has");
        let mut tuple = pg_sys::HeapTupleData {
            t_len: size_of_val(&*self.words) as u32,
            t_data: self.words.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        let mut datums = [pg_sys::Datum::null(); MOST_COLUMNS];
        let mut nulls = [true; MOST_COLUMNS];
        // SAFETY: the row has columns of these types, and is only read. It is there until the new one is formed, a copy. The
        // assertion above has looked at each column: under the guard a panic would end the process.
        let row = unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let tupdesc = description(row_type);
                places(tupdesc, &self.types).map(|places| {
                    plain::heap_deform_tuple(&mut tuple, tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
                    for (column, value) in changes {
                        let place = usize::from(places[*column]) % MOST_COLUMNS;
                        datums[place] = value.datum.unwrap_or_else(pg_sys::Datum::null);
                        nulls[place] = value.datum.is_none();
                    }
                    let changed = plain::heap_form_tuple(tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
                    plain::HeapTupleHeaderGetDatum((*changed).t_data)
                })
            })
        };
        Composite(row.unwrap_or_else(|| other_columns()))
    }

    /// How many bytes it takes beside itself, where each alloc_overhead takes `alloc_overhead` more than what is in it.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        if self.words.spilled() { alloc_overhead + size_of_val(&*self.words) } else { 0 }
    }
}

/// Somebody has altered the row type, or the library and the extension's objects are of two versions.
fn other_columns() -> ! {
    let message = "the result type of a function of token_auth has other columns than its library returns";
    raise(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, message, CREATE_AGAIN)
}

/// How a row type is made, or null.
///
/// # Safety
/// Under a guard. It is there until invalidations are taken in.
unsafe fn description(row_type: pg_sys::Oid) -> pg_sys::TupleDesc {
    // SAFETY: an entry of the type cache lasts as long as the process.
    unsafe { (*plain::lookup_type_cache(row_type, pg_sys::TYPECACHE_TUPDESC as i32)).tupDesc }
}

/// # Safety
/// `describe` returns null, or a description that is valid until the row is formed, of a type that is registered. It has
/// nothing to drop, because an error of PostgreSQL jumps over it.
unsafe fn form<const COLUMNS: usize>(
    values: [Value<'_>; COLUMNS],
    describe: impl FnOnce() -> pg_sys::TupleDesc,
) -> pg_sys::Datum {
    let types = values.map(|value| value.oid);
    let mut datums = [pg_sys::Datum::null(); MOST_COLUMNS];
    let mut nulls = [true; MOST_COLUMNS];
    // SAFETY: there are as many values as columns, of the same types; the row that is returned is a copy.
    let row = unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            let tupdesc = describe();
            places(tupdesc, &types).map(|places| {
                for (place, value) in places.iter().zip(&values) {
                    let place = usize::from(*place) % MOST_COLUMNS;
                    datums[place] = value.datum.unwrap_or_else(pg_sys::Datum::null);
                    nulls[place] = value.datum.is_none();
                }
                let tuple = plain::heap_form_tuple(tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
                plain::HeapTupleHeaderGetDatum((*tuple).t_data)
            })
        })
    };
    row.unwrap_or_else(|| other_columns())
}

/// A row type has no more columns, those that were dropped included: each leaves its place behind.
const MOST_COLUMNS: usize = 32;

/// Where the columns of these types are in a row, or `None` where `tupdesc` describes a row of other ones.
///
/// # Safety
/// `tupdesc` is null or valid.
unsafe fn places<const COLUMNS: usize>(
    tupdesc: pg_sys::TupleDesc,
    types: &[pg_sys::Oid; COLUMNS],
) -> Option<[u8; COLUMNS]> {
    if tupdesc.is_null() {
        return None;
    }
    // SAFETY: as above.
    let columns = unsafe { columns(tupdesc) };
    let mut places = [0; COLUMNS];
    let mut found = 0;
    for (place, column) in columns.iter().enumerate().filter(|(_, column)| !column.attisdropped) {
        if types.get(found) != Some(&column.atttypid) {
            return None;
        }
        places[found] = place as u8;
        found += 1;
    }
    (found == COLUMNS && columns.len() <= MOST_COLUMNS).then(|| places)
}

/// # Safety
/// `tupdesc` is valid as long as the slice is used.
unsafe fn columns<'a>(tupdesc: pg_sys::TupleDesc) -> &'a [pg_sys::FormData_pg_attribute] {
    // SAFETY: the columns are where PostgreSQL has them (access/tupdesc.h): from version 18 on behind short ones.
    unsafe {
        let count = (*tupdesc).natts as usize;
        #[cfg(not(feature = "pg18"))]
        let first = (*tupdesc).attrs.as_ptr();
        #[cfg(feature = "pg18")]
        let first = (*tupdesc).compact_attrs.as_ptr().add(count).cast();
        std::slice::from_raw_parts(first, count)
    }
}

// SAFETY: the datum that it boxes is a composite of the type that the call expects, or an error.
unsafe impl<const COLUMNS: usize> BoxRet for Record<COLUMNS> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: called by the function's wrapper with PostgreSQL's own fcinfo, and the datum is returned at once.
        unsafe {
            let mut tupdesc = ptr::null_mut();
            let class = pg_sys::get_call_result_type(fcinfo.as_mut_ptr(), ptr::null_mut(), &mut tupdesc);
            if class != pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE {
                other_columns()
            }
            let tupdesc = pg_sys::BlessTupleDesc(tupdesc);
            fcinfo.return_raw_datum(form(self.0, || tupdesc))
        }
    }
}

// SAFETY: the datum is a complete row, in the memory context of the call.
unsafe impl BoxRet for Composite {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: the function is declared to return the type that it was made for.
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

macro_rules! declared_by_hand {
    ([$($generics:tt)*] $type:ty) => {
        // SAFETY: only the SQL generator reads this, and every function that returns a row is declared in sql/ by hand.
        unsafe impl $($generics)* SqlTranslatable for $type {
            const TYPE_IDENT: &'static str = concat!("token_auth::", stringify!($type));
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Err(ArgumentError::NotValidAsArgument("record"));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("record")));
        }
    };
}

declared_by_hand!([<const COLUMNS: usize>] Record<COLUMNS>);
declared_by_hand!([] Composite);
