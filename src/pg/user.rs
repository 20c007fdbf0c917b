//! Running our own statements as the owner of our tables, and everything that they set off as the caller.
//!
//! Our functions are SECURITY INVOKER. Only while a statement of ours is planned and run is the current user the owner of
//! our tables, with a `search_path` of our own: an operator or a function in the caller's path cannot take the place of
//! PostgreSQL's. AFTER triggers of other tables, which a foreign-key action sets off, are code of somebody else; they
//! run when the query that queued them ends, as the current user of that moment (before PostgreSQL 18, which runs them as
//! the user who queued them). So the query level is ours, and it ends after the switch back: see
//! `AfterTriggerEndQuery` in commands/trigger.c, and `ri_PerformCheck` in utils/adt/ri_triggers.c for the user switch.

use std::ffi::{CStr, c_int};
use std::ptr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::index_scan;
use super::raise::raise;

/// The table whose owner our statements run as.
const TABLE: &CStr = c"token";

/// The current user and what it must not do, as `SetUserIdAndSecContext` (utils/init/miscinit.c) knows them.
#[derive(Clone, Copy)]
struct User {
    id: pg_sys::Oid,
    security_context: c_int,
}

impl User {
    fn current() -> Self {
        let mut user = Self { id: pg_sys::InvalidOid, security_context: 0 };
        // SAFETY: both are written before the call returns.
        unsafe { pg_sys::GetUserIdAndSecContext(&mut user.id, &mut user.security_context) };
        user
    }

    fn become_current(self) {
        // SAFETY: assigns two variables of the process, and raises no error.
        unsafe { pg_sys::SetUserIdAndSecContext(self.id, self.security_context) }
    }

    fn restricted(self, restrictions: u32) -> Self {
        Self { security_context: self.security_context | restrictions as c_int, ..self }
    }
}

/// Another current user, until it goes out of scope.
pub struct UserSwitch {
    before: User,
}

impl UserSwitch {
    fn to(user: User) -> Self {
        let switch = Self { before: User::current() };
        user.become_current();
        switch
    }

    /// The current user, who cannot become somebody else with SET ROLE.
    fn to_caller_without_set_role() -> Self {
        Self::to(User::current().restricted(pg_sys::SECURITY_LOCAL_USERID_CHANGE))
    }

    /// A role for code that nobody asked for: it cannot become somebody else, and leaves nothing behind that would run
    /// later, such as a deferred trigger or a cursor WITH HOLD (a security-restricted operation).
    pub fn to_restricted(role: pg_sys::Oid) -> Self {
        let restrictions = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        Self::to(User { id: role, ..User::current() }.restricted(restrictions))
    }
}

impl Drop for UserSwitch {
    /// After an error as well: whoever catches it goes on as the user who called.
    fn drop(&mut self) {
        self.before.become_current();
    }
}

/// The owner of our tables is the current user.
pub struct AsOwner {
    _user: UserSwitch,
}

impl AsOwner {
    pub fn begin() -> Self {
        // ResultRow-level security on our tables is not for us, even where it is forced on their owner.
        let restrictions = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
        Self { _user: UserSwitch::to(User { id: owner(), ..User::current() }.restricted(restrictions)) }
    }
}

/// A setting of the session, changed until this goes out of scope.
pub struct LocalSetting(c_int);

impl LocalSetting {
    pub fn set(name: &CStr, value: &CStr) -> Self {
        // SAFETY: the level is closed in Drop, or by the abort of the (sub)transaction after an error. Both strings are
        // copied.
        unsafe {
            let level = Self(pg_sys::NewGUCNestLevel());
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
            level
        }
    }

    /// A caller who forces custom plans would have digests in plans, and could have those printed (`debug_print_plan`).
    pub fn plans_as_we_ask() -> Option<Self> {
        // SAFETY: a plain variable of the process.
        let is_forced = unsafe { pg_sys::plan_cache_mode } != pg_sys::PlanCacheMode::PLAN_CACHE_MODE_AUTO as c_int;
        is_forced.then(|| Self::set(c"plan_cache_mode", c"auto"))
    }

    /// What names and operators of ours mean: PostgreSQL's own, whatever the caller's path has.
    pub fn own_search_path() -> Self {
        Self::set(c"search_path", c"pg_catalog, pg_temp")
    }
}

impl Drop for LocalSetting {
    fn drop(&mut self) {
        // After an error the abort of the (sub)transaction puts the settings back.
        if !std::thread::panicking() {
            // SAFETY: levels are closed in reverse order, by scope.
            unsafe { pg_sys::AtEOXact_GUC(true, self.0) }
        }
    }
}

/// The query level that a statement of ours queues its AFTER triggers in.
pub struct TriggerQueue(());

impl TriggerQueue {
    pub fn open() -> Self {
        // SAFETY: inside a transaction. The level ends in `fire`, or with the (sub)transaction that an error aborts.
        unsafe { pg_sys::AfterTriggerBeginQuery() }
        Self(())
    }

    /// Fires the triggers that were queued, as the current user, who cannot SET ROLE meanwhile.
    pub fn fire(self) {
        let _user = UserSwitch::to_caller_without_set_role();
        // SAFETY: the level was opened in `open`. Triggers get a snapshot, as those of any statement. Without an executor
        // state PostgreSQL makes one (afterTriggerInvokeEvents).
        unsafe {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            pg_sys::AfterTriggerEndQuery(ptr::null_mut());
            pg_sys::PopActiveSnapshot();
        }
    }
}

/// The owner of our tables. A superuser is refused: triggers and foreign keys of other roles would run with its rights.
fn owner() -> pg_sys::Oid {
    let table = index_scan::find(TABLE);
    let owner = index_scan::owner(table);
    // SAFETY: a catalogue lookup inside a transaction.
    if unsafe { pg_sys::superuser_arg(owner) } {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the tables of token_auth belong to a superuser",
            "Give them back to their own role: ALTER TABLE token_auth.token OWNER TO token_auth_owner, and the others alike.",
        )
    }
    owner
}
