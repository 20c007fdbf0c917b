//! The rules of token_auth that know no database.
//!
//! Plain functions over plain types, so that `cargo test -p token_auth_rules` checks them in a second:
//! what a secret looks like, what a scope covers, how things are named, and what a verification answers.

pub mod catalogue;
pub mod name;
pub mod scope;
pub mod secret;
pub mod verdict;
