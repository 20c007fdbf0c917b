//! The lookup of a token and a domain: in the session's cache, or else in the tables.

use std::rc::Rc;

use smallvec::SmallVec;
use token_auth_core::decision::{Code, DomainQuery};
use token_auth_core::name;
use token_auth_core::scheme::{self, Scheme};
use token_auth_core::secret::{self, Digest};

use super::cache::{self, TokenKey};
use super::fetch::{self, Candidates};
use super::schemes;
use super::state::CachedToken;
use crate::arguments::TextArg;
use crate::error::guarded;
use crate::pg::inval;

/// What a caller presents.
pub enum Presented<'a> {
    /// NULL, or what can be neither a secret nor a digest.
    Malformed,
    /// A digest, or that of a secret of our own form.
    Digest(Scheme, Digest),
    /// What may be the secret of an imported token.
    Imported(&'a [u8]),
}

impl<'a> Presented<'a> {
    /// A secret.
    pub fn secret(secret: TextArg<'a>) -> Self {
        match secret {
            Some(secret) if secret::is_well_formed(secret) => {
                Self::Digest(Scheme::TokenAuth, Scheme::TokenAuth.digest(secret))
            }
            Some(secret) if scheme::may_be_imported(secret) => Self::Imported(secret),
            _ => Self::Malformed,
        }
    }

    /// A digest as the system that made the secret stores it.
    pub fn digest(digest: TextArg<'a>, scheme: Scheme) -> Self {
        let digest = digest.and_then(|digest| scheme.digest_of_foreign(digest));
        digest.map_or(Self::Malformed, |digest| Self::Digest(scheme, digest))
    }
}

/// Returns the token of what was presented, and the query for the domain of its account with this name. If there is no token,
/// returns the code that says why.
pub fn token_and_domain(
    presented: &Presented<'_>,
    domain: TextArg<'_>,
) -> Result<(Rc<CachedToken>, DomainQuery), Code> {
    inval::accept_messages();
    match *presented {
        Presented::Malformed => Err(Code::Malformed),
        Presented::Digest(scheme, digest) => find(TokenKey::of_digest(scheme, digest), domain, || [(scheme, digest)]),
        Presented::Imported(secret) => {
            let schemes = schemes::in_use();
            if schemes.is_empty() {
                return Err(Code::Malformed);
            }
            let digests = || schemes.iter().map(|scheme| (scheme, scheme.digest(secret))).collect::<SmallVec<[_; 3]>>();
            find(TokenKey::of_imported(secret), domain, digests)
        }
    }
}

fn find<C: AsRef<Candidates>>(
    key: TokenKey,
    domain: TextArg<'_>,
    candidates: impl FnOnce() -> C,
) -> Result<(Rc<CachedToken>, DomainQuery), Code> {
    // A text that cannot be a name is looked up as a name that no domain has.
    let name = domain.map(|name| name::folded(name).unwrap_or_default());
    let hit = cache::find(&key, name.as_deref());
    // Only reading can fail, so only reading is guarded.
    let found = hit.or_else(|| guarded(|| Ok(fetch::read_and_cache(key, candidates().as_ref(), name.as_deref()))));
    found.ok_or(Code::NotFound)
}
