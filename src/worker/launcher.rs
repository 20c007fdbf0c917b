//! The launcher: gives each database its turns, one worker at a time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{
    BackgroundWorker, BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime, DynamicBackgroundWorker,
    SignalWakeFlags,
};
use pgrx::{IntoDatum, log, pg_guard, pg_sys, warning};

use super::report::{Outcome, SweepReport, SweepTask};
use super::sweeper::FIRST_PART;
use crate::guc;
use crate::manage::sweep::{Attempt, HeldTokens, HoldReason, Position, counted};
use crate::pg::bgworker::{self, ResetContext};
use crate::pg::databases::{self, Database};
use crate::pg::shmem;

/// How long the launcher waits for a worker before it terminates it, in case that it has not ended by itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a database with more to do has no worker: DROP DATABASE looks for other sessions ten times a second.
const PAUSE_BETWEEN_TURNS: Duration = Duration::from_millis(250);
/// A database without the extension is examined in one of so many rounds, and in each of so many rounds after the extension
/// was created in some database: the launcher does not know in which, nor when that commits.
const ROUNDS_BETWEEN_LOOKS: u32 = 10;
/// The weight of held tokens that a round tries among the latest due tokens, and again among the others.
const MAX_HELD: u32 = 1000;
/// The weight of a token at which a worker had to be terminated, which takes [`PATIENCE`].
const TERMINATED_WEIGHT: u32 = 50;

#[pg_guard]
#[allow(unsafe_code, reason = "PostgreSQL finds the function by its name")]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn token_auth_launcher_main(_argument: pg_sys::Datum) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    BackgroundWorker::connect_worker_to_spi(None, None);
    shmem::LAUNCHER.set(bgworker::process_id().into());
    let mut launcher = Launcher::default();
    let mut context = ResetContext::new();
    let mut round_began = None::<Instant>;
    loop {
        let left = round_began.map_or(Duration::ZERO, |began| guc::sweep_interval().saturating_sub(began.elapsed()));
        if left.is_zero() {
            round_began = Some(Instant::now());
            context.run(|| launcher.begin_round());
        }
        match launcher.time_to_next_turn() {
            Some(wait) if wait.is_zero() => context.run(|| launcher.take_turn()),
            Some(wait) => sleep(wait.min(left)),
            None => sleep(left),
        }
    }
}

/// Sleeps until a signal arrives, at most for `time`, and acts on the signal.
fn sleep(time: Duration) {
    // Zero would be no wait at all.
    let goes_on = BackgroundWorker::wait_latch(Some(time.max(Duration::from_millis(1))));
    if BackgroundWorker::sighup_received() {
        bgworker::reload_configuration();
    }
    if !goes_on {
        bgworker::exit_for_restart();
    }
}

#[derive(Default)]
struct Launcher {
    /// The databases with work from this round or an earlier one.
    sweeps: Vec<DatabaseSweep>,
    /// What is kept about a database from round to round.
    states: HashMap<pg_sys::Oid, DatabaseState>,
    /// The databases that did not have the extension, and in how many rounds to examine them again.
    without_extension: HashMap<pg_sys::Oid, u32>,
    /// The warning was given that no background worker is free.
    is_short_of_workers: bool,
    /// The number of installations when the last round began.
    installations: i64,
    /// The number of rounds in which to examine every database.
    rounds_to_look_everywhere: u32,
    /// The unknown names in `token_auth.databases` that were reported.
    reported_names: Vec<String>,
    /// The tokens removed since the last message, and the databases that they were in.
    removed: i64,
    databases_swept: i64,
}

/// A round in one database.
struct DatabaseSweep {
    database: Database,
    next_turn: Instant,
    from: Position,
    single_until: Position,
    /// The latest due tokens were tried, and the walk goes on where the last round ended.
    is_in_second_part: bool,
    removed: i64,
    held: HeldTokens,
    /// The weight of the held tokens of the current part of the round.
    held_in_part: u32,
}

#[derive(Clone, Copy)]
struct DatabaseState {
    /// The number of tokens to delete together.
    part_size: i64,
    /// Where the last round ended among the tokens.
    resume_from: Option<Position>,
}

impl Default for DatabaseState {
    fn default() -> Self {
        Self { part_size: FIRST_PART, resume_from: None }
    }
}

impl Launcher {
    fn begin_round(&mut self) {
        // If a sweep takes longer than a round, each round reports what was removed.
        self.report_removed();
        let databases = self.databases_to_examine();
        self.states.retain(|oid, _| databases.iter().any(|database| database.oid == *oid));
        for database in databases {
            if !self.sweeps.iter().any(|sweep| sweep.database.oid == database.oid) {
                self.sweeps.push(DatabaseSweep::begin(database));
            }
        }
    }

    /// Returns the time until the next turn, or `None` if there is none in this round.
    fn time_to_next_turn(&self) -> Option<Duration> {
        let next = self.sweeps.iter().map(|sweep| sweep.next_turn).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Runs a worker in the database whose turn it is.
    fn take_turn(&mut self) {
        let Some(index) = (0..self.sweeps.len()).min_by_key(|index| self.sweeps[*index].next_turn) else { return };
        let mut sweep = self.sweeps.remove(index);
        let state = self.states.entry(sweep.database.oid).or_default();
        let task = SweepTask {
            from: sweep.from,
            part_size: state.part_size,
            single_until: sweep.single_until,
            max_held: MAX_HELD - sweep.held_in_part.min(MAX_HELD),
        };
        let result = run_worker(&sweep.database, &task);
        if result.is_none() && !self.is_short_of_workers {
            warning!("token_auth: no background worker is free; raise max_worker_processes");
        }
        self.is_short_of_workers = result.is_none();
        if let Some((report, attempt)) = result {
            state.part_size = report.part_size;
            if report.outcome == Outcome::NoExtension {
                self.without_extension.insert(sweep.database.oid, ROUNDS_BETWEEN_LOOKS);
            }
            if sweep.takes_another_turn(&report, attempt, state) {
                return self.sweeps.push(sweep);
            }
        }
        self.end(&sweep);
    }

    fn end(&mut self, sweep: &DatabaseSweep) {
        self.removed += sweep.removed;
        self.databases_swept += i64::from(sweep.removed > 0);
        if sweep.held.count > 0 {
            sweep.held.warn(Some(&sweep.database.name));
        }
        if self.sweeps.is_empty() {
            self.report_removed();
        }
    }

    fn report_removed(&mut self) {
        for sweep in &mut self.sweeps {
            self.databases_swept += i64::from(sweep.removed > 0);
            self.removed += std::mem::take(&mut sweep.removed);
        }
        let (removed, databases) = (std::mem::take(&mut self.removed), std::mem::take(&mut self.databases_swept));
        if removed > 0 {
            log!("token_auth: removed {} from {}", counted(removed, "expired token"), counted(databases, "database"));
        }
    }

    fn databases_to_examine(&mut self) -> Vec<Database> {
        let wanted = guc::databases();
        let mut databases = databases::connectable();
        self.report_unknown_names(&wanted, &databases);
        self.without_extension.retain(|oid, _| databases.iter().any(|database| database.oid == *oid));
        let installations = shmem::INSTALLATIONS.get();
        if installations != self.installations {
            self.installations = installations;
            self.rounds_to_look_everywhere = ROUNDS_BETWEEN_LOOKS;
        }
        if self.rounds_to_look_everywhere > 0 {
            self.rounds_to_look_everywhere -= 1;
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

    fn report_unknown_names(&mut self, wanted: &[String], databases: &[Database]) {
        let is_known = |name: &String| databases.iter().any(|database| database.name == *name);
        let unknown: Vec<_> = wanted.iter().filter(|name| !is_known(name)).cloned().collect();
        for name in unknown.iter().filter(|name| !self.reported_names.contains(name)) {
            warning!("token_auth.databases names \"{name}\", which does not exist or allows no connections");
        }
        self.reported_names = unknown;
    }
}

impl DatabaseSweep {
    fn begin(database: Database) -> Self {
        Self {
            database,
            next_turn: Instant::now(),
            from: Position::TOP,
            single_until: Position::TOP,
            is_in_second_part: false,
            removed: 0,
            held: HeldTokens::default(),
            held_in_part: 0,
        }
    }

    /// Adds the result of a worker. Returns true if there is more to do in this round.
    ///
    /// Tokens that cannot be deleted must not keep the round from those that can. The first part of a round walks down from
    /// the latest expiry until the weight of the held tokens is [`MAX_HELD`]. The second part continues where the last
    /// round ended, until the weight is as much again.
    fn takes_another_turn(
        &mut self,
        report: &SweepReport,
        attempt: Option<Attempt>,
        state: &mut DatabaseState,
    ) -> bool {
        self.removed += report.removed;
        self.held.add_all(&report.held);
        self.held_in_part += report.held.weight;
        self.from = report.next;
        self.next_turn = Instant::now() + PAUSE_BETWEEN_TURNS;
        if let Some(attempt) = attempt {
            // The worker had to be terminated: neither its time limit nor a cancellation ended it.
            state.part_size = 1;
            self.single_until = attempt.last;
            if attempt.size == 1 {
                self.held.add(1, HoldReason::Slow, "");
                self.held_in_part += TERMINATED_WEIGHT;
                self.from = attempt.last;
            }
        }
        if report.outcome == Outcome::Done {
            state.resume_from = None;
        }
        if report.outcome != Outcome::More && attempt.is_none() {
            return false;
        }
        if self.held_in_part < MAX_HELD {
            return true;
        }
        if self.is_in_second_part {
            state.resume_from = Some(self.from);
            return false;
        }
        self.is_in_second_part = true;
        self.held_in_part = 0;
        self.from = state.resume_from.map_or(self.from, |position| position.min(self.from));
        true
    }
}

/// Runs a worker in a database until it ends. Returns `None` if no background worker is free.
fn run_worker(database: &Database, task: &SweepTask) -> Option<(SweepReport, Option<Attempt>)> {
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
        .set_notify_pid(bgworker::process_id())
        .load_dynamic()
        .ok()
        .map(wait_for)
}

/// Waits until a worker ends. The postmaster sets the launcher's latch then.
fn wait_for(worker: DynamicBackgroundWorker) -> (SweepReport, Option<Attempt>) {
    let begin = Instant::now();
    loop {
        match worker.pid() {
            Err(BackgroundWorkerStatus::Stopped) => return SweepReport::receive(),
            Err(BackgroundWorkerStatus::PostmasterDied) => bgworker::exit_for_restart(),
            _ => {}
        }
        match PATIENCE.checked_sub(begin.elapsed()) {
            Some(left) => sleep(left),
            None => {
                // The round goes on, whether the worker was terminated or had already ended.
                worker.terminate().wait_for_shutdown().ok();
                return SweepReport::receive();
            }
        }
    }
}
