//! The databases of the cluster, read by a process that is connected to none.

use std::ffi::CStr;

use pgrx::pg_sys;

/// A database of the cluster.
#[derive(Clone, Debug)]
pub struct Database {
    pub oid: pg_sys::Oid,
    pub name: String,
}

/// Returns the databases that allow connections. It runs a transaction of its own.
///
/// A process without a database has no SPI, but it can scan the shared catalogs, as the autovacuum launcher does
/// (`get_database_list` in postmaster/autovacuum.c).
pub fn connectable() -> Vec<Database> {
    // SAFETY: the scan, the relation and the transaction end in reverse order. Names are copied out of the tuples.
    unsafe {
        pg_sys::StartTransactionCommand();
        // A catalog scan takes its own snapshot, but needs the transaction to have one.
        pg_sys::GetTransactionSnapshot();
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        let mut databases = Vec::new();
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            // A connection limit of -2 marks a database whose DROP was interrupted.
            if form.datallowconn && form.datconnlimit != -2 {
                let name = CStr::from_ptr(form.datname.data.as_ptr()).to_string_lossy().into_owned();
                databases.push(Database { oid: form.oid, name });
            }
        }
        pg_sys::heap_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
        pg_sys::CommitTransactionCommand();
        databases
    }
}
