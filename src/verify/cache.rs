//! The session's cache of tokens, accounts and domains, so that a repeated verification reads no table.
//!
//! An entry is current as long as no invalidation message has arrived about what it was read from: see `invalidation.rs`.
//! All entries together take at most `token_auth.cache_size`.
//!
//! That a token or a domain does not exist is not cached. So invented secrets and names take no room, and a session that
//! is asked about a token before its creator commits does not answer "not found" for longer than that.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use token_auth_core::cache::{Cache, Equivalent, HeapSize};
use token_auth_core::decision::DomainQuery;
use token_auth_core::scheme::Scheme;
use token_auth_core::secret::{self, Digest};

use super::invalidation::Stamp;
use super::state::{AccountState, CachedToken, DomainState};
use crate::guc;

/// The key of a cached token.
///
/// A secret of our own form and its digest are one key. For other secrets the two differ: a digest that is presented as a secret
/// must not find the token of that digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenKey {
    /// The scheme of the digest, or `None` for SHA-256 of a whole secret that another system made.
    scheme: Option<Scheme>,
    digest: Digest,
}

impl TokenKey {
    /// The key of a token whose digest is presented, or whose secret has our own form.
    pub fn of_digest(scheme: Scheme, digest: Digest) -> Self {
        Self { scheme: Some(scheme), digest }
    }

    /// The key of a token whose secret another system made.
    pub fn of_imported(secret: &[u8]) -> Self {
        Self { scheme: None, digest: secret::digest(secret) }
    }
}

/// Returns the token with this key, and the query for the domain with this folded name, if both are cached and consistent.
pub fn find(key: &TokenKey, name: Option<&str>) -> Option<(Rc<CachedToken>, DomainQuery)> {
    let cached = token(key)?;
    let Some(name) = name else { return Some((cached, DomainQuery::AccountWide)) };
    let query = cached.token.query_for(Some(&*consistent_domain(&cached, name)?));
    Some((cached, query))
}

/// Returns the domain of a token's account with this folded name, if it is consistent with the token.
pub fn consistent_domain(cached: &CachedToken, name: &str) -> Option<Rc<DomainState>> {
    domain(cached.token.account_id, name).filter(|domain| cached.is_consistent_with(domain))
}

fn token(key: &TokenKey) -> Option<Rc<CachedToken>> {
    get(&KeyRef::Token(key), |state, stamp| match state {
        CachedState::Token(cached) if stamp.is_current_for_token(cached.token.id, cached.token.account_id) => {
            Some(Rc::clone(cached))
        }
        _ => None,
    })
}

/// Returns an account.
pub fn account(id: i64) -> Option<AccountState> {
    get(&KeyRef::Account(id), |state, stamp| match state {
        CachedState::Account(account) if stamp.is_current_for_account(id) => Some(AccountState::clone(account)),
        _ => None,
    })
}

fn domain(account_id: i64, folded: &str) -> Option<Rc<DomainState>> {
    get(&KeyRef::Domain(account_id, folded), |state, stamp| match state {
        CachedState::Domain(domain) if stamp.is_current_for_account(account_id) => Some(Rc::clone(domain)),
        _ => None,
    })
}

/// Inserts a token that was just read.
pub fn insert_token(key: TokenKey, cached: &Rc<CachedToken>) {
    let stamp = Stamp::of_token(cached.token.id, cached.token.account_id);
    insert(Key::Token(key), CachedState::Token(Rc::clone(cached)), stamp);
}

/// Inserts an account that was just read.
pub fn insert_account(id: i64, account: AccountState) {
    insert(Key::Account(id), CachedState::Account(Rc::new(account)), Stamp::of_account(id));
}

/// Inserts a domain that was just read.
pub fn insert_domain(account_id: i64, domain: &Rc<DomainState>) {
    let key = Key::Domain(account_id, domain.name.as_str().into());
    insert(key, CachedState::Domain(Rc::clone(domain)), Stamp::of_account(account_id));
}

/// The expected bytes of an entry, all included.
const EXPECTED_ENTRY_SIZE: usize = 680;

/// The hasher is seeded, so that no caller can choose keys that collide.
type Entries = Cache<Key, Entry, foldhash::fast::RandomState>;

struct TokenCache {
    /// The value of `token_auth.cache_size` that it was made for.
    size: usize,
    entries: Entries,
}

thread_local! {
    static CACHE: RefCell<Option<TokenCache>> = const { RefCell::new(None) };
}

fn get<T>(key: &KeyRef<'_>, read: impl FnOnce(&CachedState, &Stamp) -> Option<T>) -> Option<T> {
    with_entries(|entries| entries.get(key).and_then(|entry| read(&entry.state, &entry.stamp)))?
}

fn insert(key: Key, state: CachedState, stamp: Stamp) {
    with_entries(|entries| entries.insert(key, Entry { stamp, state }));
}

/// Calls `act` with the entries. Returns `None` if the cache is turned off.
fn with_entries<T>(act: impl FnOnce(&mut Entries) -> T) -> Option<T> {
    let size = guc::cache_size();
    CACHE.with_borrow_mut(|cache| {
        if cache.as_ref().is_none_or(|cache| cache.size != size) {
            *cache = (size > 0)
                .then(|| TokenCache { size, entries: Entries::new(size, EXPECTED_ENTRY_SIZE, Default::default()) });
        }
        cache.as_mut().map(|cache| act(&mut cache.entries))
    })
}

struct Entry {
    stamp: Stamp,
    state: CachedState,
}

enum CachedState {
    Token(Rc<CachedToken>),
    Account(Rc<AccountState>),
    Domain(Rc<DomainState>),
}

/// The bytes of an allocation beyond those asked for, with the two counters of an `Rc`.
const ALLOC_OVERHEAD: usize = 32;

impl HeapSize for Entry {
    fn heap_size(&self) -> usize {
        ALLOC_OVERHEAD
            + match &self.state {
                CachedState::Token(cached) => size_of::<CachedToken>() + cached.heap_size(ALLOC_OVERHEAD),
                CachedState::Account(account) => {
                    let name = account.name.heap_size(ALLOC_OVERHEAD);
                    size_of::<AccountState>() + name + account.read_stamp.heap_size(ALLOC_OVERHEAD)
                }
                CachedState::Domain(domain) => {
                    let name = ALLOC_OVERHEAD + domain.name.len();
                    size_of::<DomainState>() + name + domain.read_stamp.heap_size(ALLOC_OVERHEAD)
                }
            }
    }
}

#[derive(PartialEq, Eq)]
enum Key {
    Token(TokenKey),
    Account(i64),
    Domain(i64, Box<str>),
}

/// A borrowed [`Key`].
enum KeyRef<'a> {
    Token(&'a TokenKey),
    Account(i64),
    Domain(i64, &'a str),
}

impl HeapSize for Key {
    fn heap_size(&self) -> usize {
        match self {
            Key::Token(_) | Key::Account(_) => 0,
            Key::Domain(_, name) => ALLOC_OVERHEAD + name.len(),
        }
    }
}

impl Key {
    fn as_ref(&self) -> KeyRef<'_> {
        match self {
            Key::Token(key) => KeyRef::Token(key),
            Key::Account(id) => KeyRef::Account(*id),
            Key::Domain(account_id, name) => KeyRef::Domain(*account_id, name),
        }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (KeyRef::Token(key), Key::Token(other)) => *key == other,
            (KeyRef::Account(id), Key::Account(other)) => id == other,
            (KeyRef::Domain(account_id, name), Key::Domain(other_account, other_name)) => {
                account_id == other_account && **name == **other_name
            }
            _ => false,
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_ref().hash(hasher);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            // A digest is uniformly distributed, so a part of it is enough.
            KeyRef::Token(key) => hasher.write(&key.digest[..8]),
            KeyRef::Account(id) => id.hash(hasher),
            KeyRef::Domain(account_id, name) => (account_id, name).hash(hasher),
        }
    }
}
