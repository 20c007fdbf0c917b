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
pub mod schemes;
pub mod state;

use std::rc::Rc;

use pgrx::pg_extern;
use token_auth_core::decision::{self, Code, DomainQuery, Origin};
use token_auth_core::identity::Identity;

use self::lookup::Presented;
pub use self::result::Verification;
use self::state::CachedToken;
use crate::arguments::{TextArg, network, requested_scope, scheme_argument};
use crate::error::guarded;
use crate::pg::clock;
use crate::pg::varlena::VarlenaArg;

#[pg_extern(sql = false)]
fn verify_token(
    secret: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
    client: Option<VarlenaArg<'_>>,
) -> Verification {
    let question = Question { scope: bytes(scope), domain: bytes(domain), origin: network::origin(client) };
    verify(Presented::secret(bytes(secret)), question).0
}

#[pg_extern(sql = false)]
fn verify_token_digest(
    digest: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
    client: Option<VarlenaArg<'_>>,
    scheme: Option<VarlenaArg<'_>>,
) -> Verification {
    let question = Question { scope: bytes(scope), domain: bytes(domain), origin: network::origin(client) };
    verify(presented_digest(digest, scheme), question).0
}

/// It never returns NULL, for callers that need a condition.
#[pg_extern(sql = false)]
fn token_is_valid(
    secret: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
    client: Option<VarlenaArg<'_>>,
) -> bool {
    let question = Question { scope: bytes(scope), domain: bytes(domain), origin: network::origin(client) };
    decide(Presented::secret(bytes(secret)), question).0 == Code::Ok
}

fn bytes(argument: Option<VarlenaArg<'_>>) -> Option<&[u8]> {
    argument.map(|VarlenaArg(bytes)| bytes)
}

fn presented_digest<'a>(digest: Option<VarlenaArg<'a>>, scheme: Option<VarlenaArg<'_>>) -> Presented<'a> {
    let scheme = scheme_argument(bytes(scheme)).unwrap_or_else(|error| guarded(|| Err(error)));
    Presented::digest(bytes(digest), scheme)
}

/// Verifies a secret, and returns the identity of its token if the code is ok.
pub fn identify(secret: TextArg<'_>, client: Option<VarlenaArg<'_>>) -> (Verification, Option<Identity>) {
    identity_of(verify(Presented::secret(secret), Question::about_validity(client)))
}

/// Verifies a digest, and returns the identity of its token if the code is ok.
pub fn identify_digest(
    digest: Option<VarlenaArg<'_>>,
    scheme: Option<VarlenaArg<'_>>,
    client: Option<VarlenaArg<'_>>,
) -> (Verification, Option<Identity>) {
    identity_of(verify(presented_digest(digest, scheme), Question::about_validity(client)))
}

fn identity_of((verification, valid): (Verification, Option<Rc<CachedToken>>)) -> (Verification, Option<Identity>) {
    (verification, valid.map(|cached| cached.token.identity()))
}

/// Returns the id of the token with this secret, whether it is valid or not.
pub fn token_of_secret(secret: TextArg<'_>) -> Option<i64> {
    lookup::token_and_domain(&Presented::secret(secret), None).ok().map(|(cached, _)| cached.token.id)
}

/// What is asked about a token.
struct Question<'a> {
    scope: TextArg<'a>,
    domain: TextArg<'a>,
    origin: Origin,
}

impl Question<'_> {
    /// The question whether a token is valid, for a client.
    fn about_validity(client: Option<VarlenaArg<'_>>) -> Self {
        Self { scope: None, domain: None, origin: network::origin(client) }
    }
}

/// Returns the verification, and the token if the code is ok.
///
/// It is called at each request of an application, so only what can fail is guarded: the check of the scope, and reading.
/// Forming a row fails only if there is no memory, or if the extension's type was altered.
fn verify(presented: Presented<'_>, question: Question<'_>) -> (Verification, Option<Rc<CachedToken>>) {
    match decide(presented, question) {
        (code, Some((cached, domain))) => {
            let verification = result::of_token(&cached, code, domain);
            (verification, Some(cached).filter(|_| code == Code::Ok))
        }
        (code, None) => (result::without_token(code), None),
    }
}

/// Returns the code, and the token and the domain if there is a token.
#[inline]
fn decide(presented: Presented<'_>, question: Question<'_>) -> (Code, Option<(Rc<CachedToken>, DomainQuery)>) {
    let scope = requested_scope(question.scope).unwrap_or_else(|error| guarded(|| Err(error)));
    match lookup::token_and_domain(&presented, question.domain) {
        Ok((cached, domain)) => {
            let code =
                decision::decide(&cached.token.rights, scope.as_ref(), domain, question.origin, || clock::now().0);
            (code, Some((cached, domain)))
        }
        Err(code) => (code, None),
    }
}
