//! The lookup of a token and a domain: in the cache, or else in the tables, and then into the cache.
//!
//! The token, its account and the domain are cached apart, so they can come from different reads. They are used together
//! only if their stamps are consistent (`token_auth_core::mvcc`): if there was one moment at which all of them were true.

use std::rc::Rc;

use token_auth_core::decision::DomainQuery;
use token_auth_core::name;
use token_auth_core::secret::Digest;

use super::cache;
use super::reader::{SnapshotReader, read_consistent};
use super::result;
use super::state::{AccountState, CachedToken, DomainState};
use crate::error::guarded;
use crate::pg::inval;

/// Returns the token with this digest, and the query for the domain of its account with this name.
pub fn token_and_domain(digest: &Digest, domain: Option<&[u8]>) -> Option<(Rc<CachedToken>, DomainQuery)> {
    inval::accept_messages();
    // A text that cannot be a name is looked up as a name that no domain has.
    let name = domain.map(|name| name::folded(name).unwrap_or_default());
    if let Some(cached) = cache::token(digest) {
        let Some(name) = &name else { return Some((cached, DomainQuery::AccountWide)) };
        if let Some(domain) = consistent_cached_domain(&cached, name) {
            let query = cached.token.query_for(Some(&domain));
            return Some((cached, query));
        }
    }
    // Only reading can fail, so only reading is guarded.
    guarded(|| Ok(read_and_insert(digest, name.as_deref())))
}

/// Reads what is not cached, and inserts it into the cache.
fn read_and_insert(digest: &Digest, name: Option<&str>) -> Option<(Rc<CachedToken>, DomainQuery)> {
    let (found, is_cacheable) = read_consistent(|reader| Found::read(reader, digest, name));
    let found = found?;
    let account_id = found.cached.token.account_id;
    if is_cacheable {
        cache::insert_token(&found.cached);
        if let Some(account) = found.read_account {
            cache::insert_account(account_id, account);
        }
        if let Some(domain) = found.domain.as_ref().filter(|_| found.domain_was_read) {
            cache::insert_domain(account_id, domain);
        }
    }
    let query = name.map_or(DomainQuery::AccountWide, |_| found.cached.token.query_for(found.domain.as_deref()));
    Some((found.cached, query))
}

/// A token and a domain, and what of it was read and not cached before.
struct Found {
    cached: Rc<CachedToken>,
    read_account: Option<AccountState>,
    domain: Option<Rc<DomainState>>,
    domain_was_read: bool,
}

impl Found {
    fn read(reader: &SnapshotReader, digest: &Digest, name: Option<&str>) -> Option<Self> {
        let found = Self::token(reader, digest, cache::account)?;
        let Some(name) = name else { return Some(found) };
        if let Some(domain) = consistent_cached_domain(&found.cached, name) {
            return Some(Self { domain: Some(domain), ..found });
        }
        let domain = reader.domain_by_name(found.cached.token.account_id, name).map(Rc::new);
        if domain.as_ref().is_none_or(|domain| is_consistent(&found.cached, domain)) {
            return Some(Self { domain, domain_was_read: true, ..found });
        }
        // The cached account is from before the domain was changed, perhaps by a transaction that changed both.
        let found = Self::token(reader, digest, |_| None)?;
        Some(Self { domain, domain_was_read: true, ..found })
    }

    /// Reads the token. Its account is read if the cached one is not consistent with it.
    fn token(
        reader: &SnapshotReader,
        digest: &Digest,
        cached_account: impl FnOnce(i64) -> Option<AccountState>,
    ) -> Option<Self> {
        let row = reader.token_by_digest(digest)?;
        let cached_account = cached_account(row.account_id).filter(|account| row.is_consistent_with(account));
        let (account, was_read) = match cached_account {
            Some(account) => (account, false),
            None => (reader.account(row.account_id)?, true),
        };
        let template = result::template(&row);
        let token = row.into_state(&account).expect("the account was read under the same snapshot, or is consistent");
        let cached = Rc::new(CachedToken { token, template });
        Some(Self { cached, read_account: was_read.then(|| account), domain: None, domain_was_read: false })
    }
}

fn consistent_cached_domain(cached: &CachedToken, name: &str) -> Option<Rc<DomainState>> {
    cache::domain(cached.token.account_id, name).filter(|domain| is_consistent(cached, domain))
}

fn is_consistent(cached: &CachedToken, domain: &DomainState) -> bool {
    cached.token.read_stamp.is_consistent_with(&domain.read_stamp)
}
