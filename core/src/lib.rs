//! Everything of token_auth that needs no PostgreSQL: formats, rules and the decision.
//!
//! Plain functions over plain types, so that `cargo test -p token_auth_core` checks them in seconds.

#![deny(missing_docs)]

pub mod cache;
pub mod decision;
pub mod identity;
pub mod limits;
pub mod mvcc;
pub mod name;
pub mod network;
pub mod scheme;
pub mod scope;
pub mod seal;
pub mod secret;
