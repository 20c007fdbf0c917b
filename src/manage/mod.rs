//! The functions that manage accounts, domains and tokens.
//!
//! Each resolves its [`target`], locks it, asks for permission, checks the profile's rules, and then changes it.

mod access;
mod account;
mod checked;
mod describe;
mod domain;
mod expansion;
mod import;
mod issue;
mod keyring;
mod leak;
mod reset;
mod reveal;
mod revoke;
pub mod sweep;
mod target;
mod token;
