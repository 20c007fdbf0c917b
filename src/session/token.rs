//! What the token as which the transaction acts may do, current from call to call.
//!
//! A policy may ask for each row, so an answer is looked up and no more, as long as nothing that it depends on has changed:
//! see `store/invalidation.rs`. Only the readings can fail, so only they are wrapped for it.

use std::cell::RefCell;
use std::collections::HashMap;

use token_auth_core::decision::{self, AllowedDomains, DomainQuery};
use token_auth_core::mvcc::ReadStamp;
use token_auth_core::name;
use token_auth_core::scope::{self, Scope};

use crate::error::guarded;
use crate::pg::datum::OwnedArray;
use crate::pg::inval::{self, Stamp};
use crate::pg::protected_guc::{self, Identity};
use crate::pg::server;
use crate::verify::reader::{self, DomainState, SnapshotReader, TokenState};

/// How many scopes are current. Who asks for more begins anew.
const SCOPES: usize = 16;
/// How many bytes of names are current, roughly. Who asks for more begins anew.
const NAMES: usize = 4 << 20;

/// A token that is good, and what was asked about it.
pub struct SessionToken {
    pub token: TokenState,
    identity: Identity,
    /// Of the token and of all scopes.
    stamp: Stamp,
    /// It can be current for the next call.
    cacheable: bool,
    scopes: Vec<ScopeCache>,
}

/// What was asked about one scope.
struct ScopeCache {
    scope: Box<[u8]>,
    reach: AllowedDomains,
    by_name: HashMap<Box<[u8]>, bool, foldhash::fast::RandomState>,
    bytes: usize,
    names: Option<OwnedArray>,
    ids: Option<OwnedArray>,
}

/// Asks about the token as which the transaction acts. `None` where it acts as none, or where that one is no longer good.
pub fn with_current<T>(question: impl FnOnce(&mut SessionToken) -> T) -> Option<T> {
    thread_local! {
        static CURRENT: RefCell<Option<SessionToken>> = const { RefCell::new(None) };
    }
    let identity = protected_guc::current_identity()?;
    inval::accept_messages();
    CURRENT.with_borrow_mut(|current| {
        if !current.as_ref().is_some_and(|session_token| session_token.is_of(identity)) {
            *current = None;
            let (token, cacheable) =
                guarded(|| Ok(reader::read_consistent(|reading| reading.token_with_identity(identity))));
            // That there is none is not current.
            *current = Some(SessionToken::new(token?, identity, cacheable));
        }
        let session_token = current.as_mut().filter(|session_token| session_token.is_good())?;
        Some(question(session_token))
    })
}

impl SessionToken {
    fn new(token: TokenState, identity: Identity, cacheable: bool) -> Self {
        let stamp = Stamp::of_token(token.id, token.account_id);
        Self { token, identity, stamp, cacheable, scopes: Vec::new() }
    }

    fn is_of(&self, identity: Identity) -> bool {
        self.cacheable && self.identity == identity && self.is_current()
    }

    fn is_current(&self) -> bool {
        self.stamp.is_current_for_token(self.token.id, self.token.account_id)
    }

    fn is_good(&self) -> bool {
        let facts = &self.token.facts;
        !facts.paused && facts.expires_at.is_none_or(|expiry| !decision::has_expired(Some(expiry), server::now().0))
    }

    /// Whether it may do this on the domain of this name, or account-wide where there is none.
    pub fn allows(&mut self, scope: &[u8], domain: Option<&[u8]>) -> Option<bool> {
        let scopes = ScopeCache::about(&mut self.scopes, scope, &self.token)?;
        let Some(name) = domain else { return Some(scopes.reach.includes(DomainQuery::AccountWide)) };
        if !name::can_be(name) {
            return Some(false);
        }
        if let Some(allowed) = scopes.by_name.get(name) {
            return Some(*allowed);
        }
        let Some(folded) = name::folded(name) else { return Some(false) };
        let allowed = self.look(scope, |reading, token, reach| {
            let found = reading.domain_named(token.account_id, &folded);
            let stamp = found.as_ref().map_or(reading.stamp(), |domain| domain.stamp.clone());
            (reach.includes(token.domain(found.as_ref())), stamp)
        })?;
        self.make_room(name);
        ScopeCache::about(&mut self.scopes, scope, &self.token)?.insert(name, allowed);
        Some(allowed)
    }

    /// The folded names of the domains on which it may do this, as a `text[]`.
    pub fn domain_names(&mut self, scope: &[u8]) -> Option<OwnedArray> {
        fn names(scopes: &mut ScopeCache) -> &mut Option<OwnedArray> {
            &mut scopes.names
        }
        self.array(scope, names, |domains| OwnedArray::array(domains.map(|domain| domain.name).collect::<Vec<_>>()))
    }

    /// The ids of the domains on which it may do this, as a `bigint[]`.
    pub fn domain_ids(&mut self, scope: &[u8]) -> Option<OwnedArray> {
        fn ids(scopes: &mut ScopeCache) -> &mut Option<OwnedArray> {
            &mut scopes.ids
        }
        self.array(scope, ids, |domains| OwnedArray::array(domains.map(|domain| domain.id).collect::<Vec<_>>()))
    }

    fn array(
        &mut self,
        scope: &[u8],
        place: fn(&mut ScopeCache) -> &mut Option<OwnedArray>,
        make: fn(std::vec::IntoIter<DomainState>) -> OwnedArray,
    ) -> Option<OwnedArray> {
        if let Some(array) = place(ScopeCache::about(&mut self.scopes, scope, &self.token)?) {
            return Some(array.clone());
        }
        let domains = self.look(scope, |reading, token, reach| {
            let mut domains = reading.domains(token.account_id, reach);
            // All are of one reading.
            let stamp = domains.iter().try_fold(reading.stamp(), |stamp, domain| stamp.merge(&domain.stamp));
            domains.retain(|domain| reach.includes(token.usable(domain.id, domain.is_verified)));
            (domains, stamp.expect("one reading is one moment"))
        })?;
        let array = make(domains.into_iter());
        *place(ScopeCache::about(&mut self.scopes, scope, &self.token)?) = Some(array.clone());
        Some(array)
    }

    /// Reads what an answer depends on beside the token. Where one transaction may have changed both, or this one has
    /// written something since the token was read, the token is read anew with it.
    fn look<T>(
        &mut self,
        scope: &[u8],
        read: impl Fn(&SnapshotReader, &TokenState, &AllowedDomains) -> (T, ReadStamp),
    ) -> Option<T> {
        let reach = &ScopeCache::about(&mut self.scopes, scope, &self.token)?.reach;
        let (found, stamp) = guarded(|| Ok(reader::read_consistent(|reading| read(reading, &self.token, reach)).0));
        if self.token.stamp.is_consistent_with(&stamp) && (self.stamp.depends_on_aborts() || !server::has_written()) {
            return Some(found);
        }
        let (found, cacheable) = guarded(|| {
            Ok(reader::read_consistent(|reading| {
                let token = reading.token_with_identity(self.identity)?;
                let reach = AllowedDomains::of(token.facts.access(), &question(scope)?);
                let (found, _) = read(reading, &token, &reach);
                Some((token, found))
            }))
        });
        let Some((token, found)) = found else {
            self.cacheable = false;
            return None;
        };
        self.renew(token, cacheable);
        self.is_good().then(|| found)
    }

    /// ScopeCache stay that are as good as they were. Each was right by itself.
    fn renew(&mut self, token: TokenState, cacheable: bool) {
        let renewed = Self::new(token, self.identity, cacheable);
        if self.is_current() && self.token.means_the_same(&renewed.token) {
            *self = Self { scopes: std::mem::take(&mut self.scopes), ..renewed };
        } else {
            *self = renewed;
        }
    }

    /// All names are forgotten where there would be too many with this one.
    fn make_room(&mut self, name: &[u8]) {
        let bytes: usize = self.scopes.iter().map(|scopes| scopes.bytes).sum();
        if bytes + ScopeCache::size_of_name(name) > NAMES {
            self.scopes.iter_mut().for_each(ScopeCache::forget_names);
        }
    }
}

/// `None` where that is nothing that can be asked about.
fn question(scope: &[u8]) -> Option<Scope<'_>> {
    if scope.len() > scope::MAX_LENGTH {
        return None;
    }
    Scope::parse_question(str::from_utf8(scope).ok()?).ok()
}

impl ScopeCache {
    /// What was asked about a scope; `None` where that is nothing that can be asked about.
    fn about<'a>(scopes: &'a mut Vec<ScopeCache>, scope: &[u8], token: &TokenState) -> Option<&'a mut ScopeCache> {
        if let Some(place) = scopes.iter().position(|cached| &*cached.scope == scope) {
            return Some(&mut scopes[place]);
        }
        let reach = AllowedDomains::of(token.facts.access(), &question(scope)?);
        if scopes.len() == SCOPES {
            scopes.clear();
        }
        scopes.push(ScopeCache {
            scope: scope.into(),
            reach,
            by_name: HashMap::default(),
            bytes: 0,
            names: None,
            ids: None,
        });
        Some(scopes.last_mut().expect("it was just put there"))
    }

    fn insert(&mut self, name: &[u8], allowed: bool) {
        self.bytes += Self::size_of_name(name);
        self.by_name.insert(name.into(), allowed);
    }

    fn forget_names(&mut self) {
        self.bytes = 0;
        self.by_name = HashMap::default();
    }

    fn size_of_name(name: &[u8]) -> usize {
        /// Of an entry, beside the name itself.
        const ENTRY: usize = 48;
        name.len() + ENTRY
    }
}
