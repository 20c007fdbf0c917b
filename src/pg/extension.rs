//! The server, its database and the extension in it.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

unsafe extern "C" {
    fn geteuid() -> u32;
}

/// Returns true while `shared_preload_libraries` is loaded.
pub fn is_preloading() -> bool {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Returns true if this server was started by pg_upgrade, which must find the data as it left them.
pub fn is_binary_upgrade() -> bool {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::IsBinaryUpgrade }
}

/// Returns true while this session runs a script of this extension (CREATE or ALTER EXTENSION).
pub fn is_running_own_script() -> bool {
    // SAFETY: reads variables of the process; a catalog lookup inside a transaction.
    unsafe {
        pg_sys::creating_extension
            && pg_sys::CurrentExtensionObject == pg_sys::get_extension_oid(c"token_auth".as_ptr(), true)
    }
}

/// Returns true where rows are copied as they are: `session_replication_role` is `replica`.
pub fn is_replica_session() -> bool {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::SessionReplicationRole == pg_sys::SESSION_REPLICATION_ROLE_REPLICA as i32 }
}

/// Returns true if this database has the extension.
pub fn is_installed() -> bool {
    // SAFETY: this is a catalog lookup inside a transaction.
    unsafe { pg_sys::get_extension_oid(c"token_auth".as_ptr(), true) != pg_sys::InvalidOid }
}

/// Returns true if this database has a schema with this name.
pub fn has_schema(name: &CStr) -> bool {
    // SAFETY: this is a catalog lookup inside a transaction.
    unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) != pg_sys::InvalidOid }
}

/// Until this goes out of scope, privileges that the script of the extension grants are not its initial ones.
///
/// `pg_dump` writes only privileges that are not the initial ones (pg_init_privs), and `CREATE EXTENSION` may give others when the
/// dump is restored. See `recordExtensionInitPriv` in catalog/aclchk.c.
pub struct GrantsToDump(bool);

impl GrantsToDump {
    /// Begins, whether or not a script is running.
    pub fn begin() -> Self {
        // SAFETY: a variable of the process.
        unsafe { Self(std::ptr::replace(&raw mut pg_sys::creating_extension, false)) }
    }
}

impl Drop for GrantsToDump {
    fn drop(&mut self) {
        // SAFETY: a variable of the process. After an error CREATE EXTENSION sets it again, later.
        unsafe { pg_sys::creating_extension = self.0 }
    }
}

/// Returns the name of this database's encoding.
pub fn encoding() -> String {
    // SAFETY: the function returns a static string.
    unsafe { CStr::from_ptr(pg_sys::GetDatabaseEncodingName()) }.to_string_lossy().into_owned()
}

/// Returns true if this server is a standby.
pub fn is_in_recovery() -> bool {
    // SAFETY: reads a flag of the process, or one in shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// Returns the setting `max_worker_processes`.
pub fn max_worker_processes() -> i32 {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::max_worker_processes }
}

/// Returns the role that logged in, whatever SET ROLE or a SECURITY DEFINER function has changed.
pub fn session_user() -> CString {
    // SAFETY: the session user exists as long as the session. The name is copied at once.
    unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(pg_sys::GetSessionUserId(), false)).to_owned() }
}

/// Returns the OID of a role, or `None` if it does not exist.
pub fn role(name: &str) -> Option<pg_sys::Oid> {
    let name = CString::new(name).ok()?;
    // SAFETY: this is a catalog lookup inside a transaction.
    let role = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    (role != pg_sys::InvalidOid).then(|| role)
}

/// Returns the operating system user that the server runs as.
pub fn effective_user_id() -> u32 {
    // SAFETY: geteuid(2) always succeeds.
    unsafe { geteuid() }
}
