//! A transaction that is authenticated as a token: how that begins and ends, and what the token may do.

pub mod identity;
mod token;

use std::rc::Rc;

use pgrx::{pg_extern, warning};

use self::token::with_current;
use crate::arguments::TextArg;
use crate::error::{EnvironmentError, Error, PermissionError, guarded};
use crate::pg::tuple::Composite;
use crate::pg::varlena::OwnedArray;
use crate::pg::xact;
use crate::verify;
use crate::verify::state::TokenState;

/// Ends an earlier authentication, even if this secret is refused.
#[pg_extern(sql = false)]
fn authenticate(secret: TextArg<'_>) -> Composite {
    guarded(|| {
        check_not_parallel("authenticate")?;
        identity::clear_identity();
        let (verification, identity) = verify::identify(secret);
        if let Some(identity) = identity {
            identity::set_identity(identity);
            if xact::is_single_statement() {
                warning!(
                    "authenticate() lasts until the end of the transaction, which is this statement: call it after BEGIN"
                );
            }
        }
        Ok(verification)
    })
}

#[pg_extern(sql = false)]
fn deauthenticate() {
    guarded(|| {
        check_not_parallel("deauthenticate")?;
        identity::clear_identity();
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn current_token_id() -> Option<i64> {
    with_current(|session| session.token.id)
}

#[pg_extern(sql = false)]
fn current_account_id() -> Option<i64> {
    with_current(|session| session.token.account_id)
}

/// Returns false for a question that cannot be asked. It is called for each row, so it is not guarded as a whole.
#[pg_extern(sql = false)]
fn allows(scope: TextArg<'_>, domain: TextArg<'_>) -> bool {
    scope.and_then(|scope| with_current(|session| session.allows(scope, domain))).flatten().unwrap_or(false)
}

#[pg_extern(sql = false)]
fn allowed_domains(scope: TextArg<'_>) -> OwnedArray {
    let names = scope.and_then(|scope| with_current(|session| session.domain_names(scope))).flatten();
    names.unwrap_or_else(|| OwnedArray::new(Vec::<String>::new()))
}

#[pg_extern(sql = false)]
fn allowed_domain_ids(scope: TextArg<'_>) -> OwnedArray {
    let ids = scope.and_then(|scope| with_current(|session| session.domain_ids(scope))).flatten();
    ids.unwrap_or_else(|| OwnedArray::new(Vec::<i64>::new()))
}

/// Returns the session token, or `None` if the transaction is not authenticated.
///
/// A token that is no longer valid is an error: a call that it was allowed to make must not be made as another user.
pub fn current_token() -> Result<Option<Rc<TokenState>>, Error> {
    let Some(identity) = identity::current_identity() else { return Ok(None) };
    let token = with_current(|session| Rc::clone(&session.token));
    token.map(Some).ok_or(PermissionError::SessionTokenInvalid(identity.token_id).into())
}

/// A setting cannot change while a parallel query runs: its workers have their copy already.
fn check_not_parallel(function: &'static str) -> Result<(), Error> {
    if xact::is_in_parallel_mode() { Err(EnvironmentError::ParallelQuery(function).into()) } else { Ok(()) }
}
