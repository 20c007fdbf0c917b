//! The current user: switching to the owner of the extension's tables, or to a role for code of others.
//!
//! The extension's functions are SECURITY INVOKER. Only while one of their queries is planned and run is the current user
//! the owner of the tables. See `ri_PerformCheck` in utils/adt/ri_triggers.c for the same switch in PostgreSQL.

use std::cell::Cell;
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

thread_local! {
    /// The caller of the call whose triggers are fired.
    static FIRED_BY: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
}

/// Says who the caller is while triggers are fired, until this goes out of scope.
pub(super) struct Firing {
    before: Option<pg_sys::Oid>,
}

impl Firing {
    /// The current user is the caller.
    pub(super) fn as_current_user() -> Self {
        Self { before: FIRED_BY.replace(Some(UserContext::current().id)) }
    }
}

impl Drop for Firing {
    fn drop(&mut self) {
        FIRED_BY.set(self.before);
    }
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

    /// Keeps the user, or switches to the caller in a trigger of one of the extension's queries that runs as the owner of the
    /// tables: from version 18 on PostgreSQL fires a trigger as the user who queued it.
    pub(super) fn to_caller() -> Self {
        let current = UserContext::current();
        match FIRED_BY.get() {
            Some(caller) if current.id == table_owner() => Self::to(UserContext { id: caller, ..current }),
            _ => Self::to(current),
        }
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
