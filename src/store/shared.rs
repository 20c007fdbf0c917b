//! What the launcher is told through shared memory: by its worker, of which there is one at a time, how that ended, and
//! by sessions that a database is getting the extension.

use std::sync::atomic::{AtomicI64, Ordering};

use pgrx::{PgAtomic, pg_guard, pg_shmem_init, pg_sys};

/// How the last worker ended, as [`Report`] encodes it.
// SAFETY: initialised in `reserve` before any process uses it.
static REPORT: PgAtomic<AtomicI64> = unsafe { PgAtomic::new(c"token_auth_worker_report") };

/// How often the extension was created in some database since the server started.
// SAFETY: as above.
static INSTALLATIONS: PgAtomic<AtomicI64> = unsafe { PgAtomic::new(c"token_auth_installations") };

/// Tells the launcher that a database is about to have the extension. Where the library is preloaded only.
pub fn announce_installation() {
    INSTALLATIONS.get().fetch_add(1, Ordering::SeqCst);
}

/// How often [`announce_installation`] was called since the server started.
pub fn installations() -> i64 {
    INSTALLATIONS.get().load(Ordering::SeqCst)
}

/// What a worker found in its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It ended before it could tell.
    Nothing,
    /// The database does not have the extension.
    NoExtension,
    /// It removed so many tokens, and there is no more to do.
    Done(i64),
    /// It removed so many tokens, and its time was over before its work.
    More(i64),
}

impl Report {
    pub fn clear() {
        REPORT.get().store(encode(Report::Nothing), Ordering::SeqCst);
    }

    pub fn send(self) {
        REPORT.get().store(encode(self), Ordering::SeqCst);
    }

    pub fn receive() -> Self {
        match REPORT.get().load(Ordering::SeqCst) {
            -1 => Report::NoExtension,
            code if code <= 0 => Report::Nothing,
            code if code % 2 == 1 => Report::Done((code - 1) / 2),
            code => Report::More((code - 2) / 2),
        }
    }
}

/// Asks for the shared memory. While libraries are preloaded only.
pub fn reserve() {
    reserve_report();
    reserve_installations();
}

// The macro defines functions of fixed names, so each use of it needs a function around it.
fn reserve_report() {
    pg_shmem_init!(REPORT);
}

fn reserve_installations() {
    pg_shmem_init!(INSTALLATIONS);
}

fn encode(report: Report) -> i64 {
    match report {
        Report::NoExtension => -1,
        Report::Nothing => 0,
        Report::Done(removed) => 2 * removed + 1,
        Report::More(removed) => 2 * removed + 2,
    }
}
