//! Shared memory of the launcher, its workers and the sessions: cells of bytes, and numbers.
//!
//! It exists only if the library is preloaded: [`reserve`] is called while libraries are preloaded. [`is_reserved`] says
//! whether it was. Reading or writing it otherwise is a panic.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use pgrx::lwlock::PgLwLock;
use pgrx::{PGRXSharedMemory, PgAtomic, pg_guard, pg_shmem_init, pg_sys};

/// The most bytes of a cell.
pub const MAX_BYTES: usize = 16384;

#[derive(Clone, Copy)]
struct Bytes {
    length: usize,
    bytes: [u8; MAX_BYTES],
}

impl Default for Bytes {
    fn default() -> Self {
        Self { length: 0, bytes: [0; MAX_BYTES] }
    }
}

// SAFETY: plain values without pointers.
unsafe impl PGRXSharedMemory for Bytes {}

/// A cell of at most [`MAX_BYTES`] bytes. Each read returns what one write has written.
pub struct SharedBytes(&'static PgLwLock<Bytes>);

impl SharedBytes {
    /// Returns a copy of the bytes; none before the first write.
    pub fn read(&self) -> Vec<u8> {
        assert_reserved();
        let cell = *self.0.share();
        cell.bytes[..cell.length].to_vec()
    }

    /// Replaces the bytes.
    ///
    /// # Panics
    ///
    /// Panics if there are more than [`MAX_BYTES`].
    pub fn write(&self, bytes: &[u8]) {
        assert_reserved();
        let mut cell = Bytes { length: bytes.len(), ..Default::default() };
        cell.bytes[..bytes.len()].copy_from_slice(bytes);
        *self.0.exclusive() = cell;
    }
}

/// A number, 0 when the server starts.
pub struct SharedNumber(&'static PgAtomic<AtomicI64>);

impl SharedNumber {
    /// Returns the number.
    pub fn get(&self) -> i64 {
        assert_reserved();
        self.0.get().load(Ordering::SeqCst)
    }

    /// Replaces the number.
    pub fn set(&self, number: i64) {
        assert_reserved();
        self.0.get().store(number, Ordering::SeqCst);
    }

    /// Adds one.
    pub fn increment(&self) {
        assert_reserved();
        self.0.get().fetch_add(1, Ordering::SeqCst);
    }
}

/// The task of the worker that runs, or ran last.
pub static TASK: SharedBytes = SharedBytes(&TASK_LOCK);

/// The report of the worker that runs, or ran last.
pub static REPORT: SharedBytes = SharedBytes(&REPORT_LOCK);

/// What the worker that runs, or ran last, was about to do.
pub static ATTEMPT: SharedBytes = SharedBytes(&ATTEMPT_LOCK);

/// How many times the extension was created in a database since the server started.
pub static INSTALLATIONS: SharedNumber = SharedNumber(&INSTALLATIONS_ATOMIC);

/// The process id of the launcher, or 0 before its first start.
pub static LAUNCHER: SharedNumber = SharedNumber(&LAUNCHER_ATOMIC);

// SAFETY: initialised by `reserve` before a process uses it, here and below: `assert_reserved` is called first.
static TASK_LOCK: PgLwLock<Bytes> = unsafe { PgLwLock::new(c"token_auth_task") };
// SAFETY: as above.
static REPORT_LOCK: PgLwLock<Bytes> = unsafe { PgLwLock::new(c"token_auth_report") };
// SAFETY: as above.
static ATTEMPT_LOCK: PgLwLock<Bytes> = unsafe { PgLwLock::new(c"token_auth_attempt") };
// SAFETY: as above.
static INSTALLATIONS_ATOMIC: PgAtomic<AtomicI64> = unsafe { PgAtomic::new(c"token_auth_installations") };
// SAFETY: as above.
static LAUNCHER_ATOMIC: PgAtomic<AtomicI64> = unsafe { PgAtomic::new(c"token_auth_launcher") };

static RESERVED: AtomicBool = AtomicBool::new(false);

/// Returns true if the library was preloaded, so that there is shared memory.
pub fn is_reserved() -> bool {
    RESERVED.load(Ordering::Relaxed)
}

fn assert_reserved() {
    assert!(is_reserved(), "token_auth is not preloaded: it has no shared memory");
}

/// Requests the shared memory. It must be called while libraries are preloaded.
pub fn reserve() {
    // The macro defines functions with fixed names, so each use needs a scope of its own.
    fn task() {
        pg_shmem_init!(TASK_LOCK);
    }
    fn report() {
        pg_shmem_init!(REPORT_LOCK);
    }
    fn attempt() {
        pg_shmem_init!(ATTEMPT_LOCK);
    }
    fn installations() {
        pg_shmem_init!(INSTALLATIONS_ATOMIC);
    }
    fn launcher() {
        pg_shmem_init!(LAUNCHER_ATOMIC);
    }
    task();
    report();
    attempt();
    installations();
    launcher();
    RESERVED.store(true, Ordering::Relaxed);
}
