//! What the CHECK constraints of the tables ask: the same rules that the functions follow.

use std::collections::HashSet;

use pgrx::{Array, pg_extern};
use token_auth_rules::name;
use token_auth_rules::scope::Scope;

/// Whether text is a name. NULL is left to NOT NULL.
#[pg_extern(sql = false)]
fn is_name(name: Option<&[u8]>) -> Option<bool> {
    Some(std::str::from_utf8(name?).is_ok_and(|name| name::check(name).is_ok()))
}

/// Whether each element is a scope that can be granted.
#[pg_extern(sql = false)]
fn are_scopes(scopes: Option<Array<'_, &[u8]>>) -> Option<bool> {
    let is_grant = |scope: &[u8]| std::str::from_utf8(scope).is_ok_and(|scope| Scope::parse_grant(scope).is_ok());
    Some(scopes?.iter().all(|scope| scope.is_some_and(is_grant)))
}

/// Whether each element is an action, spelt out (`full`, not `*`), of at most 64 bytes, and none is there twice.
#[pg_extern(sql = false)]
fn are_actions(actions: Option<Array<'_, &[u8]>>) -> Option<bool> {
    let is_action = |action: &[u8]| {
        std::str::from_utf8(action).is_ok_and(|action| {
            action != "*" && action.len() <= 64 && Scope::parse_grant(&format!("any:{action}")).is_ok()
        })
    };
    let mut seen = HashSet::new();
    Some(actions?.iter().all(|action| action.is_some_and(|action| is_action(action) && seen.insert(action))))
}
