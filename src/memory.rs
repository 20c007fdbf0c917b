//! What this backend remembers of tokens, accounts and domains, so that a verification that was asked before reads nothing.
//!
//! An entry is good as long as PostgreSQL's shared invalidation has told of no change to what it was read from: see
//! `store/invalidation.rs`. All of them together take at most `token_auth.cache_size`. That there is no such token, or no
//! such domain, is not remembered: whoever makes up secrets and names gets no room, and who is told of a token before it
//! has been committed does not hear "no" for longer than that.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use token_auth_core::cache::{Cache, Equivalent, HeapSize};
use token_auth_core::secret::Digest;

use crate::facts::{Account, Known, NamedDomain};
use crate::settings;
use crate::store::invalidation::Mark;

/// The token with this digest, as it is now.
pub fn token(digest: &Digest) -> Option<Rc<Known>> {
    look(&Query::Token(digest), |fact, mark| match fact {
        Fact::Token(known) if mark.holds_for_token(known.token.id, known.token.account_id) => Some(Rc::clone(known)),
        _ => None,
    })
}

pub fn account(id: i64) -> Option<Account> {
    look(&Query::Account(id), |fact, mark| match fact {
        Fact::Account(account) if mark.holds_for_account(id) => Some(Account::clone(account)),
        _ => None,
    })
}

/// The domain of an account with this name, folded.
pub fn domain(account_id: i64, folded: &str) -> Option<Rc<NamedDomain>> {
    look(&Query::Domain(account_id, folded), |fact, mark| match fact {
        Fact::Domain(domain) if mark.holds_for_account(account_id) => Some(Rc::clone(domain)),
        _ => None,
    })
}

pub fn keep_token(known: &Rc<Known>) {
    let mark = Mark::of_token(known.token.id, known.token.account_id);
    keep(Key::Token(*known.token.digest()), Fact::Token(Rc::clone(known)), mark);
}

pub fn keep_account(id: i64, account: Account) {
    keep(Key::Account(id), Fact::Account(Rc::new(account)), Mark::of_account(id));
}

pub fn keep_domain(account_id: i64, domain: &Rc<NamedDomain>) {
    let key = Key::Domain(account_id, domain.name.as_str().into());
    keep(key, Fact::Domain(Rc::clone(domain)), Mark::of_account(account_id));
}

/// A usual entry in all, in bytes.
const USUAL: usize = 680;

/// Seeded, so that nobody can choose names that collide.
type Memory = Cache<Key, Entry, foldhash::fast::RandomState>;

struct Remembered {
    /// The setting that it was made for.
    size: usize,
    memory: Memory,
}

thread_local! {
    static REMEMBERED: RefCell<Option<Remembered>> = const { RefCell::new(None) };
}

fn look<T>(query: &Query<'_>, read: impl FnOnce(&Fact, &Mark) -> Option<T>) -> Option<T> {
    with(|memory| memory.get(query).and_then(|entry| read(&entry.fact, &entry.mark)))?
}

fn keep(key: Key, fact: Fact, mark: Mark) {
    with(|memory| memory.insert(key, Entry { mark, fact }));
}

/// `None` where nothing is to be remembered.
fn with<T>(act: impl FnOnce(&mut Memory) -> T) -> Option<T> {
    let size = settings::cache_size();
    REMEMBERED.with_borrow_mut(|remembered| {
        if remembered.as_ref().is_none_or(|remembered| remembered.size != size) {
            *remembered = (size > 0).then(|| Remembered { size, memory: Memory::new(size, USUAL, Default::default()) });
        }
        remembered.as_mut().map(|remembered| act(&mut remembered.memory))
    })
}

struct Entry {
    mark: Mark,
    fact: Fact,
}

enum Fact {
    Token(Rc<Known>),
    Account(Rc<Account>),
    Domain(Rc<NamedDomain>),
}

/// What an allocation takes beside what was asked for, with the two counters of an `Rc`.
const ALLOCATION: usize = 32;

impl HeapSize for Entry {
    fn heap_size(&self) -> usize {
        ALLOCATION
            + match &self.fact {
                Fact::Token(known) => size_of::<Known>() + known.heap_size(ALLOCATION),
                Fact::Account(account) => size_of::<Account>() + account.seen.heap_size(ALLOCATION),
                Fact::Domain(domain) => {
                    let name = ALLOCATION + domain.name.len();
                    size_of::<NamedDomain>() + name + domain.seen.heap_size(ALLOCATION)
                }
            }
    }
}

#[derive(PartialEq, Eq)]
enum Key {
    Token(Digest),
    Account(i64),
    Domain(i64, Box<str>),
}

enum Query<'a> {
    Token(&'a Digest),
    Account(i64),
    Domain(i64, &'a str),
}

impl HeapSize for Key {
    fn heap_size(&self) -> usize {
        match self {
            Key::Token(_) | Key::Account(_) => 0,
            Key::Domain(_, name) => ALLOCATION + name.len(),
        }
    }
}

impl Key {
    fn query(&self) -> Query<'_> {
        match self {
            Key::Token(digest) => Query::Token(digest),
            Key::Account(id) => Query::Account(*id),
            Key::Domain(account_id, name) => Query::Domain(*account_id, name),
        }
    }
}

impl Equivalent<Key> for Query<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (Query::Token(digest), Key::Token(other)) => *digest == other,
            (Query::Account(id), Key::Account(other)) => id == other,
            (Query::Domain(account_id, name), Key::Domain(other_account, other_name)) => {
                account_id == other_account && **name == **other_name
            }
            _ => false,
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.query().hash(hasher);
    }
}

impl Hash for Query<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            Query::Token(digest) => hasher.write(&digest[..8]),
            Query::Account(id) => id.hash(hasher),
            Query::Domain(account_id, name) => (account_id, name).hash(hasher),
        }
    }
}
