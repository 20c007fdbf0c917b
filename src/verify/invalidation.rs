//! The slots of tokens and accounts, and stamps that say whether a cached read is current.
//!
//! Triggers on the tables send an invalidation message for each changed row, for whoever changes it (`triggers/invalidate.rs`).
//! A token has one of [`TOKENS`] slots, by its id. An account and its domains have one of [`ACCOUNTS`] slots. Everything
//! that all accounts share (profiles, and TRUNCATE) has one slot, and so have the schemes of imported tokens. How a session counts the messages is in `pg/inval.rs`.

use crate::pg::inval::{self, SLOTS};
use crate::pg::xact;

/// The slots of tokens. With more slots a change invalidates fewer cached tokens.
const TOKENS: usize = 1024;
/// The slots of accounts.
const ACCOUNTS: usize = 512;
/// The slot of everything that all accounts share.
const SHARED_SLOT: usize = TOKENS + ACCOUNTS;
/// The slot of the schemes in use.
const SCHEMES_SLOT: usize = SHARED_SLOT + 1;
const _: () = assert!(SCHEMES_SLOT + 1 == SLOTS);

/// The state of the counters when something was read. A cached read is current as long as they are the same.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The sum of the counters that the read depends on. Each only grows, so the sum is the same if each is.
    changes: u64,
    /// The number of aborts in this session, if its transaction had written something: a read sees its own changes.
    /// Otherwise [`ANY_ABORTS`].
    aborts: u64,
}

const ANY_ABORTS: u64 = u64::MAX;

impl Stamp {
    /// Returns the current stamp of a read that depends on a token, its account and the profile.
    pub fn of_token(token_id: i64, account_id: i64) -> Self {
        Self::new(changes_of_token(token_id, account_id))
    }

    /// Returns the current stamp of a read that depends on an account, its domains and the profile.
    pub fn of_account(account_id: i64) -> Self {
        Self::new(changes_of_account(account_id))
    }

    /// Returns the current stamp of a read of the schemes in use.
    pub fn of_schemes() -> Self {
        Self::new(changes_of_schemes())
    }

    /// Returns true if a rollback in this session makes the read out of date.
    pub fn depends_on_aborts(&self) -> bool {
        self.aborts != ANY_ABORTS
    }

    /// Returns true if a read that depends on a token is current.
    pub fn is_current_for_token(&self, token_id: i64, account_id: i64) -> bool {
        self.is_current(changes_of_token(token_id, account_id))
    }

    /// Returns true if a read that depends on an account is current.
    pub fn is_current_for_account(&self, account_id: i64) -> bool {
        self.is_current(changes_of_account(account_id))
    }

    /// Returns true if a read of the schemes in use is current.
    pub fn is_current_for_schemes(&self) -> bool {
        self.is_current(changes_of_schemes())
    }

    fn new(changes: u64) -> Self {
        Self { changes, aborts: if xact::has_transaction_id() { inval::abort_count() } else { ANY_ABORTS } }
    }

    fn is_current(&self, changes: u64) -> bool {
        self.changes == changes && (self.aborts == ANY_ABORTS || self.aborts == inval::abort_count())
    }
}

fn changes_of_token(token_id: i64, account_id: i64) -> u64 {
    changes_of_account(account_id) + inval::slot_count(token_slot(token_id))
}

fn changes_of_account(account_id: i64) -> u64 {
    inval::slot_count(account_slot(account_id)) + inval::slot_count(SHARED_SLOT) + inval::watched_count()
}

fn changes_of_schemes() -> u64 {
    inval::slot_count(SCHEMES_SLOT) + inval::slot_count(SHARED_SLOT) + inval::watched_count()
}

/// Invalidates the schemes in use in every session when this transaction commits.
pub fn invalidate_schemes() {
    inval::send(SCHEMES_SLOT);
}

/// Invalidates a token and its access in every session when this transaction commits.
pub fn invalidate_token(id: i64) {
    inval::send(token_slot(id));
}

/// Invalidates an account and its domains in every session when this transaction commits.
pub fn invalidate_account(id: i64) {
    inval::send(account_slot(id));
}

/// Invalidates everything in every session when this transaction commits.
pub fn invalidate_all() {
    inval::send(SHARED_SLOT);
}

fn token_slot(id: i64) -> usize {
    id as usize % TOKENS
}

fn account_slot(id: i64) -> usize {
    TOKENS + id as usize % ACCOUNTS
}
