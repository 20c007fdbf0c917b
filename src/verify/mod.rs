//! Verification: a secret and a question in, one row out, always.
//!
//! The token comes from the session's cache or from the tables (`lookup.rs`), and `token_auth_core::decision` decides. All
//! that a decision depends on was true at one moment, not before the call began: a change that was committed before the
//! call is seen at every isolation level. Nothing is written.

mod cache;
mod catalog;
mod fetch;
pub mod invalidation;
mod lookup;
pub mod reader;
mod result;
pub mod state;

use std::rc::Rc;

use pgrx::pg_extern;
use token_auth_core::decision::{self, Code, DomainQuery};
use token_auth_core::identity::Identity;
use token_auth_core::secret::{self, Digest};

pub use self::result::Verification;
use self::state::CachedToken;
use crate::arguments::{TextArg, requested_scope};
use crate::error::guarded;
use crate::pg::clock;
use crate::pg::varlena::VarlenaArg;

#[pg_extern(sql = false)]
fn verify_token(
    secret: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
) -> Verification {
    verify(digest_of(bytes(secret)), bytes(scope), bytes(domain)).0
}

#[pg_extern(sql = false)]
fn verify_token_digest(
    digest: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
) -> Verification {
    verify(digest_argument(digest), bytes(scope), bytes(domain)).0
}

/// It never returns NULL, for callers that need a condition.
#[pg_extern(sql = false)]
fn token_is_valid(
    secret: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
) -> bool {
    decide(digest_of(bytes(secret)), bytes(scope), bytes(domain)).0 == Code::Ok
}

fn bytes(argument: Option<VarlenaArg<'_>>) -> Option<&[u8]> {
    argument.map(|VarlenaArg(bytes)| bytes)
}

fn digest_argument(digest: Option<VarlenaArg<'_>>) -> Option<Digest> {
    bytes(digest).and_then(|digest| Digest::try_from(digest).ok())
}

/// Verifies a secret, and returns the identity of its token if the code is ok.
pub fn identify(secret: TextArg<'_>) -> (Verification, Option<Identity>) {
    identity_of(verify(digest_of(secret), None, None))
}

/// Verifies a digest, and returns the identity of its token if the code is ok.
pub fn identify_digest(digest: Option<VarlenaArg<'_>>) -> (Verification, Option<Identity>) {
    identity_of(verify(digest_argument(digest), None, None))
}

fn identity_of((verification, valid): (Verification, Option<Rc<CachedToken>>)) -> (Verification, Option<Identity>) {
    (verification, valid.map(|cached| cached.token.identity()))
}

/// Returns the digest of a secret, or `None` if it does not have the form of one.
fn digest_of(secret: TextArg<'_>) -> Option<Digest> {
    secret.filter(|secret| secret::is_well_formed(secret)).map(secret::digest)
}

/// Returns the verification, and the token if the code is ok. `digest` is `None` if the secret or the digest is malformed.
///
/// It is called at each request of an application, so only what can fail is guarded: the check of the scope, and reading.
/// Forming a row fails only if there is no memory, or if the extension's type was altered.
fn verify(digest: Option<Digest>, scope: TextArg<'_>, domain: TextArg<'_>) -> (Verification, Option<Rc<CachedToken>>) {
    match decide(digest, scope, domain) {
        (code, Some((cached, domain))) => {
            let verification = result::of_token(&cached, code, domain);
            (verification, Some(cached).filter(|_| code == Code::Ok))
        }
        (code, None) => (result::without_token(code), None),
    }
}

/// Returns the code, and the token and the domain if there is a token.
#[inline]
fn decide(
    digest: Option<Digest>,
    scope: TextArg<'_>,
    domain: TextArg<'_>,
) -> (Code, Option<(Rc<CachedToken>, DomainQuery)>) {
    let scope = requested_scope(scope).unwrap_or_else(|error| guarded(|| Err(error)));
    let Some(digest) = digest else { return (Code::Malformed, None) };
    let Some((cached, domain)) = lookup::token_and_domain(&digest, domain) else { return (Code::NotFound, None) };
    let code = decision::decide(&cached.token.rights, scope.as_ref(), domain, || clock::now().0);
    (code, Some((cached, domain)))
}
