//! Invalidation messages: counters that every session keeps, and messages that advance them in every session.
//!
//! PostgreSQL's shared invalidation (utils/cache/inval.c) informs every session of a database when the cache entry of a
//! relation is out of date:
//!
//! - other sessions when the changing transaction commits, after its changes have become visible;
//! - the changing session at its next command, and again when it rolls back;
//! - hot standbys, through the WAL;
//! - for a prepared transaction, when that is committed.
//!
//! The messages here are about *slots*. A slot is the OID of a relation that does not exist, so only the callback in this
//! file acts on a message about it. The callback runs inside any lock acquisition of any session, so it only counts.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use pgrx::pg_sys;

/// The number of slots.
///
/// If one statement sends a message about every slot, the messages must still fit: PostgreSQL treats its queue as full from
/// 2,048 messages on (half of MAXNUMMESSAGES in storage/ipc/sinvaladt.c).
pub const SLOTS: usize = 1024 + 512 + 2;

/// The OID of slot 0. The slots have the last OIDs that exist.
///
/// The counter of OIDs arrives here once in four thousand million. A relation with one of these OIDs would cause needless
/// invalidations, and no other harm.
const FIRST_SLOT_OID: u32 = u32::MAX - (SLOTS as u32 - 1);

/// The most relations that can be watched.
const MAX_WATCHED: usize = 16;

static SLOT_COUNTS: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
/// Messages about the watched relations, or about everything, which is what PostgreSQL sends if messages were lost.
static WATCHED_COUNT: AtomicU64 = AtomicU64::new(0);
/// Grows whenever one of the counts above does.
static TOTAL_COUNT: AtomicU64 = AtomicU64::new(0);
/// Messages about any relation that exists.
static RELATION_COUNT: AtomicU64 = AtomicU64::new(0);
/// Transactions and subtransactions of this session that were rolled back or prepared.
static ABORT_COUNT: AtomicU64 = AtomicU64::new(0);
/// Messages arrived each time that [`watch`] last tried to find its relations.
static MESSAGES_NEVER_CEASE: AtomicBool = AtomicBool::new(false);
static WATCHED_RELATIONS: [AtomicU32; MAX_WATCHED] = [const { AtomicU32::new(0) }; MAX_WATCHED];

/// Returns the number of messages about a slot.
pub fn slot_count(slot: usize) -> u64 {
    SLOT_COUNTS[slot].load(Relaxed)
}

/// Returns the number of messages about the watched relations.
pub fn watched_count() -> u64 {
    WATCHED_COUNT.load(Relaxed)
}

/// Returns the number of messages about slots and watched relations. While it stays the same, every
/// [`slot_count`] and [`watched_count`] does.
pub fn total_count() -> u64 {
    TOTAL_COUNT.load(Relaxed)
}

/// Returns the number of transactions and subtransactions of this session that were rolled back or prepared.
///
/// A statement sends its messages when it ends, and a statement that fails sends none. A read within it, by a trigger or in
/// RETURNING, may have seen changes that were undone. For this session, preparing a transaction undoes its changes until
/// it is committed.
pub fn abort_count() -> u64 {
    ABORT_COUNT.load(Relaxed)
}

/// Registers the callbacks that count, for the rest of this process.
pub fn register_callbacks() {
    // SAFETY: called while the library is loaded, by the only thread of the process. The callbacks raise no error.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(count_message), pg_sys::Datum::from(0));
        pg_sys::RegisterXactCallback(Some(count_abort), ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(count_subtransaction_abort), ptr::null_mut());
    }
}

/// Accepts the messages that have arrived. A session that takes no lock accepts none otherwise.
pub fn accept_messages() {
    // SAFETY: inside a transaction.
    unsafe { pg_sys::AcceptInvalidationMessages() }
}

/// Sends a message about a slot to every session when this transaction commits.
pub fn send(slot: usize) {
    /// The columns of pg_class that `CacheInvalidateRelcacheByTuple` reads: the OID, and whether the relation is shared.
    #[repr(C, align(8))]
    struct ClassTuple {
        header: MaybeUninit<[u8; HEADER]>,
        class: pg_sys::FormData_pg_class,
    }
    const HEADER: usize = (size_of::<pg_sys::HeapTupleHeaderData>() + 7) & !7;
    // SAFETY: all zeros is a valid value of both C structures.
    let mut class_tuple: ClassTuple = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut tuple: pg_sys::HeapTupleData = unsafe { std::mem::zeroed() };
    class_tuple.class.oid = pg_sys::Oid::from(FIRST_SLOT_OID + slot as u32);
    tuple.t_data = (&raw mut class_tuple).cast();
    tuple.t_len = size_of::<ClassTuple>() as u32;
    // SAFETY: the header is that of a tuple without NULLs, whose data begin at `t_hoff`. The tuple outlives the call, which
    // reads two columns of fixed width and keeps nothing.
    unsafe {
        (*tuple.t_data).t_hoff = HEADER as u8;
        pg_sys::CacheInvalidateRelcacheByTuple(&raw mut tuple);
    }
}

/// Finds relations and watches them from then on. Returns what `find` found, with the state that it was found in.
///
/// `find` is repeated if a relation changed meanwhile, so that no change falls between finding and watching. If messages
/// never cease, the last finding is returned with a state that is never current, so that the next caller finds again.
pub fn watch<T>(mut find: impl FnMut() -> T, relations: impl Fn(&T) -> Vec<pg_sys::Oid>) -> (T, WatchStamp) {
    const ATTEMPTS: usize = 5;
    // If they did not cease last time, it is not worth waiting for.
    let limit = if messages_never_cease() { 1 } else { ATTEMPTS };
    let mut attempts = 0;
    loop {
        let before = RELATION_COUNT.load(Relaxed);
        let found = find();
        let oids = relations(&found);
        assert!(oids.len() <= MAX_WATCHED, "{} relations are too many to watch", oids.len());
        for (watched, oid) in WATCHED_RELATIONS.iter().zip(oids) {
            watched.store(oid.to_u32(), Relaxed);
        }
        let stamp = WatchStamp::current();
        let is_undisturbed = RELATION_COUNT.load(Relaxed) == before;
        attempts += 1;
        if is_undisturbed || attempts == limit {
            MESSAGES_NEVER_CEASE.store(!is_undisturbed, Relaxed);
            increment(&TOTAL_COUNT);
            return (found, if is_undisturbed { stamp } else { WatchStamp::NEVER });
        }
    }
}

/// Returns true if messages arrived each time that [`watch`] last tried to find its relations.
///
/// With `debug_discard_caches` each catalog lookup causes a message about everything.
pub fn messages_never_cease() -> bool {
    MESSAGES_NEVER_CEASE.load(Relaxed)
}

/// The state of the watched relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchStamp(u64);

impl WatchStamp {
    const NEVER: Self = Self(u64::MAX);

    /// Returns the current state.
    pub fn current() -> Self {
        Self(watched_count())
    }
}

/// Counts a message. It must not borrow, allocate or raise an error.
unsafe extern "C-unwind" fn count_message(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    let relation = relation.to_u32();
    if relation < FIRST_SLOT_OID {
        increment(&RELATION_COUNT);
    }
    let count = match relation {
        FIRST_SLOT_OID.. => &SLOT_COUNTS[(relation - FIRST_SLOT_OID) as usize],
        0 => &WATCHED_COUNT,
        _ if WATCHED_RELATIONS.iter().any(|watched| watched.load(Relaxed) == relation) => &WATCHED_COUNT,
        _ => return,
    };
    increment(count);
    increment(&TOTAL_COUNT);
}

unsafe extern "C-unwind" fn count_abort(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_PARALLEL_ABORT, XACT_EVENT_PREPARE};
    if matches!(event, XACT_EVENT_ABORT | XACT_EVENT_PARALLEL_ABORT | XACT_EVENT_PREPARE) {
        increment(&ABORT_COUNT);
    }
}

unsafe extern "C-unwind" fn count_subtransaction_abort(
    event: pg_sys::SubXactEvent::Type,
    _subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        increment(&ABORT_COUNT);
    }
}

/// Adds one. The process has one thread, so no other code counts meanwhile.
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}
