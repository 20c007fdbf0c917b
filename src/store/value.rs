//! One SQL value with its type: what statements take and records give.

use pgrx::pg_sys;
use pgrx::{FromDatum, IntoDatum};
use token_auth_rules::verdict::Micros;

/// A datum, or NULL, with the type that it has.
#[derive(Clone, Copy)]
pub struct Value {
    pub(super) datum: Option<pg_sys::Datum>,
    pub(super) oid: pg_sys::Oid,
}

impl<T: IntoDatum> From<T> for Value {
    fn from(value: T) -> Self {
        Self { oid: T::type_oid(), datum: value.into_datum() }
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
