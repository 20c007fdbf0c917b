//! How a backend hears that what it has read of our tables is out of date.
//!
//! PostgreSQL's shared invalidation (utils/cache/inval.c) tells every backend of a database when a relation's cache entry
//! goes stale: at the commit of whoever changed it, after the change has become visible; to the changing backend itself at
//! its next command and again when it rolls back; through the WAL to hot standbys; for a prepared transaction when that is
//! committed. A trigger on each of our tables sends such a message for a *sentinel*: an OID that names no relation, so that
//! nobody but the callback here takes notice. There is one sentinel for what tokens share (profiles, accounts, domains),
//! and a few hundred for tokens, by their ids.
//!
//! The callback runs inside any lock acquisition of any backend, so it does nothing but count.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use pgrx::pg_sys;

/// Sentinels of tokens. More of them mean that a change flushes less of what a backend remembers.
const TOKENS: usize = 256;
/// The last OIDs there are. The counter of OIDs gets here once in four thousand million; a relation that had one of them
/// would cost flushes, and nothing else.
const FIRST_SENTINEL: u32 = u32::MAX - TOKENS as u32;
const SHARED_SENTINEL: u32 = FIRST_SENTINEL + TOKENS as u32;

/// How many relations can be watched.
const WATCHED: usize = 16;

static TOKEN_CHANGES: [AtomicU64; TOKENS] = [const { AtomicU64::new(0) }; TOKENS];
static SHARED_CHANGES: AtomicU64 = AtomicU64::new(0);
/// Of our relations themselves, or of everything, which is what PostgreSQL says when messages were lost.
static RELATION_CHANGES: AtomicU64 = AtomicU64::new(0);
/// Of any relation, be it ours or not.
static ANY_CHANGES: AtomicU64 = AtomicU64::new(0);
/// Of transactions and subtransactions of this backend.
static ABORTS: AtomicU64 = AtomicU64::new(0);
static WATCHED_RELATIONS: [AtomicU32; WATCHED] = [const { AtomicU32::new(0) }; WATCHED];

/// The state of the world that something about a token was read in. What was read is good as long as the mark is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    relations: u64,
    shared: u64,
    token: u64,
    aborts: u64,
}

impl Mark {
    pub fn of_token(id: i64) -> Self {
        Self {
            relations: RELATION_CHANGES.load(Relaxed),
            shared: SHARED_CHANGES.load(Relaxed),
            token: TOKEN_CHANGES[bucket(id)].load(Relaxed),
            aborts: ABORTS.load(Relaxed),
        }
    }
}

/// Listens for the rest of this process.
pub fn listen() {
    // SAFETY: while the library is loaded, by the process's one thread. The callbacks never raise an error.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(count), pg_sys::Datum::from(0));
        pg_sys::RegisterXactCallback(Some(count_abort), ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(count_abort_of_subtransaction), ptr::null_mut());
    }
}

/// Takes in what has been said until now. Without it, a backend that takes no lock hears nothing.
pub fn accept() {
    // SAFETY: inside a transaction.
    unsafe { pg_sys::AcceptInvalidationMessages() }
}

/// Tells every backend, when this transaction commits, that this token or its access has changed.
pub fn announce_token(id: i64) {
    announce(FIRST_SENTINEL + bucket(id) as u32);
}

/// Tells every backend, when this transaction commits, that something has changed that many tokens share.
pub fn announce_shared() {
    announce(SHARED_SENTINEL);
}

/// Finds out about relations, and watches those from then on. `find` is repeated where a relation changed meanwhile, so
/// that no change falls between the finding and the watching.
pub fn watch<T>(mut find: impl FnMut() -> T, relations: impl Fn(&T) -> Vec<pg_sys::Oid>) -> (T, RelationMark) {
    loop {
        let before = ANY_CHANGES.load(Relaxed);
        let found = find();
        let oids = relations(&found);
        assert!(oids.len() <= WATCHED, "{} relations are too many to watch", oids.len());
        for (watched, oid) in WATCHED_RELATIONS.iter().zip(oids) {
            watched.store(oid.to_u32(), Relaxed);
        }
        let mark = RelationMark::now();
        if ANY_CHANGES.load(Relaxed) == before {
            return (found, mark);
        }
    }
}

/// The state of the watched relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationMark(u64);

impl RelationMark {
    pub fn now() -> Self {
        Self(RELATION_CHANGES.load(Relaxed))
    }
}

fn bucket(token_id: i64) -> usize {
    token_id as usize % TOKENS
}

fn announce(sentinel: u32) {
    /// A row of pg_class, as far as `CacheInvalidateRelcacheByTuple` looks at it: its OID, and that it is of this database.
    #[repr(C, align(8))]
    struct Row {
        header: MaybeUninit<[u8; HEADER]>,
        class: pg_sys::FormData_pg_class,
    }
    const HEADER: usize = (size_of::<pg_sys::HeapTupleHeaderData>() + 7) & !7;
    // SAFETY: both are plain C structures, for which all zeros is a value.
    let mut row: Row = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut tuple: pg_sys::HeapTupleData = unsafe { std::mem::zeroed() };
    row.class.oid = pg_sys::Oid::from(sentinel);
    tuple.t_data = (&raw mut row).cast();
    tuple.t_len = size_of::<Row>() as u32;
    // SAFETY: the header is of a tuple without NULLs, whose data begin at `t_hoff`; all of it outlives the call, which
    // reads two columns of fixed width and keeps nothing.
    unsafe {
        (*tuple.t_data).t_hoff = HEADER as u8;
        pg_sys::CacheInvalidateRelcacheByTuple(&raw mut tuple);
    }
}

/// Nothing in here may borrow, allocate or raise an error.
unsafe extern "C-unwind" fn count(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    let relation = relation.to_u32();
    add_one(&ANY_CHANGES);
    if relation == SHARED_SENTINEL {
        add_one(&SHARED_CHANGES);
    } else if relation >= FIRST_SENTINEL {
        add_one(&TOKEN_CHANGES[(relation - FIRST_SENTINEL) as usize]);
    } else if relation == 0 || WATCHED_RELATIONS.iter().any(|watched| watched.load(Relaxed) == relation) {
        add_one(&RELATION_CHANGES);
    }
}

/// A statement announces its changes when it ends, and one that fails announces nothing. What was read in the midst of it,
/// by a trigger or in RETURNING, saw changes that never came to be.
unsafe extern "C-unwind" fn count_abort(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    if matches!(event, pg_sys::XactEvent::XACT_EVENT_ABORT | pg_sys::XactEvent::XACT_EVENT_PARALLEL_ABORT) {
        add_one(&ABORTS);
    }
}

unsafe extern "C-unwind" fn count_abort_of_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    _subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        add_one(&ABORTS);
    }
}

/// A process has one thread, so nobody else counts meanwhile.
fn add_one(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}
