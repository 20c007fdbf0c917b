//! The session token: the token that the transaction is authenticated as, with its cached rights.
//!
//! A policy may ask for each row, so an answer that was given before is only looked up, as long as no invalidation message
//! has arrived about what it depends on (`verify/invalidation.rs`). Only reading can fail, so only reading is guarded.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use token_auth_core::decision::{self, AllowedDomains, Code, DomainQuery, Origin};
use token_auth_core::identity::Identity;
use token_auth_core::mvcc::ReadStamp;
use token_auth_core::name;
use token_auth_core::scope::{self, Scope};

use super::identity;
use crate::error::guarded;
use crate::pg::varlena::OwnedArray;
use crate::pg::{clock, inval, xact};
use crate::verify::invalidation::Stamp;
use crate::verify::reader::{SnapshotReader, read_consistent};
use crate::verify::state::{DomainState, TokenState};

/// The most scopes with cached answers. One more empties the cache.
const MAX_CACHED_SCOPES: usize = 16;
/// About the most bytes of names with cached answers. More empty the cache of names.
const MAX_NAME_BYTES: usize = 4 << 20;

/// A valid token, and the answers about it.
pub struct SessionToken {
    pub token: Rc<TokenState>,
    identity: Identity,
    /// The stamp of the token and of all answers.
    stamp: Stamp,
    is_cacheable: bool,
    scopes: Vec<ScopeCache>,
}

/// The answers about one scope.
struct ScopeCache {
    scope: Box<[u8]>,
    allowed: AllowedDomains,
    by_name: HashMap<Box<[u8]>, bool, foldhash::fast::RandomState>,
    name_bytes: usize,
    names: Option<OwnedArray>,
    ids: Option<OwnedArray>,
}

/// Calls `ask` with the session token. Returns `None` if the transaction is not authenticated, or if its token is no longer
/// valid.
pub fn with_current<T>(ask: impl FnOnce(&mut SessionToken) -> T) -> Option<T> {
    thread_local! {
        static CURRENT: RefCell<Option<SessionToken>> = const { RefCell::new(None) };
    }
    let identity = identity::current_identity()?;
    inval::accept_messages();
    CURRENT.with_borrow_mut(|current| {
        if !current.as_ref().is_some_and(|token| token.is_current_for(identity)) {
            *current = None;
            let (token, is_cacheable) = guarded(|| Ok(read_consistent(|reader| reader.token_by_identity(identity))));
            // That it does not exist is not cached.
            *current = Some(SessionToken::new(token?, identity, is_cacheable));
        }
        let token = current.as_mut().filter(|token| token.is_valid())?;
        Some(ask(token))
    })
}

impl SessionToken {
    fn new(token: TokenState, identity: Identity, is_cacheable: bool) -> Self {
        let stamp = Stamp::of_token(token.id, token.account_id);
        Self { token: Rc::new(token), identity, stamp, is_cacheable, scopes: Vec::new() }
    }

    fn is_current_for(&self, identity: Identity) -> bool {
        self.is_cacheable && self.identity == identity && self.is_current()
    }

    fn is_current(&self) -> bool {
        self.stamp.is_current_for_token(self.token.id, self.token.account_id)
    }

    /// Returns true if a verification without scope and domain is ok, for the client that was authenticated.
    fn is_valid(&self) -> bool {
        let (no_domain, origin) = (DomainQuery::AccountWide, Origin::Authenticated);
        decision::decide(&self.token.rights, None, no_domain, origin, || clock::now().0) == Code::Ok
    }

    /// Returns true if the token has a scope on the domain with this name, or account-wide without one. Returns `None` if
    /// the scope or the token is not valid.
    pub fn allows(&mut self, scope: &[u8], domain: Option<&[u8]>) -> Option<bool> {
        let cache = ScopeCache::find(&mut self.scopes, scope, &self.token)?;
        let Some(name) = domain else { return Some(cache.allowed.includes(DomainQuery::AccountWide)) };
        if !name::can_be(name) {
            return Some(false);
        }
        if let Some(allowed) = cache.by_name.get(name) {
            return Some(*allowed);
        }
        let Some(folded) = name::folded(name) else { return Some(false) };
        let allowed = self.read(scope, |reader, token, allowed| {
            let found = reader.domain_by_name(token.account_id, &folded);
            let stamp = found.as_ref().map_or(reader.empty_stamp(), |domain| domain.read_stamp.clone());
            (allowed.includes(token.query_for(found.as_ref())), stamp)
        })?;
        self.make_room_for(name);
        ScopeCache::find(&mut self.scopes, scope, &self.token)?.insert(name, allowed);
        Some(allowed)
    }

    /// Returns the folded names of the domains on which the token has a scope, as a `text[]`.
    pub fn domain_names(&mut self, scope: &[u8]) -> Option<OwnedArray> {
        fn names(cache: &mut ScopeCache) -> &mut Option<OwnedArray> {
            &mut cache.names
        }
        self.array(scope, names, |domains| OwnedArray::new(domains.map(|domain| domain.name).collect::<Vec<_>>()))
    }

    /// Returns the ids of the domains on which the token has a scope, as a `bigint[]`.
    pub fn domain_ids(&mut self, scope: &[u8]) -> Option<OwnedArray> {
        fn ids(cache: &mut ScopeCache) -> &mut Option<OwnedArray> {
            &mut cache.ids
        }
        self.array(scope, ids, |domains| OwnedArray::new(domains.map(|domain| domain.id).collect::<Vec<_>>()))
    }

    fn array(
        &mut self,
        scope: &[u8],
        slot: fn(&mut ScopeCache) -> &mut Option<OwnedArray>,
        make: fn(std::vec::IntoIter<DomainState>) -> OwnedArray,
    ) -> Option<OwnedArray> {
        if let Some(array) = slot(ScopeCache::find(&mut self.scopes, scope, &self.token)?) {
            return Some(array.clone());
        }
        let domains = self.read(scope, |reader, token, allowed| {
            let mut domains = reader.domains(token.account_id, allowed);
            let stamp = domains.iter().try_fold(reader.empty_stamp(), |stamp, domain| stamp.merge(&domain.read_stamp));
            domains.retain(|domain| allowed.includes(token.query_for_id(domain.id, domain.is_verified)));
            (domains, stamp.expect("all were read under one snapshot"))
        })?;
        let array = make(domains.into_iter());
        *slot(ScopeCache::find(&mut self.scopes, scope, &self.token)?) = Some(array.clone());
        Some(array)
    }

    /// Reads what an answer depends on besides the token.
    ///
    /// The token is read again with it if one transaction may have changed both, or if this transaction has written
    /// something since the token was read.
    fn read<T>(
        &mut self,
        scope: &[u8],
        read: impl Fn(&SnapshotReader, &TokenState, &AllowedDomains) -> (T, ReadStamp),
    ) -> Option<T> {
        let allowed = &ScopeCache::find(&mut self.scopes, scope, &self.token)?.allowed;
        let (found, read_stamp) = guarded(|| Ok(read_consistent(|reader| read(reader, &self.token, allowed)).0));
        let is_unaffected_by_own_writes = self.stamp.depends_on_aborts() || !xact::has_transaction_id();
        if self.token.read_stamp.is_consistent_with(&read_stamp) && is_unaffected_by_own_writes {
            return Some(found);
        }
        let (found, is_cacheable) = guarded(|| {
            Ok(read_consistent(|reader| {
                let token = reader.token_by_identity(self.identity)?;
                let allowed = AllowedDomains::of(token.rights.access(), &parse(scope)?);
                let (found, _) = read(reader, &token, &allowed);
                Some((token, found))
            }))
        });
        let Some((token, found)) = found else {
            self.is_cacheable = false;
            return None;
        };
        self.renew(token, is_cacheable);
        self.is_valid().then(|| found)
    }

    /// Replaces the token by a newer read. The answers stay if they are current and the token has the same rights: each of
    /// them was right by itself.
    fn renew(&mut self, token: TokenState, is_cacheable: bool) {
        let renewed = Self::new(token, self.identity, is_cacheable);
        if self.is_current() && self.token.has_same_rights(&renewed.token) {
            *self = Self { scopes: std::mem::take(&mut self.scopes), ..renewed };
        } else {
            *self = renewed;
        }
    }

    /// Empties the cache of names if it would be too large with this one.
    fn make_room_for(&mut self, name: &[u8]) {
        let bytes: usize = self.scopes.iter().map(|cache| cache.name_bytes).sum();
        if bytes + ScopeCache::size_of_name(name) > MAX_NAME_BYTES {
            self.scopes.iter_mut().for_each(ScopeCache::clear_names);
        }
    }
}

/// Parses a scope to ask for.
fn parse(scope: &[u8]) -> Option<Scope<'_>> {
    if scope.len() > scope::MAX_LENGTH {
        return None;
    }
    Scope::parse_question(str::from_utf8(scope).ok()?).ok()
}

impl ScopeCache {
    /// Returns the answers about a scope, or `None` if it cannot be asked for.
    fn find<'a>(caches: &'a mut Vec<ScopeCache>, scope: &[u8], token: &TokenState) -> Option<&'a mut ScopeCache> {
        if let Some(index) = caches.iter().position(|cache| &*cache.scope == scope) {
            return Some(&mut caches[index]);
        }
        let allowed = AllowedDomains::of(token.rights.access(), &parse(scope)?);
        if caches.len() == MAX_CACHED_SCOPES {
            caches.clear();
        }
        caches.push(ScopeCache {
            scope: scope.into(),
            allowed,
            by_name: HashMap::default(),
            name_bytes: 0,
            names: None,
            ids: None,
        });
        caches.last_mut()
    }

    fn insert(&mut self, name: &[u8], allowed: bool) {
        self.name_bytes += Self::size_of_name(name);
        self.by_name.insert(name.into(), allowed);
    }

    fn clear_names(&mut self) {
        self.name_bytes = 0;
        self.by_name = HashMap::default();
    }

    fn size_of_name(name: &[u8]) -> usize {
        /// The bytes of an entry besides the name.
        const ENTRY: usize = 48;
        name.len() + ENTRY
    }
}
