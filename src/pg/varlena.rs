//! Values of variable length (varatt.h): arguments that are only borrowed, and values that a session keeps.

use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::UnboxDatum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{Array, FromDatum, IntoDatum, PgSqlErrorCode, pg_sys};
use smallvec::SmallVec;

use super::allocation;
use super::datum::{ColumnType, TypedDatum};
use super::raise::{RECREATE_HINT, raise};

/// An argument of variable length, as the bytes after its header.
pub struct VarlenaArg<'a>(pub &'a [u8]);

impl FromDatum for VarlenaArg<'_> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _type: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller guarantees a varlena that lives during the call, and so does its detoasted copy.
        (!is_null).then(|| unsafe {
            let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
            Self(data(if is_plain(stored) { stored } else { pg_sys::pg_detoast_datum(stored) }))
        })
    }
}

/// The columns of a trigger's row are read by this type.
impl IntoDatum for VarlenaArg<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

// SAFETY: the result lives as long as the datum that it is read from.
unsafe impl UnboxDatum for VarlenaArg<'_> {
    type As<'src>
        = VarlenaArg<'src>
    where
        Self: 'src;

    unsafe fn unbox<'src>(datum: pgrx::datum::Datum<'src>) -> VarlenaArg<'src>
    where
        Self: 'src,
    {
        // SAFETY: the caller guarantees a text that is not NULL.
        unsafe { VarlenaArg::from_polymorphic_datum(datum.sans_lifetime(), false, pg_sys::TEXTOID) }
            .expect("the datum is not NULL")
    }
}

// SAFETY: the functions that take it are declared by hand in sql/, with arguments of variable length.
unsafe impl<'fcx> ArgAbi<'fcx> for VarlenaArg<'fcx> {
    unsafe fn unbox_arg_unchecked(argument: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller guarantees the type.
        unsafe { argument.unbox_arg_using_from_datum() }.expect("the argument is not NULL")
    }
}

// SAFETY: only the SQL generator reads this, and the functions that take it are declared by hand in sql/.
unsafe impl SqlTranslatable for VarlenaArg<'_> {
    const TYPE_IDENT: &'static str = "token_auth::VarlenaArg";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

/// An array that is made once and returned often, as the bytes that PostgreSQL passes.
#[derive(Clone)]
pub struct OwnedArray(Rc<[u64]>);

impl OwnedArray {
    /// Returns an array of these elements.
    pub fn new<T: IntoDatum>(elements: Vec<T>) -> Self
    where
        Vec<T>: IntoDatum,
    {
        let datum = elements.into_datum().expect("an array is not NULL");
        // SAFETY: an array that was just made is a plain varlena with a length word of four bytes.
        unsafe { Self::copy(datum.cast_mut_ptr()) }
    }

    /// # Safety
    /// `plain` is a varlena with a length word of four bytes: not compressed, not short, not out of line.
    unsafe fn copy(plain: *const pg_sys::varlena) -> Self {
        // SAFETY: the length word says how many bytes there are. They are copied into words, so the copy is aligned.
        unsafe {
            let length = pgrx::varsize(plain);
            let mut words = vec![0_u64; length.div_ceil(8)];
            ptr::copy_nonoverlapping(plain.cast::<u8>(), words.as_mut_ptr().cast::<u8>(), length);
            Self(words.into())
        }
    }
}

// SAFETY: the boxed datum is a varlena of the type that the function declares.
unsafe impl BoxRet for OwnedArray {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: the datum is a varlena.
        unsafe { fcinfo.return_raw_datum(palloc_copy(&self.0)) }
    }
}

// SAFETY: only the SQL generator reads this, and the functions that return it are declared by hand in sql/.
unsafe impl SqlTranslatable for OwnedArray {
    const TYPE_IDENT: &'static str = "token_auth::OwnedArray";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Err(ArgumentError::NotValidAsArgument("anyarray"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("anyarray")));
}

/// Returns a copy that PostgreSQL frees with the memory context of the call.
pub(super) fn palloc_copy(words: &[u64]) -> pg_sys::Datum {
    let length = size_of_val(words);
    // SAFETY: as many bytes are allocated as are copied.
    unsafe {
        let copy = pg_sys::palloc(length);
        ptr::copy_nonoverlapping(words.as_ptr().cast::<u8>(), copy.cast::<u8>(), length);
        pg_sys::Datum::from(copy)
    }
}

/// A constant text of at most 31 bytes, as PostgreSQL stores short ones: with a header of one byte.
pub struct ShortText([u8; 32]);

impl ShortText {
    /// Returns the text, at compile time.
    pub const fn new(text: &str) -> Self {
        let text = text.as_bytes();
        let mut bytes = [0; 32];
        let (_, rest) = bytes.split_at_mut(1);
        rest.split_at_mut(text.len()).0.copy_from_slice(text);
        let length = 1 + text.len() as u8;
        bytes[0] = if cfg!(target_endian = "big") { 0x80 | length } else { length << 1 | 1 };
        Self(bytes)
    }

    /// Borrows it as a `text`.
    pub fn as_datum(&'static self) -> TypedDatum<'static> {
        TypedDatum::borrowed(pg_sys::Datum::from(self.0.as_ptr()), pg_sys::TEXTOID)
    }
}

/// The words of a value, with its length word, that are stored inline. A longer value allocates.
const INLINE_WORDS: usize = 5;

/// A value of variable length that a session keeps, as the bytes that PostgreSQL passes. Any number of results borrow it.
#[derive(Clone)]
pub struct OwnedVarlena<T> {
    words: SmallVec<[u64; INLINE_WORDS]>,
    kind: PhantomData<T>,
}

impl<T: IntoDatum> OwnedVarlena<T> {
    /// Borrows it as a datum.
    pub fn as_datum(&self) -> TypedDatum<'_> {
        TypedDatum::borrowed(self.raw(), T::type_oid())
    }

    /// Returns a datum that is valid until this value moves.
    pub(super) fn raw(&self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.words.as_ptr())
    }
}

impl<T> OwnedVarlena<T> {
    /// Returns the bytes that it allocates, with `alloc_overhead` for each allocation.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        if self.words.spilled() { alloc_overhead + size_of_val(&*self.words) } else { 0 }
    }
}

impl OwnedVarlena<Vec<u8>> {
    /// Returns a `bytea`.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl OwnedVarlena<String> {
    /// Returns a `text`.
    pub fn text(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl<T> OwnedVarlena<T> {
    /// Copies the data behind a length word of four bytes.
    fn new(data: &[u8]) -> Self {
        let length = pg_sys::VARHDRSZ + data.len();
        let mut words: SmallVec<[u64; INLINE_WORDS]> = SmallVec::from_elem(0, length.div_ceil(size_of::<u64>()));
        let start = words.as_mut_ptr().cast::<u8>();
        // SAFETY: there are enough words. No value of PostgreSQL has a length that does not fit an i32.
        unsafe {
            pgrx::set_varsize_4b(start.cast(), length as i32);
            ptr::copy_nonoverlapping(data.as_ptr(), start.add(pg_sys::VARHDRSZ), data.len());
        }
        Self { words, kind: PhantomData }
    }
}

impl<T> FromDatum for OwnedVarlena<T> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _type: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller guarantees a varlena.
        (!is_null).then(|| unsafe { with_data(datum, Self::new) })
    }
}

impl<T: IntoDatum> ColumnType for OwnedVarlena<T> {
    fn oid() -> pg_sys::Oid {
        T::type_oid()
    }

    fn accepts(oid: pg_sys::Oid) -> bool {
        T::is_compatible_with(oid)
    }
}

/// A `bytea` of a fixed length.
#[derive(Clone, Copy)]
pub struct FixedBytea<const LENGTH: usize>(pub [u8; LENGTH]);

impl<const LENGTH: usize> FromDatum for FixedBytea<LENGTH> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _type: pg_sys::Oid) -> Option<Self> {
        let read = |data: &[u8]| Self(data.try_into().unwrap_or_else(|_| unexpected_length(data.len(), LENGTH)));
        // SAFETY: the caller guarantees a varlena.
        (!is_null).then(|| unsafe { with_data(datum, read) })
    }
}

impl<const LENGTH: usize> ColumnType for FixedBytea<LENGTH> {
    fn oid() -> pg_sys::Oid {
        pg_sys::BYTEAOID
    }
}

/// The elements of a `text[]`, collected into a `C`. Elements that are NULL or not UTF-8 are left out.
pub struct CollectedTexts<C>(pub C);

impl<C: for<'a> FromIterator<&'a str>> FromDatum for CollectedTexts<C> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller guarantees the type. The size of a value out of line is that before it was moved there.
        let array = unsafe {
            if !is_null && !is_plain(datum.cast_mut_ptr()) {
                // The collection, and the buffer that it grows from.
                allocation::ensure_available(3 * pg_sys::toast_raw_datum_size(datum));
            }
            Array::<&[u8]>::from_polymorphic_datum(datum, is_null, oid)
        }?;
        Some(Self(array.iter().flatten().filter_map(|text| str::from_utf8(text).ok()).collect()))
    }
}

impl<C: for<'a> FromIterator<&'a str>> ColumnType for CollectedTexts<C> {
    fn oid() -> pg_sys::Oid {
        pg_sys::TEXTARRAYOID
    }
}

/// Raises an error about a value whose length a constraint should have checked.
fn unexpected_length(length: usize, expected: usize) -> ! {
    let message = format!("a value of token_auth has {length} bytes instead of {expected}");
    raise(PgSqlErrorCode::ERRCODE_DATA_CORRUPTED, message, RECREATE_HINT)
}

/// Calls `read` with the data of a value of variable length. A detoasted copy is freed afterwards.
///
/// # Safety
/// The datum is a varlena.
unsafe fn with_data<T>(datum: pg_sys::Datum, read: impl FnOnce(&[u8]) -> T) -> T {
    // SAFETY: its header says how many bytes there are.
    unsafe {
        let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
        if is_plain(stored) {
            return read(data(stored));
        }
        let detoasted = pg_sys::pg_detoast_datum(stored);
        let result = read(data(detoasted));
        pg_sys::pfree(detoasted.cast());
        result
    }
}

/// Returns true if a value is neither compressed nor out of line.
///
/// # Safety
/// `stored` is a varlena.
unsafe fn is_plain(stored: *const pg_sys::varlena) -> bool {
    // SAFETY: only the header is read.
    unsafe { pgrx::varatt_is_4b_u(stored) || pgrx::varatt_is_1b(stored) && !pgrx::varatt_is_1b_e(stored) }
}

/// # Safety
/// `plain` is a plain varlena that outlives the slice.
unsafe fn data<'a>(plain: *const pg_sys::varlena) -> &'a [u8] {
    // SAFETY: its header says how many bytes there are.
    unsafe { std::slice::from_raw_parts(pgrx::vardata_any(plain).cast(), pgrx::varsize_any_exhdr(plain)) }
}
