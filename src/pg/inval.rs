//! How a backend hears that what it has read of our tables is out of date.
//!
//! PostgreSQL's shared invalidation (utils/cache/inval.c) tells every backend of a database when a relation's cache entry
//! goes stale: at the commit of whoever changed it, after the change has become visible; to the changing backend itself at
//! its next command and again when it rolls back; through the WAL to hot standbys; for a prepared transaction when that is
//! committed. A trigger on each of our tables sends such a message for a *sentinel*: an OID that names no relation, so that
//! nobody but the callback here takes notice. There are a thousand sentinels for tokens, by their ids, half as many for
//! accounts with their domains, and one for what all accounts share (profiles).
//!
//! The callback runs inside any lock acquisition of any backend, so it does nothing but count.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use pgrx::pg_sys;

use super::server;

/// Sentinels of tokens and of accounts. More of them mean that a change flushes less of what a backend remembers. All of them
/// together are fewer than the messages from which on PostgreSQL thinks its queue full (half of MAXNUMMESSAGES in
/// storage/ipc/sinvaladt.c), whatever a statement changes.
const TOKENS: usize = 1024;
const ACCOUNTS: usize = 512;
/// The last OIDs there are. The counter of OIDs gets here once in four thousand million; a relation that had one of them
/// would cost flushes, and nothing else.
const FIRST_SENTINEL: u32 = u32::MAX - (TOKENS + ACCOUNTS) as u32;
const FIRST_OF_ACCOUNTS: u32 = FIRST_SENTINEL + TOKENS as u32;
const SHARED_SENTINEL: u32 = u32::MAX;

/// How many relations can be watched.
const WATCHED: usize = 16;

static TOKEN_CHANGES: [AtomicU64; TOKENS] = [const { AtomicU64::new(0) }; TOKENS];
static ACCOUNT_CHANGES: [AtomicU64; ACCOUNTS] = [const { AtomicU64::new(0) }; ACCOUNTS];
static SHARED_CHANGES: AtomicU64 = AtomicU64::new(0);
/// Of our relations themselves, or of everything, which is what PostgreSQL says when messages were lost.
static RELATION_CHANGES: AtomicU64 = AtomicU64::new(0);
/// All of these together.
static CHANGES: AtomicU64 = AtomicU64::new(0);
/// Of any relation that there is, be it ours or not.
static ANY_CHANGES: AtomicU64 = AtomicU64::new(0);
/// Of transactions and subtransactions of this backend; and how many it has prepared.
static ABORTS: AtomicU64 = AtomicU64::new(0);
/// Whether something changed each time that [`watch`] found out last.
static NEVER_CEASE: AtomicBool = AtomicBool::new(false);
static WATCHED_RELATIONS: [AtomicU32; WATCHED] = [const { AtomicU32::new(0) }; WATCHED];

/// The state of the world that something was read in. What was read is good for as long.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// How often anything of it had changed: the counters only grow, so their sum is the same as long as each of them is.
    changes: u64,
    /// How many transactions had been rolled back or prepared, where this one had written something: it sees what it wrote, and of
    /// a statement that fails nothing is announced.
    aborts: u64,
}

/// In the place of a number of transactions, where none matters.
const NO_MATTER: u64 = u64::MAX;

impl Stamp {
    /// For what depends on a token and its account.
    pub fn of_token(token_id: i64, account_id: i64) -> Self {
        Self::now(changes_of_token(token_id, account_id))
    }

    /// For what depends on an account, its domains and its profile.
    pub fn of_account(account_id: i64) -> Self {
        Self::now(changes_of_account(account_id))
    }

    /// Whether it is lost when the transaction, or a part of it, is rolled back.
    pub fn depends_on_aborts(&self) -> bool {
        self.aborts != NO_MATTER
    }

    pub fn is_current_for_token(&self, token_id: i64, account_id: i64) -> bool {
        self.is_current(changes_of_token(token_id, account_id))
    }

    pub fn is_current_for_account(&self, account_id: i64) -> bool {
        self.is_current(changes_of_account(account_id))
    }

    fn now(changes: u64) -> Self {
        Self { changes, aborts: if server::has_written() { ABORTS.load(Relaxed) } else { NO_MATTER } }
    }

    fn is_current(&self, changes: u64) -> bool {
        self.changes == changes && (self.aborts == NO_MATTER || self.aborts == ABORTS.load(Relaxed))
    }
}

fn changes_of_token(token_id: i64, account_id: i64) -> u64 {
    changes_of_account(account_id) + TOKEN_CHANGES[slot(token_id, TOKENS)].load(Relaxed)
}

fn changes_of_account(account_id: i64) -> u64 {
    let account = ACCOUNT_CHANGES[slot(account_id, ACCOUNTS)].load(Relaxed);
    account + SHARED_CHANGES.load(Relaxed) + RELATION_CHANGES.load(Relaxed)
}

/// How many changes of ours have been heard of. As long as it is the same, nothing that was read has changed, as far as
/// this backend knows.
pub fn changes() -> u64 {
    CHANGES.load(Relaxed)
}

/// Listens for the rest of this process.
pub fn register_callbacks() {
    // SAFETY: while the library is loaded, by the process's one thread. The callbacks never raise an error.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(count), pg_sys::Datum::from(0));
        pg_sys::RegisterXactCallback(Some(count_abort), ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(count_abort_of_subtransaction), ptr::null_mut());
    }
}

/// Takes in what has been said until now. Without it, a backend that takes no lock hears nothing.
pub fn accept_messages() {
    // SAFETY: inside a transaction.
    unsafe { pg_sys::AcceptInvalidationMessages() }
}

/// Tells every backend, when this transaction commits, that this token or its access has changed.
pub fn invalidate_token(id: i64) {
    send(FIRST_SENTINEL + slot(id, TOKENS) as u32);
}

/// Tells every backend, when this transaction commits, that this account or one of its domains has changed.
pub fn invalidate_account(id: i64) {
    send(FIRST_OF_ACCOUNTS + slot(id, ACCOUNTS) as u32);
}

/// Tells every backend, when this transaction commits, that something has changed that all accounts share.
pub fn invalidate_shared() {
    send(SHARED_SENTINEL);
}

/// Finds out about relations, and watches those from then on. `find` is repeated where a relation changed meanwhile, so
/// that no change falls between the finding and the watching. Where changes never cease, what is found last is good for
/// now: its stamp is never that of the watched relations, so the next caller finds out again.
pub fn watch<T>(mut find: impl FnMut() -> T, relations: impl Fn(&T) -> Vec<pg_sys::Oid>) -> (T, RelationStamp) {
    const TIMES: usize = 5;
    // Once they did not cease, they are not waited for again and again.
    let most = if changes_never_cease() { 1 } else { TIMES };
    let mut times = 0;
    loop {
        let before = ANY_CHANGES.load(Relaxed);
        let found = find();
        let oids = relations(&found);
        assert!(oids.len() <= WATCHED, "{} relations are too many to watch", oids.len());
        for (watched, oid) in WATCHED_RELATIONS.iter().zip(oids) {
            watched.store(oid.to_u32(), Relaxed);
        }
        let stamp = RelationStamp::now();
        let is_undisturbed = ANY_CHANGES.load(Relaxed) == before;
        times += 1;
        if is_undisturbed || times == most {
            NEVER_CEASE.store(!is_undisturbed, Relaxed);
            add_one(&CHANGES);
            return (found, if is_undisturbed { stamp } else { RelationStamp::NEVER });
        }
    }
}

/// Whether something changed each time that [`watch`] found out last. `debug_discard_caches` has each lookup of PostgreSQL's
/// send a message that everything has.
pub fn changes_never_cease() -> bool {
    NEVER_CEASE.load(Relaxed)
}

/// The state of the watched relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationStamp(u64);

impl RelationStamp {
    const NEVER: Self = Self(u64::MAX);

    pub fn now() -> Self {
        Self(RELATION_CHANGES.load(Relaxed))
    }
}

fn slot(id: i64, slots: usize) -> usize {
    id as usize % slots
}

fn send(sentinel: u32) {
    /// A row of pg_class, as far as `CacheInvalidateRelcacheByTuple` looks at it: its OID, and that it is of this database.
    #[repr(C, align(8))]
    struct ResultRow {
        header: MaybeUninit<[u8; HEADER]>,
        class: pg_sys::FormData_pg_class,
    }
    const HEADER: usize = (size_of::<pg_sys::HeapTupleHeaderData>() + 7) & !7;
    // SAFETY: both are plain C structures, for which all zeros is a value.
    let mut row: ResultRow = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut tuple: pg_sys::HeapTupleData = unsafe { std::mem::zeroed() };
    row.class.oid = pg_sys::Oid::from(sentinel);
    tuple.t_data = (&raw mut row).cast();
    tuple.t_len = size_of::<ResultRow>() as u32;
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
    if relation < FIRST_SENTINEL {
        add_one(&ANY_CHANGES);
    }
    let changed = match relation {
        SHARED_SENTINEL => &SHARED_CHANGES,
        FIRST_OF_ACCOUNTS.. => &ACCOUNT_CHANGES[(relation - FIRST_OF_ACCOUNTS) as usize],
        FIRST_SENTINEL.. => &TOKEN_CHANGES[(relation - FIRST_SENTINEL) as usize],
        0 => &RELATION_CHANGES,
        _ if WATCHED_RELATIONS.iter().any(|watched| watched.load(Relaxed) == relation) => &RELATION_CHANGES,
        _ => return,
    };
    add_one(changed);
    add_one(&CHANGES);
}

/// A statement announces its changes when it ends, and one that fails announces nothing. What was read in the midst of it,
/// by a trigger or in RETURNING, saw changes that never came to be. A new row is not announced at all. What is prepared is
/// rolled back as far as this backend is concerned, until somebody commits it.
unsafe extern "C-unwind" fn count_abort(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_PARALLEL_ABORT, XACT_EVENT_PREPARE};
    if matches!(event, XACT_EVENT_ABORT | XACT_EVENT_PARALLEL_ABORT | XACT_EVENT_PREPARE) {
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
