//! One SQL value with its type: what statements take and records give.

use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, IntoDatum};
use token_auth_rules::verdict::Micros;

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
pub struct Instant(pub Micros);

impl FromDatum for Instant {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, typoid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: timestamptz is passed by value as an int8, and the caller vouches for the type.
        unsafe { i64::from_polymorphic_datum(datum, is_null, typoid) }.map(Instant)
    }
}

impl IntoDatum for Instant {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TIMESTAMPTZOID
    }
}

impl From<pgrx::datum::TimestampWithTimeZone> for Instant {
    fn from(value: pgrx::datum::TimestampWithTimeZone) -> Self {
        Instant(value.into())
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

/// A value of variable length that is made once and returned often: the bytes of an array, as PostgreSQL keeps them.
#[derive(Clone)]
pub struct Bytes(Rc<[u64]>);

impl Bytes {
    pub fn array<T: IntoDatum>(elements: Vec<T>) -> Self
    where
        Vec<T>: IntoDatum,
    {
        let datum = elements.into_datum().expect("an array is not NULL");
        // SAFETY: an array that was just made is a plain varlena.
        unsafe { Self::copy(datum.cast_mut_ptr()) }
    }

    /// A copy that PostgreSQL frees with the context of the call.
    fn palloc(&self) -> pg_sys::Datum {
        let length = size_of_val(&*self.0);
        // SAFETY: as many bytes are allocated as are copied.
        unsafe {
            let copy = pg_sys::palloc(length);
            ptr::copy_nonoverlapping(self.0.as_ptr().cast::<u8>(), copy.cast::<u8>(), length);
            pg_sys::Datum::from(copy)
        }
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

/// A value of variable length out of a row, kept as PostgreSQL has it, to be lent to any number of results.
#[derive(Clone)]
pub struct Kept<T> {
    bytes: Bytes,
    kind: PhantomData<T>,
}

impl<T: IntoDatum> Kept<T> {
    pub fn lend(&self) -> Value<'_> {
        let datum = pg_sys::Datum::from(self.bytes.0.as_ptr());
        Value { datum: Some(datum), oid: T::type_oid(), lender: PhantomData }
    }

    pub fn heap_size(&self) -> usize {
        size_of_val(&*self.bytes.0)
    }
}

impl<T: IntoDatum> FromDatum for Kept<T> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _type: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: a varlena, as the caller vouches, is plain once it is detoasted; what was made for that is freed.
        unsafe {
            let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
            let plain = pg_sys::pg_detoast_datum(stored);
            let bytes = Bytes::copy(plain);
            if plain != stored {
                pg_sys::pfree(plain.cast());
            }
            Some(Self { bytes, kind: PhantomData })
        }
    }
}

/// What says which type a column of it must have.
impl<T: IntoDatum> IntoDatum for Kept<T> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.bytes.palloc())
    }

    fn type_oid() -> pg_sys::Oid {
        T::type_oid()
    }
}

// SAFETY: the datum that it boxes is a varlena of the type that the function declares.
unsafe impl BoxRet for Bytes {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: the datum is a varlena.
        unsafe { fcinfo.return_raw_datum(self.palloc()) }
    }
}

// SAFETY: only the SQL generator reads this, and every function that returns it is declared in sql/ by hand.
unsafe impl SqlTranslatable for Bytes {
    const TYPE_IDENT: &'static str = "token_auth::Bytes";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Err(ArgumentError::NotValidAsArgument("anyarray"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("anyarray")));
}
