//! The lookup of a token and a domain: in the session's cache, or else in the tables.

use std::rc::Rc;

use token_auth_core::decision::DomainQuery;
use token_auth_core::name;
use token_auth_core::secret::Digest;

use super::cache;
use super::fetch;
use super::state::CachedToken;
use crate::error::guarded;
use crate::pg::inval;

/// Returns the token with this digest, and the query for the domain of its account with this name.
pub fn token_and_domain(digest: &Digest, domain: Option<&[u8]>) -> Option<(Rc<CachedToken>, DomainQuery)> {
    inval::accept_messages();
    // A text that cannot be a name is looked up as a name that no domain has.
    let name = domain.map(|name| name::folded(name).unwrap_or_default());
    let hit = cache::find(digest, name.as_deref());
    // Only reading can fail, so only reading is guarded.
    hit.or_else(|| guarded(|| Ok(fetch::read_and_cache(digest, name.as_deref()))))
}
