//! Datums with their types, and the types of columns and arguments that pgrx has no type for.

use std::marker::PhantomData;

use pgrx::datum::Interval;
use pgrx::{FromDatum, IntoDatum, pg_sys};

/// A datum or NULL, with its type.
///
/// What it points to lives in the memory context of the call, or as long as the value that it was borrowed from.
#[derive(Clone, Copy)]
pub struct TypedDatum<'a> {
    pub(super) datum: Option<pg_sys::Datum>,
    pub(super) oid: pg_sys::Oid,
    owner: PhantomData<&'a ()>,
}

impl TypedDatum<'_> {
    /// Returns a datum that points into a value of the lifetime of the result.
    pub(super) fn borrowed(datum: pg_sys::Datum, oid: pg_sys::Oid) -> Self {
        Self { datum: Some(datum), oid, owner: PhantomData }
    }
}

impl<T: IntoDatum> From<T> for TypedDatum<'_> {
    fn from(value: T) -> Self {
        Self { oid: T::type_oid(), datum: value.into_datum(), owner: PhantomData }
    }
}

/// A type that a column can be read as.
pub trait ColumnType: FromDatum {
    /// The type of the column.
    fn oid() -> pg_sys::Oid;

    /// Returns true if a column of the type `oid` can be read as this type.
    fn accepts(oid: pg_sys::Oid) -> bool {
        oid == Self::oid()
    }
}

macro_rules! column_type {
    ($($type:ty),* $(,)?) => {
        $(impl ColumnType for $type {
            fn oid() -> pg_sys::Oid {
                <$type as IntoDatum>::type_oid()
            }

            fn accepts(oid: pg_sys::Oid) -> bool {
                <$type as IntoDatum>::is_compatible_with(oid)
            }
        })*
    };
}

column_type!(bool, i32, i64, String, Vec<u8>, Vec<Option<String>>, Interval, Timestamp, Jsonb);

/// A `timestamptz` in microseconds since 2000-01-01 00:00 UTC, as PostgreSQL stores it.
///
/// `i64::MAX` is `infinity` and `i64::MIN` is `-infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl FromDatum for Timestamp {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, typoid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: timestamptz is passed by value as an int8, and the caller guarantees the type.
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

/// A `jsonb`, as the bytes that PostgreSQL stores after the length word.
///
/// It is never parsed here, so no number in it loses a digit.
#[derive(Clone, Debug)]
pub struct Jsonb(pub Vec<u8>);

impl Jsonb {
    /// Returns `{}`: a container header that says "object, no pairs" (utils/jsonb.h).
    pub fn empty_object() -> Self {
        Self(pg_sys::JB_FOBJECT.to_ne_bytes().to_vec())
    }

    /// Returns true if it is an object.
    pub fn is_object(&self) -> bool {
        is_json_object(&self.0)
    }

    /// Returns true if it is `{}`.
    pub fn is_empty_object(&self) -> bool {
        self.0 == pg_sys::JB_FOBJECT.to_ne_bytes()
    }
}

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, typoid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: jsonb is a varlena like bytea, and the caller guarantees the type.
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

/// Returns true if the bytes of a `jsonb` after the length word are those of an object: its container header says so.
pub fn is_json_object(jsonb: &[u8]) -> bool {
    jsonb.first_chunk().is_some_and(|header| u32::from_ne_bytes(*header) & pg_sys::JB_FOBJECT != 0)
}

/// A `jsonb` argument, passed on without a copy. It may have any length.
pub struct JsonbArg<'a>(pub &'a [u8]);

impl IntoDatum for JsonbArg<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}
