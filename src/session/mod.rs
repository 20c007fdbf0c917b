//! A transaction that is authenticated as a token: how that begins and ends, and what the token may do.

mod identity;
mod token;

pub use self::identity::define as define_identity;

use std::rc::Rc;

use pgrx::pg_extern;
use token_auth_core::identity::Identity;

use self::token::with_current;
use crate::arguments::TextArg;
use crate::error::{EnvironmentError, Error, PermissionError, guarded};
use crate::pg::varlena::{OwnedArray, VarlenaArg};
use crate::pg::xact;
use crate::verify::state::TokenState;
use crate::verify::{self, Verification};

#[pg_extern(sql = false)]
fn authenticate(secret: TextArg<'_>, client: Option<VarlenaArg<'_>>) -> Verification {
    guarded(|| authenticate_as("authenticate", || verify::identify(secret, client)))
}

#[pg_extern(sql = false)]
fn authenticate_digest(
    digest: Option<VarlenaArg<'_>>,
    scheme: Option<VarlenaArg<'_>>,
    client: Option<VarlenaArg<'_>>,
) -> Verification {
    guarded(|| authenticate_as("authenticate_digest", || verify::identify_digest(digest, scheme, client)))
}

/// Authenticates the transaction as the token that `identify` returns, or refuses it.
fn authenticate_as(
    function: &'static str,
    identify: impl FnOnce() -> (Verification, Option<Identity>),
) -> Result<Verification, Error> {
    check_not_parallel(function)?;
    if xact::is_single_statement() {
        return Err(EnvironmentError::NoTransactionBlock(function).into());
    }
    let (verification, identity) = identify();
    match identity {
        Some(identity) => identity::set_identity(identity),
        None => identity::refuse(),
    }
    Ok(verification)
}

#[pg_extern(sql = false)]
fn deauthenticate() -> bool {
    guarded(|| {
        check_not_parallel("deauthenticate")?;
        let had_effect = identity::is_refused() || identity::current_identity().is_some();
        identity::clear_identity();
        Ok(had_effect)
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
/// A token that is no longer valid is an error, and so is a refused transaction: a call must not be made as another user.
pub fn current_token() -> Result<Option<Rc<TokenState>>, Error> {
    let Some(identity) = current_identity()? else { return Ok(None) };
    let token = with_current(|session| Rc::clone(&session.token));
    token.map(Some).ok_or(PermissionError::SessionTokenInvalid(identity.token_id).into())
}

/// Returns the identity of the transaction, even if its token is no longer valid. A refused transaction is an error.
pub fn current_identity() -> Result<Option<Identity>, Error> {
    // The worker of a parallel query does not know whether the transaction is refused.
    check_not_parallel("a function that manages tokens")?;
    if identity::is_refused() { Err(PermissionError::Refused.into()) } else { Ok(identity::current_identity()) }
}

/// A setting cannot change while a parallel query runs: its workers have their copy already.
fn check_not_parallel(function: &'static str) -> Result<(), Error> {
    if xact::is_in_parallel_mode() { Err(EnvironmentError::ParallelQuery(function).into()) } else { Ok(()) }
}
