//! What the launcher, its workers and sessions tell each other through shared memory: what a worker is to do and how far
//! it came, of which there is one at a time, that a database is getting the extension, and who the launcher is.

use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use pgrx::lwlock::PgLwLock;
use pgrx::{PGRXSharedMemory, PgAtomic, pg_guard, pg_shmem_init, pg_sys};

/// What the worker that runs, or ran last, is to do and has done.
// SAFETY: initialised in `reserve` before any process uses it.
static WORK: PgLwLock<Work> = unsafe { PgLwLock::new(c"token_auth_work") };

/// How often the extension was created in some database since the server started.
// SAFETY: as above.
static INSTALLATIONS: PgAtomic<AtomicI64> = unsafe { PgAtomic::new(c"token_auth_installations") };

/// The process id of the launcher, or 0 before its first start.
// SAFETY: as above.
static LAUNCHER: PgAtomic<AtomicI32> = unsafe { PgAtomic::new(c"token_auth_launcher") };

/// Tells the launcher that a database is about to have the extension. Where the library is preloaded only.
pub fn announce_installation() {
    INSTALLATIONS.get().fetch_add(1, Ordering::SeqCst);
}

/// How often [`announce_installation`] was called since the server started.
pub fn installations() -> i64 {
    INSTALLATIONS.get().load(Ordering::SeqCst)
}

/// Tells sessions that this process is the launcher.
pub fn announce_launcher(pid: i32) {
    LAUNCHER.get().store(pid, Ordering::SeqCst);
}

/// Whether the launcher runs. Where the library is preloaded only.
pub fn launcher_runs() -> bool {
    let pid = LAUNCHER.get().load(Ordering::SeqCst);
    // SAFETY: looks the process up in shared memory.
    pid != 0 && unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

/// A place among the tokens that are due, which are in the order of their expiry and then of their id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Microseconds, as in `timestamptz`.
    pub expires_at: i64,
    pub id: i64,
}

impl Position {
    /// Above every token.
    pub const TOP: Self = Self { expires_at: i64::MAX, id: i64::MAX };
    /// Below every token.
    pub const END: Self = Self { expires_at: i64::MIN, id: i64::MIN };
}

/// Tokens that are due and could not be removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeldTokens {
    pub count: u32,
    /// The same, where one that takes long counts as many.
    pub weight: u32,
    reasons: [Reason; REASONS],
    /// How many of them have a reason that is not listed.
    pub others: u32,
}

/// A worker reports so many different reasons.
const REASONS: usize = 4;

/// HoldReason some of them could not be removed.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    pub count: u32,
    pub why: HoldReason,
    length: u16,
    text: [u8; REASON_TEXT],
}

const REASON_TEXT: usize = 250;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// Rows of another table refer to them. The text names the table.
    Referenced,
    /// Somebody else has locked them, or rows that go with them.
    Locked,
    /// A trigger kept them without an error.
    OwnedVarlena,
    /// It would take too long.
    Slow,
    /// Another error, with this SQLSTATE. The text is the message of the first of them: those of a trigger may tell of each
    /// row something else.
    Failed(i32),
}

impl Default for Reason {
    fn default() -> Self {
        Self { count: 0, why: HoldReason::OwnedVarlena, length: 0, text: [0; REASON_TEXT] }
    }
}

impl Reason {
    pub fn text(&self) -> &str {
        str::from_utf8(&self.text[..self.length.into()]).unwrap_or_default()
    }
}

impl HeldTokens {
    pub fn add(&mut self, count: u32, why: HoldReason, text: &str) {
        let text = &text[..text.floor_char_boundary(REASON_TEXT)];
        /// It takes up to two seconds, where another one takes less than a millisecond.
        const SLOW: u32 = 50;
        self.count += count;
        self.weight += if why == HoldReason::Slow { count * SLOW } else { count };
        let is_same =
            |reason: &Reason| reason.why == why && (matches!(why, HoldReason::Failed(_)) || reason.text() == text);
        match self.reasons.iter_mut().find(|reason| reason.count == 0 || is_same(reason)) {
            Some(reason) if reason.count > 0 => reason.count += count,
            Some(reason) => {
                *reason = Reason { count, why, length: text.len() as u16, text: [0; REASON_TEXT] };
                reason.text[..text.len()].copy_from_slice(text.as_bytes());
            }
            None => self.others += count,
        }
    }

    pub fn add_all(&mut self, other: &Self) {
        other.reasons().for_each(|reason| self.add(reason.count, reason.why, reason.text()));
        self.count += other.others;
        self.weight += other.others;
        self.others += other.others;
    }

    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter().filter(|reason| reason.count > 0)
    }
}

/// What a worker is to do in its database.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Where to begin.
    pub from: Position,
    /// How many tokens to delete at once.
    pub size: i64,
    /// How far to try them one by one: among these is one at which a worker had to be ended.
    pub careful_until: Position,
    /// Where to stop: after so many tokens that cannot go.
    pub most_held: u32,
}

/// How far it came.
#[derive(Clone, Copy, Debug)]
pub struct SweepReport {
    pub outcome: Outcome,
    pub removed: i64,
    pub held: HeldTokens,
    /// Where to go on, and with how many tokens at once.
    pub next: Position,
    pub size: i64,
    /// What it was at when it ended, where that was in the midst of it.
    pub attempt: Option<Attempt>,
}

/// Tokens that are tried together.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// That of the last of them.
    pub last: Position,
    pub size: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended before it could tell.
    Nothing,
    /// The database does not have the extension.
    NoExtension,
    /// It is not to be worked in now.
    NotNow,
    /// There may be more to do.
    More,
    /// It tried all that was due.
    Done,
}

#[derive(Clone, Copy)]
struct Work {
    task: Task,
    report: SweepReport,
}

impl Default for Work {
    fn default() -> Self {
        let task = Task { from: Position::TOP, size: 0, careful_until: Position::TOP, most_held: 0 };
        Self { task, report: SweepReport::before(&task) }
    }
}

// SAFETY: plain values without pointers.
unsafe impl PGRXSharedMemory for Work {}

impl Task {
    /// For the worker that is about to be started.
    pub fn assign(self) {
        *WORK.exclusive() = Work { task: self, report: SweepReport::before(&self) };
    }

    /// The task of this worker.
    pub fn receive() -> Self {
        WORK.share().task
    }
}

impl SweepReport {
    /// Before anything was done.
    pub fn before(task: &Task) -> Self {
        let (next, size) = (task.from, task.size);
        Self { outcome: Outcome::Nothing, removed: 0, held: HeldTokens::default(), next, size, attempt: None }
    }

    /// Says what this worker is at.
    pub fn tell(attempt: Option<Attempt>) {
        WORK.exclusive().report.attempt = attempt;
    }

    pub fn send(self) {
        WORK.exclusive().report = self;
    }

    /// What the worker that has ended sent last.
    pub fn receive() -> Self {
        WORK.share().report
    }
}

/// Asks for the shared memory. While libraries are preloaded only.
pub fn reserve() {
    reserve_work();
    reserve_installations();
    reserve_launcher();
}

// The macro defines functions of fixed names, so each use of it needs a function around it.
fn reserve_work() {
    pg_shmem_init!(WORK);
}

fn reserve_installations() {
    pg_shmem_init!(INSTALLATIONS);
}

fn reserve_launcher() {
    pg_shmem_init!(LAUNCHER);
}
