//! Rows of the tables, loaded and locked through SPI. Nothing here asks for permission.
//!
//! Locks are taken in this order: profile, account, home domain, other domains by id, token. Every function follows it, and
//! so does the cascade of a deletion, so that no two wait for each other.

pub mod access;
pub mod account;
pub mod domain;
pub mod profile;
pub mod roles;
pub mod token;

/// The strength of a row lock.
#[derive(Clone, Copy)]
pub enum RowLock {
    /// The row is not deleted, and its key is not changed. An account keeps its profile, too.
    KeyShare,
    /// Other sessions that change the row wait.
    NoKeyUpdate,
    /// Other sessions that create or change anything under the row wait, too.
    Update,
}
