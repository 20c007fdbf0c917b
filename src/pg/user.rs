//! The current user: switching to the owner of the extension's tables, or to a role for code of others.
//!
//! The extension's functions are SECURITY INVOKER. Only while one of their queries is planned and run is the current user
//! the owner of the tables. See `ri_PerformCheck` in utils/adt/ri_triggers.c for the same switch in PostgreSQL.

use std::ffi::{CStr, c_int};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::raise::raise;
use super::relation;

/// The table whose owner the queries run as.
const TABLE: &CStr = c"token";

/// A user with its security restrictions, as `SetUserIdAndSecContext` (utils/init/miscinit.c) takes them.
#[derive(Clone, Copy)]
struct UserContext {
    id: pg_sys::Oid,
    security_context: c_int,
}

impl UserContext {
    fn current() -> Self {
        let mut user = Self { id: pg_sys::InvalidOid, security_context: 0 };
        // SAFETY: the call writes both.
        unsafe { pg_sys::GetUserIdAndSecContext(&mut user.id, &mut user.security_context) };
        user
    }

    fn make_current(self) {
        // SAFETY: assigns two variables of the process, and raises no error.
        unsafe { pg_sys::SetUserIdAndSecContext(self.id, self.security_context) }
    }

    fn restricted(self, restrictions: u32) -> Self {
        Self { security_context: self.security_context | restrictions as c_int, ..self }
    }
}

/// Changes the current user until this goes out of scope.
///
/// Drop restores it after an error as well: code that catches the error continues as the user who called.
pub struct UserSwitch {
    before: UserContext,
}

impl UserSwitch {
    fn to(user: UserContext) -> Self {
        let switch = Self { before: UserContext::current() };
        user.make_current();
        switch
    }

    /// Keeps the current user, which cannot SET ROLE meanwhile.
    pub(super) fn without_set_role() -> Self {
        Self::to(UserContext::current().restricted(pg_sys::SECURITY_LOCAL_USERID_CHANGE))
    }

    /// Switches to the owner of the extension's tables.
    pub(super) fn to_table_owner() -> Self {
        // Row-level security does not apply to the extension's own queries, even if it is forced on the owner.
        let restrictions = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
        Self::to(UserContext { id: table_owner(), ..UserContext::current() }.restricted(restrictions))
    }

    /// Switches to a role in a security-restricted operation, for triggers that nobody asked for. They cannot SET ROLE, and
    /// cannot leave behind what would run later, such as a deferred trigger or a cursor WITH HOLD.
    pub fn to_restricted(role: pg_sys::Oid) -> Self {
        let restrictions = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        Self::to(UserContext { id: role, ..UserContext::current() }.restricted(restrictions))
    }
}

impl Drop for UserSwitch {
    fn drop(&mut self) {
        self.before.make_current();
    }
}

/// Returns the owner of the tables. A superuser is refused: triggers and foreign keys of other roles would run with its rights.
fn table_owner() -> pg_sys::Oid {
    let owner = relation::owner(relation::find(TABLE));
    // SAFETY: this is a catalog lookup inside a transaction.
    if unsafe { pg_sys::superuser_arg(owner) } {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the tables of token_auth belong to a superuser",
            "Give them back to their own role: ALTER TABLE token_auth.token OWNER TO token_auth_owner, and the others alike.",
        )
    }
    owner
}
