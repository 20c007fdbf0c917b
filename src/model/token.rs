//! Tokens.

use token_auth_core::decision;

use crate::error::{Error, NotFound, StateError};
use crate::pg::clock;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::spi::{Query, ResultRow};

/// A token, as it is after its row was locked.
pub struct Token {
    pub id: i64,
    pub home: Option<i64>,
    pub name: String,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub metadata: Jsonb,
    pub is_paused: bool,
    pub was_reset: bool,
}

impl Token {
    /// Locks a token FOR NO KEY UPDATE and loads it.
    pub fn lock(id: i64) -> Result<Self, Error> {
        static LOCK: Query = Query::new(
            "SELECT id, domain_id, name, expires_at, created_at, metadata,
                    paused_at IS NOT NULL AS is_paused, replaced_at IS NOT NULL AS was_reset
               FROM token_auth.token
              WHERE id = $1
                FOR NO KEY UPDATE",
        );
        LOCK.row(&[id.into()], Self::read).ok_or(NotFound::Token(id).into())
    }

    /// Loads the current token without a lock.
    pub fn load(id: i64) -> Result<Self, Error> {
        static LOAD: Query = Query::new(
            "SELECT id, domain_id, name, expires_at, created_at, metadata,
                    paused_at IS NOT NULL AS is_paused, replaced_at IS NOT NULL AS was_reset
               FROM token_auth.token
              WHERE id = $1",
        );
        LOAD.row_latest_snapshot(&[id.into()], Self::read).ok_or(NotFound::Token(id).into())
    }

    fn read(row: &ResultRow) -> Self {
        Self {
            id: row.get_not_null(c"id"),
            home: row.get(c"domain_id"),
            name: row.get_not_null(c"name"),
            expires_at: row.get(c"expires_at"),
            created_at: row.get_not_null(c"created_at"),
            metadata: row.get_not_null(c"metadata"),
            is_paused: row.get_not_null(c"is_paused"),
            was_reset: row.get_not_null(c"was_reset"),
        }
    }

    /// Returns an error if the token was reset or has expired.
    pub fn check_live(&self) -> Result<(), Error> {
        if self.was_reset { Err(StateError::AlreadyReset(self.id).into()) } else { self.check_not_expired() }
    }

    /// Returns an error if the token has expired, or if its grace has ended.
    pub fn check_not_expired(&self) -> Result<(), Error> {
        if decision::has_expired(self.expires_at.map(|at| at.0), clock::now().0) {
            Err(StateError::Expired(self.id).into())
        } else {
            Ok(())
        }
    }
}

/// Returns the account of a token.
pub fn account_id(id: i64) -> Option<i64> {
    static ACCOUNT: Query = Query::new("SELECT account_id FROM token_auth.token WHERE id = $1");
    ACCOUNT.row(&[id.into()], |row| row.get_not_null(1))
}

/// Locks the home of a token. The guard of a domain's last token may lock it later, and domains are locked before tokens.
pub fn lock_home(id: i64) {
    static LOCK: Query = Query::new(
        "SELECT d.id
           FROM token_auth.token t
           JOIN token_auth.domain d ON d.id = t.domain_id
          WHERE t.id = $1
            FOR NO KEY UPDATE OF d",
    );
    LOCK.execute(&[id.into()]);
}
