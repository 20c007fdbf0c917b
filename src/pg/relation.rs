//! Tables, columns and types of the extension's schema, found by name.

use std::ffi::CStr;
use std::marker::PhantomData;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::datum::ColumnType;
use super::raise::{RECREATE_HINT, raise};

pub(super) const ACCESS_SHARE: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

/// Returns the OID of a table, an index or a composite type of the extension.
pub fn find(name: &CStr) -> pg_sys::Oid {
    // SAFETY: these are catalog lookups inside a transaction.
    let oid = unsafe {
        let schema = pg_sys::get_namespace_oid(c"token_auth".as_ptr(), false);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    if oid == pg_sys::InvalidOid {
        let message = format!("relation \"token_auth.{}\" does not exist", name.to_string_lossy());
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, message, RECREATE_HINT)
    }
    oid
}

/// Returns the owner of a relation that [`find`] returned.
pub fn owner(relation: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: this is a catalog lookup inside a transaction. The row is released after its column is read.
    let owner = unsafe {
        let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, pg_sys::Datum::from(relation));
        (!row.is_null()).then(|| {
            let owner = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>()).relowner;
            pg_sys::ReleaseSysCache(row);
            owner
        })
    };
    owner.unwrap_or_else(|| {
        raise(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, "a table of token_auth was dropped meanwhile", RECREATE_HINT)
    })
}

/// Returns the row type of a relation that [`find`] returned.
pub fn row_type(relation: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: this is a catalog lookup inside a transaction.
    unsafe { pg_sys::get_rel_type_id(relation) }
}

/// Waits until every transaction has ended that has written to a table so far. Others may write meanwhile.
///
/// The wait is one for a lock: it can be cancelled, and PostgreSQL finds a deadlock.
pub fn wait_for_writers(table: &CStr) {
    let table = find(table);
    // SAFETY: reads a variable of the process.
    let database = unsafe { pg_sys::MyDatabaseId };
    // As SET_LOCKTAG_RELATION (storage/lock.h) does.
    let tag = pg_sys::LOCKTAG {
        locktag_field1: database.to_u32(),
        locktag_field2: table.to_u32(),
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // SAFETY: the tag is copied. SHARE conflicts with ROW EXCLUSIVE, which every write to a table takes.
    unsafe { pg_sys::WaitForLockers(tag, pg_sys::ShareLock as pg_sys::LOCKMODE, false) }
}

/// A column of a table of the extension, with its type.
pub struct Column<T> {
    pub(super) number: pg_sys::AttrNumber,
    kind: PhantomData<T>,
}

impl<T: ColumnType> Column<T> {
    /// Finds a column by its name and checks its type.
    pub fn find(table: pg_sys::Oid, name: &CStr) -> Self {
        // SAFETY: these are catalog lookups inside a transaction.
        let (number, oid) = unsafe {
            let number = pg_sys::get_attnum(table, name.as_ptr());
            (number, pg_sys::get_atttype(table, number))
        };
        let name = name.to_string_lossy();
        if number <= 0 {
            let message = format!("column \"{name}\" of a table of token_auth does not exist");
            raise(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, message, RECREATE_HINT)
        }
        if !T::accepts(oid) {
            let message = format!("column \"{name}\" of a table of token_auth has another type than it had");
            raise(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, message, RECREATE_HINT)
        }
        Self { number, kind: PhantomData }
    }
}

/// Raises an error about a NULL in a column that a constraint keeps from being NULL.
pub(super) fn unexpected_null(column: i32) -> ! {
    let message = format!("column {column} of a row of token_auth is NULL");
    raise(PgSqlErrorCode::ERRCODE_NOT_NULL_VIOLATION, message, RECREATE_HINT)
}

/// An open table. It is locked ACCESS SHARE while this exists.
pub struct OpenTable(pg_sys::Relation);

impl OpenTable {
    /// Opens a table. Returns `None` if it no longer exists.
    pub fn open(oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the relation is closed in Drop.
        let relation = unsafe { pg_sys::try_table_open(oid, ACCESS_SHARE) };
        (!relation.is_null()).then(|| Self(relation))
    }

    /// Returns true if the table has a trigger of this name that fires whatever `session_replication_role` is.
    pub fn has_trigger_always(&self, name: &CStr) -> bool {
        // SAFETY: the relation is open, and the array of its triggers is PostgreSQL's own.
        unsafe {
            let Some(triggers) = (*self.0).trigdesc.as_ref() else { return false };
            let triggers = std::slice::from_raw_parts(triggers.triggers, triggers.numtriggers as usize);
            let always = pg_sys::TRIGGER_FIRES_ALWAYS as std::ffi::c_char;
            triggers.iter().any(|trigger| CStr::from_ptr(trigger.tgname) == name && trigger.tgenabled == always)
        }
    }
}

impl Drop for OpenTable {
    fn drop(&mut self) {
        // After an error the resource owner closes it.
        if !std::thread::panicking() {
            // SAFETY: it was opened in `open`.
            unsafe { pg_sys::table_close(self.0, ACCESS_SHARE) }
        }
    }
}
