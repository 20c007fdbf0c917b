//! What the CHECK constraints of the tables ask: the same rules that the functions follow.

use std::collections::HashSet;

use pgrx::{Array, pg_extern};
use token_auth_core::name;
use token_auth_core::scope::{self, Scope};

use crate::error::MAX_SCOPES;

/// Whether text is a name. NULL is left to NOT NULL.
#[pg_extern(sql = false)]
fn is_name(name: Option<&[u8]>) -> Option<bool> {
    Some(name::from_bytes(name?).is_some_and(|name| name::check(name).is_ok()))
}

/// The most elements of an array that are looked at. A longer one is refused: whoever sends it would have to be waited for.
const MOST: usize = MAX_SCOPES;

/// Whether each element is a scope that can be granted.
#[pg_extern(sql = false)]
fn are_scopes(scopes: Option<Array<'_, &[u8]>>) -> Option<bool> {
    let is_grant = |scope: &[u8]| {
        scope.len() <= scope::MAX_LENGTH && str::from_utf8(scope).is_ok_and(|scope| Scope::parse_grant(scope).is_ok())
    };
    let scopes = scopes?;
    Some(scopes.len() <= MOST && scopes.iter().all(|scope| scope.is_some_and(is_grant)))
}

/// Whether each element is an action, spelt out (`full`, not `*`), of at most 64 bytes, and none is there twice.
#[pg_extern(sql = false)]
fn are_actions(actions: Option<Array<'_, &[u8]>>) -> Option<bool> {
    let is_action = |action: &[u8]| {
        action.len() <= 64
            && str::from_utf8(action)
                .is_ok_and(|action| action != "*" && Scope::parse_grant(&format!("any:{action}")).is_ok())
    };
    let actions = actions?;
    let mut seen = HashSet::new();
    Some(
        actions.len() <= MOST
            && actions.iter().all(|action| action.is_some_and(|action| is_action(action) && seen.insert(action))),
    )
}
