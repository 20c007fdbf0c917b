//! The functions that manage accounts, domains and tokens.
//!
//! Each resolves its [`target`], locks it, asks for permission, checks the profile's rules, and then changes it.

mod access;
mod account;
mod checked;
mod domain;
mod expansion;
mod issue;
mod keyring;
mod reset;
mod reveal;
pub mod sweep;
mod target;
mod token;
