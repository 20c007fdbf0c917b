//! IP addresses and networks, as `inet` and `cidr` values contain them (utils/inet.h).

use pgrx::{Array, FromDatum, pg_sys};

use super::datum::ColumnType;

/// `PGSQL_AF_INET` and `PGSQL_AF_INET6`.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 3;

/// An address with the number of its bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inet {
    V4 { address: [u8; 4], bits: u8 },
    V6 { address: [u8; 16], bits: u8 },
}

impl Inet {
    /// Reads the bytes of an `inet` or `cidr` after the length word: the family, the bits, the address.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[family, bits], address) = bytes.split_first_chunk()?;
        match family {
            AF_INET => Some(Self::V4 { address: *address.first_chunk()?, bits }),
            AF_INET6 => Some(Self::V6 { address: *address.first_chunk()?, bits }),
            _ => None,
        }
    }
}

/// The elements of a `cidr[]`.
pub struct CidrArray(pub Vec<Inet>);

impl FromDatum for CidrArray {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller guarantees the type. Its elements are varlenas.
        let array = unsafe { Array::<&[u8]>::from_polymorphic_datum(datum, is_null, oid) }?;
        Some(Self(array.iter().flatten().filter_map(Inet::from_bytes).collect()))
    }
}

impl ColumnType for CidrArray {
    fn oid() -> pg_sys::Oid {
        pg_sys::CIDRARRAYOID
    }
}
