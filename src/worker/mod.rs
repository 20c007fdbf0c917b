//! The background worker: a launcher, and workers that it starts one after another.
//!
//! The launcher is connected to no database. Each round it reads which databases there are and starts a worker in
//! each; that worker looks whether the database has the extension, removes what is due for at most [`AT_A_TIME`], and
//! ends. No process stays connected: DROP DATABASE waits five seconds for others to leave, and always finds a moment. A
//! database with more to do than that gets another turn after the others had theirs.
//!
//! A worker deletes as the owner of our tables. Triggers of other tables that this sets off run as a role without any
//! right, in a security-restricted operation.

use std::collections::HashMap;
use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{
    BackgroundWorker, BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime, DynamicBackgroundWorker,
    SignalWakeFlags,
};
use pgrx::{IntoDatum, log, pg_guard, pg_sys, warning};

use crate::guc;
use crate::manage::sweep::{self, BATCH, Limits, Walk, counted};
use crate::model::roles;
use crate::pg::bgworker::{self, Scratch};
use crate::pg::databases::{self, Database};
use crate::pg::server;
use crate::pg::shmem::{self, HeldTokens, HoldReason, Outcome, Position, SweepReport, Task};
use crate::pg::spi::Query;
use crate::pg::user::UserSwitch;

/// How long one worker works before it lets go of its database.
const AT_A_TIME: Duration = Duration::from_millis(500);
/// How long one worker may take, come what may: a token whose deletion takes longer stays.
const AT_MOST: Duration = Duration::from_secs(2);
/// How long the launcher waits for a worker before it ends it, should that not have happened by itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many tokens a worker deletes at once in the beginning. What a token takes along is not known.
const FIRST_BATCH: i64 = 125;
/// How long it takes for several at once, until they are tried in smaller parts.
const PART: Duration = Duration::from_millis(300);
/// How long a database with more to do is left alone: DROP DATABASE looks for others ten times a second.
const BETWEEN: Duration = Duration::from_millis(250);
/// A database without the extension is looked at in one round of so many, and in each of so many rounds after the
/// extension was created somewhere: the launcher cannot know where, nor when that commits.
const ROUNDS_BETWEEN_LOOKS: u32 = 10;
/// Tokens that cannot go, of which a round tries so many among the latest that are due, and so many of the others.
const MOST_HELD: u32 = 1000;

/// A token at which a worker had to be ended counts as so many more of them: each takes [`PATIENCE`].
const ENDED: u32 = 50;

static REGISTERED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Has the postmaster start the launcher, once recovery is over: on a standby there is nothing to do.
pub fn register() {
    shmem::reserve();
    BackgroundWorkerBuilder::new("token_auth launcher")
        .set_type("token_auth launcher")
        .set_library("token_auth")
        .set_function("token_auth_launcher_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(Duration::from_secs(5)))
        .load();
    REGISTERED.store(true, std::sync::atomic::Ordering::Relaxed);
}

/// Whether the library was preloaded, so that a launcher runs or will.
pub fn is_registered() -> bool {
    REGISTERED.load(std::sync::atomic::Ordering::Relaxed)
}

/// Whether the launcher runs. Where the server has just been started, it gets a moment to come up. Where the library was
/// preloaded only.
pub fn is_starting_or_running() -> bool {
    const TIMES: u32 = 20;
    const BETWEEN: Duration = Duration::from_millis(50);
    (0..TIMES).any(|time| {
        if time > 0 {
            server::pause(BETWEEN);
        }
        shmem::launcher_runs()
    })
}

#[pg_guard]
#[allow(unsafe_code, reason = "PostgreSQL finds the function by its name")]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn token_auth_launcher_main(_argument: pg_sys::Datum) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    BackgroundWorker::connect_worker_to_spi(None, None);
    shmem::announce_launcher(bgworker::id());
    let mut launcher = Launcher::default();
    let mut scratch = Scratch::new();
    let mut round_began = None::<Instant>;
    loop {
        let left = round_began.map_or(Duration::ZERO, |began| guc::sweep_interval().saturating_sub(began.elapsed()));
        if left.is_zero() {
            round_began = Some(Instant::now());
            scratch.lend(|| launcher.begin_round());
        }
        match launcher.next_turn() {
            Some(wait) if wait.is_zero() => scratch.lend(|| launcher.take_turn()),
            Some(wait) => sleep(wait.min(left)),
            None => sleep(left),
        }
    }
}

/// Sleeps until a signal comes, at most so long, and does what the signal asks for.
fn sleep(time: Duration) {
    // A zero would be rounded to no wait at all.
    let go_on = BackgroundWorker::wait_latch(Some(time.max(Duration::from_millis(1))));
    if BackgroundWorker::sighup_received() {
        bgworker::reload_settings();
    }
    if !go_on {
        bgworker::exit_to_be_restarted();
    }
}

#[derive(Default)]
struct Launcher {
    /// The databases in which this round, or one before it, has something to do.
    busy: Vec<DatabaseSweep>,
    /// What is kept of a database from round to round.
    known: HashMap<pg_sys::Oid, DatabaseState>,
    /// The databases that did not have the extension when they were looked at, and in how many rounds to look again.
    without_extension: HashMap<pg_sys::Oid, u32>,
    /// It was reported that no background worker is free.
    is_short_of_workers: bool,
    /// How often the extension had been created when a round last began.
    installations: i64,
    /// In how many rounds to look at every database.
    look_everywhere: u32,
    /// The names in `token_auth.databases` that were reported as unknown already.
    reported: Vec<String>,
    /// Removed since that was last told, and from how many databases.
    removed: i64,
    swept: i64,
}

/// A round in one database.
struct DatabaseSweep {
    database: Database,
    /// When its next turn is.
    at: Instant,
    from: Position,
    careful_until: Position,
    /// Whether the latest tokens that are due were tried, and those that were left from another round have their turn.
    is_among_the_others: bool,
    removed: i64,
    held: HeldTokens,
    /// Of them, those of the part that the sweep is in.
    held_in_part: u32,
}

#[derive(Clone, Copy)]
struct DatabaseState {
    /// How many tokens to delete at once.
    size: i64,
    /// Where to go on among the tokens that the last round did not try.
    rest: Option<Position>,
}

impl Default for DatabaseState {
    fn default() -> Self {
        Self { size: FIRST_BATCH, rest: None }
    }
}

impl Launcher {
    fn begin_round(&mut self) {
        // Where a sweep takes longer than a round, each round tells what was done.
        self.tell();
        let databases = self.databases_to_look_at();
        self.known.retain(|oid, _| databases.iter().any(|database| database.oid == *oid));
        for database in databases {
            if !self.busy.iter().any(|sweep| sweep.database.oid == database.oid) {
                self.busy.push(DatabaseSweep::begin(database));
            }
        }
    }

    /// How long until the next turn; `None` where there is none in this round.
    fn next_turn(&self) -> Option<Duration> {
        let next = self.busy.iter().map(|sweep| sweep.at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Whose turn it is has a worker for a while.
    fn take_turn(&mut self) {
        let Some(place) = (0..self.busy.len()).min_by_key(|place| self.busy[*place].at) else { return };
        let mut sweep = self.busy.remove(place);
        let known = self.known.entry(sweep.database.oid).or_default();
        let task = Task {
            from: sweep.from,
            size: known.size,
            careful_until: sweep.careful_until,
            most_held: MOST_HELD - sweep.held_in_part.min(MOST_HELD),
        };
        let report = run_worker(&sweep.database, task);
        if report.is_none() && !self.is_short_of_workers {
            warning!("token_auth: no background worker is free; raise max_worker_processes");
        }
        self.is_short_of_workers = report.is_none();
        if let Some(report) = report {
            known.size = report.size;
            if report.outcome == Outcome::NoExtension {
                self.without_extension.insert(sweep.database.oid, ROUNDS_BETWEEN_LOOKS);
            }
            if sweep.takes_another_turn(&report, known) {
                return self.busy.push(sweep);
            }
        }
        self.end(&sweep);
    }

    fn end(&mut self, sweep: &DatabaseSweep) {
        self.removed += sweep.removed;
        self.swept += i64::from(sweep.removed > 0);
        if sweep.held.count > 0 {
            sweep::report(&sweep.held, Some(&sweep.database.name));
        }
        if self.busy.is_empty() {
            self.tell();
        }
    }

    fn tell(&mut self) {
        for sweep in &mut self.busy {
            self.swept += i64::from(sweep.removed > 0);
            self.removed += std::mem::take(&mut sweep.removed);
        }
        let (removed, swept) = (std::mem::take(&mut self.removed), std::mem::take(&mut self.swept));
        if removed > 0 {
            log!("token_auth: removed {} from {}", counted(removed, "expired token"), counted(swept, "database"));
        }
    }

    fn databases_to_look_at(&mut self) -> Vec<Database> {
        let wanted = guc::databases();
        let mut databases = databases::connectable();
        self.report_unknown(&wanted, &databases);
        self.without_extension.retain(|oid, _| databases.iter().any(|database| database.oid == *oid));
        let installations = shmem::installations();
        if installations != self.installations {
            self.installations = installations;
            self.look_everywhere = ROUNDS_BETWEEN_LOOKS;
        }
        if self.look_everywhere > 0 {
            self.look_everywhere -= 1;
            self.without_extension.clear();
        }
        databases.retain(|database| {
            if !wanted.is_empty() && !wanted.contains(&database.name) {
                return false;
            }
            match self.without_extension.get_mut(&database.oid) {
                Some(rounds) if *rounds > 1 => {
                    *rounds -= 1;
                    false
                }
                _ => {
                    self.without_extension.remove(&database.oid);
                    true
                }
            }
        });
        databases
    }

    fn report_unknown(&mut self, wanted: &[String], databases: &[Database]) {
        let is_known = |name: &String| databases.iter().any(|database| database.name == *name);
        let unknown: Vec<_> = wanted.iter().filter(|name| !is_known(name)).cloned().collect();
        for name in unknown.iter().filter(|name| !self.reported.contains(name)) {
            warning!("token_auth.databases names \"{name}\", which does not exist or allows no connections");
        }
        self.reported = unknown;
    }
}

impl DatabaseSweep {
    fn begin(database: Database) -> Self {
        Self {
            database,
            at: Instant::now(),
            from: Position::TOP,
            careful_until: Position::TOP,
            is_among_the_others: false,
            removed: 0,
            held: HeldTokens::default(),
            held_in_part: 0,
        }
    }

    /// Takes in what a worker did, and returns whether there is more to do in this round.
    ///
    /// Tokens that cannot go must not keep the round from what can. It walks down from the latest expiry until it has met
    /// [`MOST_HELD`] of them, and then from where the last round stopped, until it has met as many again.
    fn takes_another_turn(&mut self, report: &SweepReport, known: &mut DatabaseState) -> bool {
        self.removed += report.removed;
        self.held.add_all(&report.held);
        self.held_in_part += report.held.weight;
        self.from = report.next;
        self.at = Instant::now() + BETWEEN;
        if let Some(attempt) = report.attempt {
            // It had to be ended: neither a timeout nor a cancellation did it.
            known.size = 1;
            self.careful_until = attempt.last;
            if attempt.size == 1 {
                self.held.add(1, HoldReason::Slow, "");
                self.held_in_part += ENDED;
                self.from = attempt.last;
            }
        }
        if report.outcome == Outcome::Done {
            known.rest = None;
        }
        if report.outcome != Outcome::More && report.attempt.is_none() {
            return false;
        }
        if self.held_in_part < MOST_HELD {
            return true;
        }
        if self.is_among_the_others {
            known.rest = Some(self.from);
            return false;
        }
        self.is_among_the_others = true;
        self.held_in_part = 0;
        self.from = known.rest.map_or(self.from, |rest| rest.min(self.from));
        true
    }
}

/// Runs a worker in a database to its end. `None` where no background worker is free.
fn run_worker(database: &Database, task: Task) -> Option<SweepReport> {
    task.assign();
    BackgroundWorkerBuilder::new(&format!("token_auth worker for {}", database.name))
        .set_type("token_auth worker")
        .set_library("token_auth")
        .set_function("token_auth_worker_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None)
        .set_argument(i64::from(database.oid.to_u32()).into_datum())
        .set_extra(&database.name[..database.name.floor_char_boundary(127)])
        .set_notify_pid(bgworker::id())
        .load_dynamic()
        .ok()
        .map(wait_for)
}

/// The postmaster sets our latch when the worker has ended.
fn wait_for(worker: DynamicBackgroundWorker) -> SweepReport {
    let begin = Instant::now();
    loop {
        match worker.pid() {
            Err(BackgroundWorkerStatus::Stopped) => return SweepReport::receive(),
            Err(BackgroundWorkerStatus::PostmasterDied) => bgworker::exit_to_be_restarted(),
            _ => {}
        }
        match PATIENCE.checked_sub(begin.elapsed()) {
            Some(left) => sleep(left),
            None => {
                // Whether it could still be stopped or had gone by itself, the round goes on.
                worker.terminate().wait_for_shutdown().ok();
                return SweepReport::receive();
            }
        }
    }
}

#[pg_guard]
#[allow(unsafe_code, reason = "PostgreSQL finds the function by its name")]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn token_auth_worker_main(argument: pg_sys::Datum) {
    bgworker::die_on_sigterm();
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(pg_sys::Oid::from(argument.value() as u32)), None);
    // This is a superuser's session, and the database's owner can have settings of his own for every session in it.
    bgworker::be_bootstrap_superuser();
    for (name, value) in SETTINGS {
        server::set_for_this_process(name, value);
    }
    let begin = Instant::now();
    let limits = Limits { part: PART, last_begin: begin + AT_A_TIME, end: begin + AT_MOST, tell: SweepReport::tell };
    let task = Task::receive();
    let mut report = SweepReport::before(&task);
    let outcome = loop {
        let mut walk = Walk::from(report.next, report.size, task.careful_until);
        match bgworker::transaction(AT_MOST.saturating_sub(begin.elapsed()), || sweep_once(&mut walk, limits)) {
            Ok(None) => {}
            Ok(Some(outcome)) => break outcome,
            Err(reason) => {
                let name = BackgroundWorker::get_extra();
                return log!("token_auth: expired tokens of database \"{name}\" stay until the next round: {reason}");
            }
        }
        report.removed += walk.removed;
        report.held.add_all(&walk.held);
        (report.next, report.size) = (walk.position(), walk.size);
        report.outcome = Outcome::More;
        // Also for the case that the next batch does not end.
        report.send();
        if walk.is_over() {
            break Outcome::Done;
        }
        if report.held.weight >= task.most_held || begin.elapsed() >= AT_A_TIME {
            break Outcome::More;
        }
    };
    SweepReport { outcome, ..report }.send()
}

/// What a worker's session must not take over from the database, and how long it waits for somebody's lock.
const SETTINGS: [(&CStr, &CStr); 9] = [
    (c"role", c"none"),
    (c"search_path", c""),
    (c"session_replication_role", c"origin"),
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_read_only", c"off"),
    (c"row_security", c"off"),
    (c"application_name", c"token_auth worker"),
    (c"exit_on_error", c"off"),
    (c"lock_timeout", c"500ms"),
];

/// Sweeps for one transaction. Returns why it did not, where the database is not to be swept now.
fn sweep_once(walk: &mut Walk, limits: Limits) -> Option<Outcome> {
    // pg_restore with several jobs may set the sequences, by which a sweep tells an unfinished restore, before it has
    // brought back every row. Anybody can call his session so; those who may bring back tokens count. Only a superuser
    // sees what other sessions are.
    static PG_RESTORE: Query = Query::as_caller(
        "SELECT true
           FROM pg_catalog.pg_stat_activity
          WHERE datname = pg_catalog.current_database()
            AND backend_type = 'client backend'
            AND application_name = 'pg_restore'
            AND pg_catalog.has_table_privilege(usesysid, 'token_auth.token', 'INSERT')
          LIMIT 1",
    );
    if !server::has_extension() {
        return Some(Outcome::NoExtension);
    }
    let name = BackgroundWorker::get_extra();
    if PG_RESTORE.row(&[], |_| ()).is_some() {
        log!("token_auth: expired tokens of database \"{name}\" stay until pg_restore has ended");
        return Some(Outcome::NotNow);
    }
    let Some(role) = roles::worker() else {
        warning!(
            "token_auth: expired tokens of database \"{name}\" stay: the role {} is missing, or has rights",
            roles::WORKER
        );
        return Some(Outcome::NotNow);
    };
    let _user = UserSwitch::to_restricted(role);
    let count = BATCH.min(walk.size.max(FIRST_BATCH));
    walk.batch(count, Some(limits));
    None
}
