//! Accounts, each with the rules of its profile.

use super::RowLock;
use super::profile::Profile;
use crate::pg::spi::Query;
use crate::pg::xact;

/// An account and its profile.
pub struct Account {
    pub id: i64,
    pub name: String,
    pub profile: Profile,
}

impl Account {
    /// Locks an account and loads it. Returns `None` if it does not exist.
    ///
    /// The row is locked first and loaded after that. If the lock was waited for, the account may have another profile now,
    /// which a join that began before the wait would miss, and so would the transaction's own snapshot.
    pub fn lock(id: i64, lock: RowLock) -> Option<Self> {
        static KEY_SHARE: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR KEY SHARE");
        static NO_KEY_UPDATE: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR NO KEY UPDATE");
        static UPDATE: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR UPDATE");
        let query = match lock {
            RowLock::KeyShare => &KEY_SHARE,
            RowLock::NoKeyUpdate => &NO_KEY_UPDATE,
            RowLock::Update => &UPDATE,
        };
        xact::check_not_read_only(c"a function that manages tokens");
        query.row(&[id.into()], |_| ())?;
        Self::load(id)
    }

    /// Loads the current account.
    pub fn load(id: i64) -> Option<Self> {
        static LOAD: Query = Query::new(
            "SELECT a.id AS account_id, a.name AS account, p.name AS profile, p.*
               FROM token_auth.account a
               JOIN token_auth.profile p ON p.name = a.profile
              WHERE a.id = $1",
        );
        LOAD.row_latest_snapshot(&[id.into()], |row| Self {
            id: row.get_not_null(c"account_id"),
            name: row.get_not_null(c"account"),
            profile: Profile::read(row),
        })
    }
}

/// What the administrators of an account depend on.
pub struct Administration {
    /// The profile's rule `admins_only`.
    pub admins_only: bool,
    pub has_administrator: bool,
    pub actor_is_administrator: bool,
}

impl Administration {
    /// Loads the current state, even if the transaction uses one snapshot: an administrator, or a profile, that is gone by
    /// now must not count. Returns `None` if the account does not exist.
    pub fn load(account_id: i64, actor: String) -> Option<Self> {
        static LOAD: Query = Query::new(
            "SELECT p.admins_only,
                    EXISTS (SELECT FROM token_auth.account_admin WHERE account_id = a.id) AS has_administrator,
                    EXISTS (SELECT FROM token_auth.account_admin WHERE account_id = a.id AND actor = $2)
                        AS actor_is_administrator
               FROM token_auth.account a
               JOIN token_auth.profile p ON p.name = a.profile
              WHERE a.id = $1",
        );
        LOAD.row_latest_snapshot(&[account_id.into(), actor.into()], |row| Self {
            admins_only: row.get_not_null(c"admins_only"),
            has_administrator: row.get_not_null(c"has_administrator"),
            actor_is_administrator: row.get_not_null(c"actor_is_administrator"),
        })
    }
}
