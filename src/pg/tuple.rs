//! Rows as function results.

use std::ptr;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{PgSqlErrorCode, pg_sys};
use smallvec::SmallVec;

use super::datum::TypedDatum;
use super::raise::{RECREATE_HINT, raise};
use super::unguarded;
use super::varlena::palloc_copy;
use super::version::attributes;

/// A row whose type only the call knows: the OUT parameters of a function, in their order.
pub struct Record<const COLUMNS: usize>(pub [TypedDatum<'static>; COLUMNS]);

/// A row of a named type.
pub struct Composite(pg_sys::Datum);

/// A row of a named type that is formed once and returned often. It must not be used after the type has changed.
#[derive(Clone)]
pub struct RowTemplate<const COLUMNS: usize> {
    words: SmallVec<[u64; INLINE_WORDS]>,
    types: [pg_sys::Oid; COLUMNS],
}

/// The words of a row that are stored inline. A longer row allocates.
const INLINE_WORDS: usize = 16;

impl Composite {
    /// Forms a row. PostgreSQL caches the descriptors of row types (utils/cache/typcache.c), so no catalog is read.
    pub fn new<const COLUMNS: usize>(row_type: pg_sys::Oid, values: [TypedDatum<'_>; COLUMNS]) -> Self {
        // SAFETY: the descriptor is valid until invalidation messages are accepted, which forming a row does not do.
        Self(unsafe { form(values, || tupdesc(row_type)) })
    }
}

impl<const COLUMNS: usize> RowTemplate<COLUMNS> {
    /// Forms the row.
    pub fn new(row_type: pg_sys::Oid, values: [TypedDatum<'_>; COLUMNS]) -> Self {
        let types = values.map(|value| value.oid);
        let Composite(row) = Composite::new(row_type, values);
        // SAFETY: a row is one piece of memory that begins with its length (HeapTupleHeaderGetDatumLength).
        unsafe {
            let row = row.cast_mut_ptr::<pg_sys::varlena>();
            let length = pgrx::varsize_4b(row);
            let mut words: SmallVec<[u64; INLINE_WORDS]> = SmallVec::from_elem(0, length.div_ceil(size_of::<u64>()));
            ptr::copy_nonoverlapping(row.cast::<u8>(), words.as_mut_ptr().cast::<u8>(), length);
            Self { words, types }
        }
    }

    /// Returns a copy of the row.
    pub fn to_datum(&self) -> Composite {
        Composite(palloc_copy(&self.words))
    }

    /// Returns a copy of the row with other values in some columns, which are counted from 0.
    ///
    /// # Panics
    ///
    /// Panics if a value has another type than its column.
    pub fn with_columns(&self, row_type: pg_sys::Oid, changes: &[(usize, TypedDatum<'_>)]) -> Composite {
        assert!(
            changes.iter().all(|(column, value)| value.oid == self.types[*column]),
            "the types of the columns differ"
        );
        let mut tuple = pg_sys::HeapTupleData {
            t_len: size_of_val(&*self.words) as u32,
            t_data: self.words.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        let mut datums = [pg_sys::Datum::null(); MAX_COLUMNS];
        let mut nulls = [true; MAX_COLUMNS];
        // SAFETY: the row has columns of these types and is only read. The new row is a copy. Each column was checked by the
        // assertion above: a panic under the guard would end the process.
        let row = unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let tupdesc = tupdesc(row_type);
                attribute_positions(tupdesc, &self.types).map(|positions| {
                    unguarded::heap_deform_tuple(&mut tuple, tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
                    for (column, value) in changes {
                        let position = usize::from(positions[*column]) % MAX_COLUMNS;
                        datums[position] = value.datum.unwrap_or_else(pg_sys::Datum::null);
                        nulls[position] = value.datum.is_none();
                    }
                    let changed = unguarded::heap_form_tuple(tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
                    unguarded::HeapTupleHeaderGetDatum((*changed).t_data)
                })
            })
        };
        Composite(row.unwrap_or_else(|| unexpected_columns()))
    }

    /// Returns the bytes that it allocates, with `alloc_overhead` for each allocation.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        if self.words.spilled() { alloc_overhead + size_of_val(&*self.words) } else { 0 }
    }
}

/// Raises an error: the row type was altered, or the library and the extension's objects have different versions.
fn unexpected_columns() -> ! {
    let message = "the result type of a function of token_auth has other columns than its library returns";
    raise(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, message, RECREATE_HINT)
}

/// Returns the descriptor of a row type, or null.
///
/// # Safety
/// It is called under a guard. The result is valid until invalidation messages are accepted.
unsafe fn tupdesc(row_type: pg_sys::Oid) -> pg_sys::TupleDesc {
    // SAFETY: an entry of the type cache lives as long as the process.
    unsafe { (*unguarded::lookup_type_cache(row_type, pg_sys::TYPECACHE_TUPDESC as i32)).tupDesc }
}

/// # Safety
/// `describe` returns null, or the descriptor of a registered type that is valid until the row is formed. It has nothing to
/// drop, because a PostgreSQL error jumps over it.
unsafe fn form<const COLUMNS: usize>(
    values: [TypedDatum<'_>; COLUMNS],
    describe: impl FnOnce() -> pg_sys::TupleDesc,
) -> pg_sys::Datum {
    let types = values.map(|value| value.oid);
    let mut datums = [pg_sys::Datum::null(); MAX_COLUMNS];
    let mut nulls = [true; MAX_COLUMNS];
    // SAFETY: there are as many values as columns, of the same types. The returned row is a copy.
    let row = unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            let tupdesc = describe();
            attribute_positions(tupdesc, &types).map(|positions| {
                for (position, value) in positions.iter().zip(&values) {
                    let position = usize::from(*position) % MAX_COLUMNS;
                    datums[position] = value.datum.unwrap_or_else(pg_sys::Datum::null);
                    nulls[position] = value.datum.is_none();
                }
                let tuple = unguarded::heap_form_tuple(tupdesc, datums.as_mut_ptr(), nulls.as_mut_ptr());
                unguarded::HeapTupleHeaderGetDatum((*tuple).t_data)
            })
        })
    };
    row.unwrap_or_else(|| unexpected_columns())
}

/// The most columns of a row type, dropped ones included: each leaves its position behind.
const MAX_COLUMNS: usize = 32;

/// Returns the positions of the columns in a row, or `None` if its columns do not have these types.
///
/// # Safety
/// `tupdesc` is null or valid.
unsafe fn attribute_positions<const COLUMNS: usize>(
    tupdesc: pg_sys::TupleDesc,
    types: &[pg_sys::Oid; COLUMNS],
) -> Option<[u8; COLUMNS]> {
    if tupdesc.is_null() {
        return None;
    }
    // SAFETY: it is valid.
    let attributes = unsafe { attributes(tupdesc) };
    let mut positions = [0; COLUMNS];
    let mut found = 0;
    for (position, attribute) in attributes.iter().enumerate().filter(|(_, attribute)| !attribute.attisdropped) {
        if types.get(found) != Some(&attribute.atttypid) {
            return None;
        }
        positions[found] = position as u8;
        found += 1;
    }
    (found == COLUMNS && attributes.len() <= MAX_COLUMNS).then(|| positions)
}

// SAFETY: the boxed datum is a composite of the type that the call expects, or there is an error.
unsafe impl<const COLUMNS: usize> BoxRet for Record<COLUMNS> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: the function's wrapper calls this with PostgreSQL's own fcinfo, and returns the datum at once.
        unsafe {
            let mut tupdesc = ptr::null_mut();
            let class = pg_sys::get_call_result_type(fcinfo.as_mut_ptr(), ptr::null_mut(), &mut tupdesc);
            if class != pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE {
                unexpected_columns()
            }
            let tupdesc = pg_sys::BlessTupleDesc(tupdesc);
            fcinfo.return_raw_datum(form(self.0, || tupdesc))
        }
    }
}

// SAFETY: the datum is a whole row in the memory context of the call.
unsafe impl BoxRet for Composite {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: the function is declared to return the type that the row was formed for.
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

macro_rules! declared_by_hand {
    ([$($generics:tt)*] $type:ty) => {
        // SAFETY: only the SQL generator reads this, and every function that returns a row is declared by hand in sql/.
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
