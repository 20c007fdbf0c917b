//! The functions of the tables' CHECK constraints: the same rules that the functions follow.

use std::collections::HashSet;

use pgrx::{Array, pg_extern};
use token_auth_core::limits::{MAX_ACTION, MAX_SCOPES};
use token_auth_core::name;
use token_auth_core::scope::{self, Scope};

/// Returns true if a text is a name. NULL is left to NOT NULL.
#[pg_extern(sql = false)]
fn is_name(name: Option<&[u8]>) -> Option<bool> {
    Some(name::from_bytes(name?).is_some_and(|name| name::check(name).is_ok()))
}

/// Returns true if each element is a scope that can be granted. A longer array is refused without a look at its elements.
#[pg_extern(sql = false)]
fn are_scopes(scopes: Option<Array<'_, &[u8]>>) -> Option<bool> {
    let is_grant = |scope: &[u8]| {
        scope.len() <= scope::MAX_LENGTH && str::from_utf8(scope).is_ok_and(|scope| Scope::parse_grant(scope).is_ok())
    };
    let scopes = scopes?;
    Some(scopes.len() <= MAX_SCOPES && scopes.iter().all(|scope| scope.is_some_and(is_grant)))
}

/// Returns true if each element is an action without a wildcard (`full`, not `*`) and none is repeated.
#[pg_extern(sql = false)]
fn are_actions(actions: Option<Array<'_, &[u8]>>) -> Option<bool> {
    let is_action = |action: &[u8]| {
        action.len() <= MAX_ACTION
            && str::from_utf8(action)
                .is_ok_and(|action| action != "*" && Scope::parse_grant(&format!("any:{action}")).is_ok())
    };
    let actions = actions?;
    let mut seen = HashSet::new();
    Some(
        actions.len() <= MAX_SCOPES
            && actions.iter().all(|action| action.is_some_and(|action| is_action(action) && seen.insert(action))),
    )
}
