//! The rules of token_auth that know no database.
//!
//! Plain functions over plain types, so that `cargo test -p token_auth_core` checks them in a second:
//! what a secret looks like and how it is sealed, what a scope covers, how things are named, what a verification
//! answers, and what may be remembered of it.

pub mod cache;
pub mod decision;
pub mod doorkeeper;
pub mod identity;
pub mod limits;
pub mod mvcc;
pub mod name;
pub mod scope;
pub mod seal;
pub mod secret;
