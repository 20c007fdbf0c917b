//! The functions that manage accounts, domains and tokens.

pub mod access;
pub mod account;
pub mod domain;
pub mod issue;
pub mod reset;
pub mod reveal;
pub mod sweep;
pub mod token;
