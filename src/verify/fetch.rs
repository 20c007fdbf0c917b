//! Reading what is not cached: from the tables, checked for consistency, and then into the cache.
//!
//! The token, its account and the domain are cached apart, so they can come from different reads. They are used together
//! only if their stamps are consistent (`token_auth_core::mvcc`): if there was one moment at which all of them were true.

use std::rc::Rc;

use token_auth_core::decision::DomainQuery;
use token_auth_core::scheme::Scheme;
use token_auth_core::secret::Digest;

use super::cache::{self, TokenKey};
use super::reader::{ConsistentReads, SnapshotReader};
use super::result;
use super::state::{AccountState, CachedToken, DomainState};

/// The digests of a secret by the schemes in use, or a digest that was presented itself.
pub type Candidates = [(Scheme, Digest)];

/// Reads the token with one of these digests, and the domain of its account with this folded name, and caches them.
pub fn read_and_cache(
    key: TokenKey,
    candidates: &Candidates,
    name: Option<&str>,
) -> Option<(Rc<CachedToken>, DomainQuery)> {
    let mut reads = ConsistentReads::new();
    let (fetched, is_cacheable) = loop {
        let fetched = Fetched::read(&reads.begin_attempt(), candidates, name);
        if let Some(is_cacheable) = reads.end_attempt() {
            break (fetched?, is_cacheable);
        }
    };
    if is_cacheable {
        fetched.insert_into_cache(key);
    }
    let query = name.map_or(DomainQuery::AccountWide, |_| fetched.cached.token.query_for(fetched.domain.as_deref()));
    Some((fetched.cached, query))
}

/// A token and a domain, and which parts of them were read and not cached before.
struct Fetched {
    cached: Rc<CachedToken>,
    read_account: Option<AccountState>,
    domain: Option<Rc<DomainState>>,
    domain_was_read: bool,
}

impl Fetched {
    fn read(reader: &SnapshotReader, candidates: &Candidates, name: Option<&str>) -> Option<Self> {
        let mut cached_account: fn(i64) -> Option<AccountState> = cache::account;
        loop {
            let fetched = Self::token(reader, candidates, cached_account)?;
            let Some(name) = name else { return Some(fetched) };
            if let Some(domain) = cache::consistent_domain(&fetched.cached, name) {
                return Some(Self { domain: Some(domain), ..fetched });
            }
            let domain = reader.domain_by_name(fetched.cached.token.account_id, name).map(Rc::new);
            if domain.as_ref().is_none_or(|domain| fetched.cached.is_consistent_with(domain)) {
                return Some(Self { domain, domain_was_read: true, ..fetched });
            }
            // The cached account is from before the domain was changed, perhaps by a transaction that changed both. What is
            // read under one snapshot is consistent.
            cached_account = |_| None;
        }
    }

    /// Reads the token. Its account is read if the cached one is not consistent with it.
    fn token(
        reader: &SnapshotReader,
        candidates: &Candidates,
        cached_account: impl FnOnce(i64) -> Option<AccountState>,
    ) -> Option<Self> {
        let row = candidates.iter().find_map(|(scheme, digest)| reader.token_by_digest(*scheme, digest))?;
        let cached_account = cached_account(row.account_id).filter(|account| row.is_consistent_with(account));
        let (account, was_read) = match cached_account {
            Some(account) => (account, false),
            None => (reader.account(row.account_id)?, true),
        };
        let template = result::template(&row, &account);
        let token = row.into_state(&account).expect("the account was read under the same snapshot, or is consistent");
        let cached = Rc::new(CachedToken { token, template });
        Some(Self { cached, read_account: was_read.then(|| account), domain: None, domain_was_read: false })
    }

    fn insert_into_cache(&self, key: TokenKey) {
        let account_id = self.cached.token.account_id;
        cache::insert_token(key, &self.cached);
        if let Some(account) = &self.read_account {
            cache::insert_account(account_id, account.clone());
        }
        if let Some(domain) = self.domain.as_ref().filter(|_| self.domain_was_read) {
            cache::insert_domain(account_id, domain);
        }
    }
}
