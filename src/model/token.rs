//! Tokens.

use token_auth_core::decision;
use token_auth_core::network::Networks;

use crate::arguments::network;
use crate::error::{Error, NotFound, StateError};
use crate::pg::clock;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::inet::CidrArray;
use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::{Query, ResultRow};

/// A token, as it is after its row was locked.
pub struct Token {
    pub id: i64,
    pub home: Option<i64>,
    pub name: String,
    pub owner: Option<String>,
    pub networks: Option<Networks>,
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
            "SELECT id, domain_id, name, owner, networks, expires_at, created_at, metadata,
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
            "SELECT id, domain_id, name, owner, networks, expires_at, created_at, metadata,
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
            owner: row.get(c"owner"),
            networks: row.get::<CidrArray>(c"networks").map(network::of_column),
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

/// Returns the current owner of a token.
pub fn owner(id: i64) -> Option<String> {
    static OWNER: Query = Query::new("SELECT owner FROM token_auth.token WHERE id = $1");
    OWNER.rows_with(&CurrentSnapshot::take(), &[id.into()], |row| row.get(1)).into_iter().next().flatten()
}

/// Returns true if an account has at least `count` live tokens: neither expired nor reset.
pub fn account_has_live(account_id: i64, count: i32) -> bool {
    static COUNT: Query = Query::new(
        "SELECT pg_catalog.count(*)
           FROM (SELECT FROM token_auth.token
                  WHERE account_id = $1 AND replaced_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
                  LIMIT $3) AS live",
    );
    let arguments = [account_id.into(), clock::now().into(), i64::from(count).into()];
    let live: Option<i64> = COUNT.row_latest_snapshot(&arguments, |row| row.get_not_null(1));
    live.unwrap_or_default() >= count.into()
}

/// Returns the token of an account that was created with this `request_id`.
pub fn with_request_id(account_id: i64, request_id: &str) -> Option<i64> {
    static FIND: Query = Query::new("SELECT id FROM token_auth.token WHERE account_id = $1 AND request_id = $2");
    FIND.row_latest_snapshot(&[account_id.into(), request_id.into()], |row| row.get_not_null(1))
}

/// Returns the accounts of tokens, in their order.
pub fn accounts(tokens: &[i64]) -> Vec<i64> {
    static ACCOUNTS: Query =
        Query::new("SELECT DISTINCT account_id FROM token_auth.token WHERE id = ANY ($1) ORDER BY account_id");
    ACCOUNTS.rows_latest_snapshot(&[tokens.to_vec().into()], |row| row.get_not_null(1))
}

/// Locks the homes of tokens, as [`lock_home`] does.
pub fn lock_homes(tokens: &[i64]) {
    static LOCK: Query = Query::new(
        "SELECT d.id
           FROM token_auth.domain d
          WHERE d.id IN (SELECT t.domain_id FROM token_auth.token t WHERE t.id = ANY ($1))
          ORDER BY d.id
            FOR NO KEY UPDATE",
    );
    LOCK.execute_latest_snapshot(&[tokens.to_vec().into()]);
}

/// Locks tokens, so that none of them is changed or reset.
pub fn lock_all(tokens: &[i64]) {
    static LOCK: Query = Query::new("SELECT id FROM token_auth.token WHERE id = ANY ($1) ORDER BY id FOR UPDATE");
    LOCK.execute_latest_snapshot(&[tokens.to_vec().into()]);
}
