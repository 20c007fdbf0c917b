//! One SQL value with its type: what statements take and records give.

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
use token_auth_core::decision::Micros;
use token_auth_core::scope::grant::Grants;

use super::allocation;
use super::raise::{CREATE_AGAIN, raise};

/// A datum, or NULL, with the type that it has. What it points to lives in the memory context of the call, or as long as
/// what it was lent by.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    pub(super) datum: Option<pg_sys::Datum>,
    pub(super) oid: pg_sys::Oid,
    lender: PhantomData<&'a ()>,
}

impl<T: IntoDatum> From<T> for Value<'_> {
    fn from(value: T) -> Self {
        Self { oid: T::type_oid(), datum: value.into_datum(), lender: PhantomData }
    }
}

/// `timestamptz`, as the microseconds that PostgreSQL keeps: no range is lost, and `infinity` stays what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Micros);

impl FromDatum for Timestamp {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, typoid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: timestamptz is passed by value as an int8, and the caller vouches for the type.
        unsafe { i64::from_polymorphic_datum(datum, is_null, typoid) }.map(Timestamp)
    }
}

impl IntoDatum for Timestamp {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TIMESTAMPTZOID
    }
}

impl From<pgrx::datum::TimestampWithTimeZone> for Timestamp {
    fn from(value: pgrx::datum::TimestampWithTimeZone) -> Self {
        Timestamp(value.into())
    }
}

/// `jsonb`, as the bytes that PostgreSQL keeps behind the length word. It is never parsed here, so no number in it
/// loses a digit.
#[derive(Clone, Debug)]
pub struct Jsonb(pub Vec<u8>);

impl Jsonb {
    /// `{}`: a container header that says "object, no pairs" (utils/jsonb.h).
    pub fn empty_object() -> Self {
        Self(pg_sys::JB_FOBJECT.to_ne_bytes().to_vec())
    }

    pub fn is_empty_object(&self) -> bool {
        self.0 == pg_sys::JB_FOBJECT.to_ne_bytes()
    }
}

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, typoid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: jsonb is a varlena like bytea, and the caller vouches for the type.
        unsafe { Vec::<u8>::from_polymorphic_datum(datum, is_null, typoid) }.map(Jsonb)
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

/// `jsonb` that a caller has sent, to be passed on as it is. It may be of any length.
pub struct JsonbArgument<'a>(pub &'a [u8]);

impl IntoDatum for JsonbArgument<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

/// A value of variable length that is made once and returned often: the bytes of an array, as PostgreSQL keeps them.
#[derive(Clone)]
pub struct OwnedArray(Rc<[u64]>);

impl OwnedArray {
    pub fn array<T: IntoDatum>(elements: Vec<T>) -> Self
    where
        Vec<T>: IntoDatum,
    {
        let datum = elements.into_datum().expect("an array is not NULL");
        // SAFETY: an array that was just made is a plain varlena.
        unsafe { Self::copy(datum.cast_mut_ptr()) }
    }

    /// # Safety
    /// It is a varlena with a plain length word: neither compressed nor short nor elsewhere.
    unsafe fn copy(plain: *const pg_sys::varlena) -> Self {
        // SAFETY: its length word measures it. It is copied into words, so that what is made of it is aligned.
        unsafe {
            let length = pgrx::varsize(plain);
            let mut words = vec![0_u64; length.div_ceil(8)];
            ptr::copy_nonoverlapping(plain.cast::<u8>(), words.as_mut_ptr().cast::<u8>(), length);
            Self(words.into())
        }
    }
}

/// A text that is known beforehand, as PostgreSQL keeps short ones (varatt.h).
pub struct ShortText([u8; 32]);

impl ShortText {
    pub const fn new(text: &str) -> Self {
        let text = text.as_bytes();
        let mut bytes = [0; 32];
        let (_, rest) = bytes.split_at_mut(1);
        rest.split_at_mut(text.len()).0.copy_from_slice(text);
        let whole = 1 + text.len() as u8;
        bytes[0] = if cfg!(target_endian = "big") { 0x80 | whole } else { whole << 1 | 1 };
        Self(bytes)
    }

    pub fn as_datum(&'static self) -> Value<'static> {
        let datum = pg_sys::Datum::from(self.0.as_ptr());
        Value { datum: Some(datum), oid: pg_sys::TEXTOID, lender: PhantomData }
    }
}

/// An argument of variable length, without its header.
pub struct VarlenaArg<'a>(pub &'a [u8]);

impl FromDatum for VarlenaArg<'_> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _type: pg_sys::Oid) -> Option<Self> {
        // SAFETY: a varlena, as the caller vouches, that is there during the call. What is made whole is, too.
        (!is_null).then(|| unsafe {
            let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
            Self(data(if is_plain(stored) { stored } else { pg_sys::pg_detoast_datum(stored) }))
        })
    }
}

/// What says which type a column of it must have.
impl IntoDatum for VarlenaArg<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

// SAFETY: it lives as long as the datum that it is read from.
unsafe impl UnboxDatum for VarlenaArg<'_> {
    type As<'src>
        = VarlenaArg<'src>
    where
        Self: 'src;

    unsafe fn unbox<'src>(datum: pgrx::datum::Datum<'src>) -> VarlenaArg<'src>
    where
        Self: 'src,
    {
        // SAFETY: the caller vouches for a text that is not NULL.
        unsafe { VarlenaArg::from_polymorphic_datum(datum.sans_lifetime(), false, pg_sys::TEXTOID) }
            .expect("the datum is not NULL")
    }
}

// SAFETY: the functions that take it are declared in sql/ by hand, with arguments of variable length.
unsafe impl<'fcx> ArgAbi<'fcx> for VarlenaArg<'fcx> {
    unsafe fn unbox_arg_unchecked(argument: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for the type.
        unsafe { argument.unbox_arg_using_from_datum() }.expect("the argument is not NULL")
    }
}

/// A copy that PostgreSQL frees with the context of the call.
fn palloc(words: &[u64]) -> pg_sys::Datum {
    let length = size_of_val(words);
    // SAFETY: as many bytes are allocated as are copied.
    unsafe {
        let copy = pg_sys::palloc(length);
        ptr::copy_nonoverlapping(words.as_ptr().cast::<u8>(), copy.cast::<u8>(), length);
        pg_sys::Datum::from(copy)
    }
}

/// A value of so many words, with its length, takes no memory of its own.
const WORDS: usize = 5;

/// A value of variable length, kept as PostgreSQL has it, to be lent to any number of results.
#[derive(Clone)]
pub struct OwnedVarlena<T> {
    words: SmallVec<[u64; WORDS]>,
    kind: PhantomData<T>,
}

impl<T: IntoDatum> OwnedVarlena<T> {
    pub fn as_datum(&self) -> Value<'_> {
        Value { datum: Some(self.datum()), oid: T::type_oid(), lender: PhantomData }
    }

    /// As long as this is where it is.
    pub(super) fn datum(&self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.words.as_ptr())
    }
}

impl OwnedVarlena<Vec<u8>> {
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl OwnedVarlena<String> {
    pub fn text(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl<T> OwnedVarlena<T> {
    /// With a length word of four bytes.
    fn new(data: &[u8]) -> Self {
        let whole = pg_sys::VARHDRSZ + data.len();
        let mut words: SmallVec<[u64; WORDS]> = SmallVec::from_elem(0, whole.div_ceil(size_of::<u64>()));
        let start = words.as_mut_ptr().cast::<u8>();
        // SAFETY: there are as many words as that takes. PostgreSQL has no value whose length does not fit.
        unsafe {
            pgrx::set_varsize_4b(start.cast(), whole as i32);
            ptr::copy_nonoverlapping(data.as_ptr(), start.add(pg_sys::VARHDRSZ), data.len());
        }
        Self { words, kind: PhantomData }
    }
}

impl<T: IntoDatum> FromDatum for OwnedVarlena<T> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _type: pg_sys::Oid) -> Option<Self> {
        // SAFETY: a varlena, as the caller vouches.
        (!is_null).then(|| unsafe { with_data(datum, Self::new) })
    }
}

/// What a value of variable length has in it. Where that is compressed or elsewhere, it is made whole, and freed again.
///
/// # Safety
/// The datum is a varlena.
unsafe fn with_data<T>(datum: pg_sys::Datum, read: impl FnOnce(&[u8]) -> T) -> T {
    // SAFETY: its header measures it.
    unsafe {
        let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
        if is_plain(stored) {
            return read(data(stored));
        }
        let whole = pg_sys::pg_detoast_datum(stored);
        let result = read(data(whole));
        pg_sys::pfree(whole.cast());
        result
    }
}

/// # Safety
/// It is a varlena.
unsafe fn is_plain(stored: *const pg_sys::varlena) -> bool {
    // SAFETY: reads its header.
    unsafe { pgrx::varatt_is_4b_u(stored) || pgrx::varatt_is_1b(stored) && !pgrx::varatt_is_1b_e(stored) }
}

/// # Safety
/// It is a plain varlena, and there as long as the slice is used.
unsafe fn data<'a>(plain: *const pg_sys::varlena) -> &'a [u8] {
    // SAFETY: its header measures it.
    unsafe { std::slice::from_raw_parts(pgrx::vardata_any(plain).cast(), pgrx::varsize_any_exhdr(plain)) }
}

/// `bytea` of a length that is known.
#[derive(Clone, Copy)]
pub struct FixedBytea<const LENGTH: usize>(pub [u8; LENGTH]);

impl<const LENGTH: usize> FromDatum for FixedBytea<LENGTH> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _type: pg_sys::Oid) -> Option<Self> {
        let read = |data: &[u8]| Self(data.try_into().unwrap_or_else(|_| other_length(data.len(), LENGTH)));
        // SAFETY: a varlena, as the caller vouches.
        (!is_null).then(|| unsafe { with_data(datum, read) })
    }
}

/// Reports a value whose length a constraint should have checked.
fn other_length(length: usize, expected: usize) -> ! {
    let message = format!("a value of token_auth has {length} bytes instead of {expected}");
    raise(PgSqlErrorCode::ERRCODE_DATA_CORRUPTED, message, CREATE_AGAIN)
}

/// What says which type a column of it must have.
impl<const LENGTH: usize> IntoDatum for FixedBytea<LENGTH> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.as_slice().into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::BYTEAOID
    }
}

/// Scopes out of a `text[]`. What is NULL, or not UTF-8, is none.
pub struct Scopes(pub Grants);

impl FromDatum for Scopes {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller vouches for the type; what is out of line is measured as it was before it was moved.
        let array = unsafe {
            if !is_null && !is_plain(datum.cast_mut_ptr()) {
                // What is packed, and what it grows from.
                allocation::ensure(3 * pg_sys::toast_raw_datum_size(datum));
            }
            Array::<&[u8]>::from_polymorphic_datum(datum, is_null, oid)
        }?;
        Some(Self(array.iter().flatten().filter_map(|text| str::from_utf8(text).ok()).collect()))
    }
}

/// What says which type a column of it must have.
impl IntoDatum for Scopes {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.iter().map(|grant| grant.text()).collect::<Vec<_>>().into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTARRAYOID
    }
}

/// What says which type a column of it must have.
impl<T: IntoDatum> IntoDatum for OwnedVarlena<T> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(palloc(&self.words))
    }

    fn type_oid() -> pg_sys::Oid {
        T::type_oid()
    }
}

// SAFETY: the datum that it boxes is a varlena of the type that the function declares.
unsafe impl BoxRet for OwnedArray {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: the datum is a varlena.
        unsafe { fcinfo.return_raw_datum(palloc(&self.0)) }
    }
}

// SAFETY: only the SQL generator reads this, and every function that returns it is declared in sql/ by hand.
unsafe impl SqlTranslatable for OwnedArray {
    const TYPE_IDENT: &'static str = "token_auth::OwnedArray";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Err(ArgumentError::NotValidAsArgument("anyarray"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("anyarray")));
}

// SAFETY: as above.
unsafe impl SqlTranslatable for VarlenaArg<'_> {
    const TYPE_IDENT: &'static str = "token_auth::VarlenaArg";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}
