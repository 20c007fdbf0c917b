//! What this backend remembers of tokens, accounts and domains, so that a verification that was asked before reads nothing.
//!
//! An entry is good as long as PostgreSQL's shared invalidation has told of no change to what it was read from: see
//! `store/invalidation.rs`. All of them together take at most `token_auth.cache_size`. That there is no such token, or no
//! such domain, is not cache: whoever makes up secrets and names gets no room, and who is told of a token before it
//! has been committed does not hear "no" for longer than that.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use token_auth_core::cache::{Cache, Equivalent, HeapSize};
use token_auth_core::secret::Digest;

use crate::guc;
use crate::pg::inval::Stamp;
use crate::verify::reader::{AccountState, CachedToken, DomainState};

/// The token with this digest, as it is now.
pub fn token(digest: &Digest) -> Option<Rc<CachedToken>> {
    get(&KeyRef::Token(digest), |fact, stamp| match fact {
        Fact::Token(cached) if stamp.is_current_for_token(cached.token.id, cached.token.account_id) => {
            Some(Rc::clone(cached))
        }
        _ => None,
    })
}

pub fn account(id: i64) -> Option<AccountState> {
    get(&KeyRef::Account(id), |fact, stamp| match fact {
        Fact::Account(account) if stamp.is_current_for_account(id) => Some(AccountState::clone(account)),
        _ => None,
    })
}

/// The domain of an account with this name, folded.
pub fn domain(account_id: i64, folded: &str) -> Option<Rc<DomainState>> {
    get(&KeyRef::Domain(account_id, folded), |fact, stamp| match fact {
        Fact::Domain(domain) if stamp.is_current_for_account(account_id) => Some(Rc::clone(domain)),
        _ => None,
    })
}

pub fn insert_token(cached: &Rc<CachedToken>) {
    let stamp = Stamp::of_token(cached.token.id, cached.token.account_id);
    insert(CacheKey::Token(*cached.token.digest()), Fact::Token(Rc::clone(cached)), stamp);
}

pub fn insert_account(id: i64, account: AccountState) {
    insert(CacheKey::Account(id), Fact::Account(Rc::new(account)), Stamp::of_account(id));
}

pub fn insert_domain(account_id: i64, domain: &Rc<DomainState>) {
    let key = CacheKey::Domain(account_id, domain.name.as_str().into());
    insert(key, Fact::Domain(Rc::clone(domain)), Stamp::of_account(account_id));
}

/// A usual entry in all, in bytes.
const EXPECTED_ENTRY_SIZE: usize = 680;

/// Seeded, so that nobody can choose names that collide.
type Entries = Cache<CacheKey, Entry, foldhash::fast::RandomState>;

struct TokenCache {
    /// The setting that it was made for.
    size: usize,
    entries: Entries,
}

thread_local! {
    static CACHE: RefCell<Option<TokenCache>> = const { RefCell::new(None) };
}

fn get<T>(key: &KeyRef<'_>, read: impl FnOnce(&Fact, &Stamp) -> Option<T>) -> Option<T> {
    with(|entries| entries.get(key).and_then(|entry| read(&entry.fact, &entry.stamp)))?
}

fn insert(key: CacheKey, fact: Fact, stamp: Stamp) {
    with(|entries| entries.insert(key, Entry { stamp, fact }));
}

/// `None` where nothing is to be cache.
fn with<T>(act: impl FnOnce(&mut Entries) -> T) -> Option<T> {
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
    fact: Fact,
}

enum Fact {
    Token(Rc<CachedToken>),
    Account(Rc<AccountState>),
    Domain(Rc<DomainState>),
}

/// What an allocation takes beside what was asked for, with the two counters of an `Rc`.
const ALLOC_OVERHEAD: usize = 32;

impl HeapSize for Entry {
    fn heap_size(&self) -> usize {
        ALLOC_OVERHEAD
            + match &self.fact {
                Fact::Token(cached) => size_of::<CachedToken>() + cached.heap_size(ALLOC_OVERHEAD),
                Fact::Account(account) => size_of::<AccountState>() + account.stamp.heap_size(ALLOC_OVERHEAD),
                Fact::Domain(domain) => {
                    let name = ALLOC_OVERHEAD + domain.name.len();
                    size_of::<DomainState>() + name + domain.stamp.heap_size(ALLOC_OVERHEAD)
                }
            }
    }
}

#[derive(PartialEq, Eq)]
enum CacheKey {
    Token(Digest),
    Account(i64),
    Domain(i64, Box<str>),
}

enum KeyRef<'a> {
    Token(&'a Digest),
    Account(i64),
    Domain(i64, &'a str),
}

impl HeapSize for CacheKey {
    fn heap_size(&self) -> usize {
        match self {
            CacheKey::Token(_) | CacheKey::Account(_) => 0,
            CacheKey::Domain(_, name) => ALLOC_OVERHEAD + name.len(),
        }
    }
}

impl CacheKey {
    fn as_ref(&self) -> KeyRef<'_> {
        match self {
            CacheKey::Token(digest) => KeyRef::Token(digest),
            CacheKey::Account(id) => KeyRef::Account(*id),
            CacheKey::Domain(account_id, name) => KeyRef::Domain(*account_id, name),
        }
    }
}

impl Equivalent<CacheKey> for KeyRef<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        match (self, key) {
            (KeyRef::Token(digest), CacheKey::Token(other)) => *digest == other,
            (KeyRef::Account(id), CacheKey::Account(other)) => id == other,
            (KeyRef::Domain(account_id, name), CacheKey::Domain(other_account, other_name)) => {
                account_id == other_account && **name == **other_name
            }
            _ => false,
        }
    }
}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_ref().hash(hasher);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            KeyRef::Token(digest) => hasher.write(&digest[..8]),
            KeyRef::Account(id) => id.hash(hasher),
            KeyRef::Domain(account_id, name) => (account_id, name).hash(hasher),
        }
    }
}
