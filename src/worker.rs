//! The background worker: a launcher, and workers that it starts one after another.
//!
//! The launcher is connected to no database. Each round it reads which databases there are and starts a worker in
//! each; that worker looks whether the database has the extension, removes what is due for at most [`AT_A_TIME`], and
//! ends. No process stays connected: DROP DATABASE waits five seconds for others to leave, and always finds a moment.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{
    BackgroundWorker, BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime, DynamicBackgroundWorker,
    SignalWakeFlags,
};
use pgrx::{IntoDatum, log, pg_guard, pg_sys, warning};

use crate::settings;
use crate::store::database_list::{self, Database};
use crate::store::process::{self, Scratch};
use crate::store::server;
use crate::store::shared::{self, Report};
use crate::store::statement::Statement;
use crate::sweep::BATCH;

/// How long one worker works before it lets go of its database.
const AT_A_TIME: Duration = Duration::from_millis(1500);
/// How long one worker may take, come what may: a batch that takes longer is cancelled.
const AT_MOST: Duration = Duration::from_secs(2);
/// How long the launcher waits for a worker before it ends it, should that not have happened by itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// The size of a worker's first batch. It doubles while batches are [`QUICK`], and where a first batch was cancelled the
/// next worker begins with a fifth of it: what a token takes along is not known.
const FIRST_BATCH: i64 = 125;
const QUICK: Duration = Duration::from_millis(100);
/// How long a database with more to do is left alone: DROP DATABASE looks for others ten times a second.
const BETWEEN: Duration = Duration::from_millis(250);
/// A database without the extension is looked at in one round of so many, and in each of so many rounds after the
/// extension was created somewhere: the launcher cannot know where, nor when that commits.
const ROUNDS_BETWEEN_LOOKS: u32 = 10;

static REGISTERED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Has the postmaster start the launcher, once recovery is over: on a standby there is nothing to do.
pub fn register() {
    shared::reserve();
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

#[pg_guard]
#[allow(unsafe_code, reason = "PostgreSQL finds the function by its name")]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn token_auth_launcher_main(_argument: pg_sys::Datum) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    BackgroundWorker::connect_worker_to_spi(None, None);
    let mut launcher = Launcher::default();
    let mut scratch = Scratch::new();
    loop {
        let begin = Instant::now();
        launcher.round(&mut scratch);
        while let Some(left) = settings::sweep_interval().checked_sub(begin.elapsed()) {
            sleep(left);
        }
    }
}

/// Sleeps until a signal comes, at most so long, and does what the signal asks for.
fn sleep(time: Duration) {
    // A zero would be rounded to no wait at all.
    let go_on = BackgroundWorker::wait_latch(Some(time.max(Duration::from_millis(1))));
    if BackgroundWorker::sighup_received() {
        process::reload_settings();
    }
    if !go_on {
        process::exit_to_be_restarted();
    }
}

#[derive(Default)]
struct Launcher {
    /// The databases that did not have the extension when they were looked at, and in how many rounds to look again.
    without_extension: HashMap<pg_sys::Oid, u32>,
    /// How many tokens the next worker is to begin with, where that is fewer than usual: its last batch took too long.
    smaller_batches: HashMap<pg_sys::Oid, i64>,
    /// It was reported that no background worker is free.
    is_short_of_workers: bool,
    /// How often the extension had been created when a round last began.
    installations: i64,
    /// In how many rounds to look at every database.
    look_everywhere: u32,
    /// The names in `token_auth.databases` that were reported as unknown already.
    reported: Vec<String>,
}

impl Launcher {
    fn round(&mut self, scratch: &mut Scratch) {
        let mut to_do = self.databases_to_look_at();
        let mut removed = 0;
        let mut swept = HashSet::new();
        while !to_do.is_empty() {
            to_do.retain(|database| {
                let size = self.smaller_batches.get(&database.oid).copied().unwrap_or(FIRST_BATCH);
                let Some(report) = scratch.lend(|| run_worker(database, size)) else {
                    if !self.is_short_of_workers {
                        warning!("token_auth: no background worker is free; raise max_worker_processes");
                    }
                    self.is_short_of_workers = true;
                    return false;
                };
                self.is_short_of_workers = false;
                match report {
                    Report::Nothing => drop(self.smaller_batches.insert(database.oid, (size / 5).max(1))),
                    Report::More(_) => {}
                    Report::Done(_) | Report::NoExtension => drop(self.smaller_batches.remove(&database.oid)),
                }
                if report == Report::NoExtension {
                    self.without_extension.insert(database.oid, ROUNDS_BETWEEN_LOOKS);
                }
                if let Report::Done(count) | Report::More(count) = report
                    && count > 0
                {
                    removed += count;
                    swept.insert(database.oid);
                }
                matches!(report, Report::More(_))
            });
            if !to_do.is_empty() {
                sleep(BETWEEN);
            }
        }
        if removed > 0 {
            let databases = swept.len() as i64;
            log!("token_auth: removed {} from {}", counted(removed, "expired token"), counted(databases, "database"));
        }
    }

    fn databases_to_look_at(&mut self) -> Vec<Database> {
        let wanted = settings::databases();
        let mut databases = database_list::connectable();
        self.report_unknown(&wanted, &databases);
        self.without_extension.retain(|oid, _| databases.iter().any(|database| database.oid == *oid));
        let installations = shared::installations();
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

fn counted(count: i64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Runs a worker in a database to its end. `None` where no background worker is free.
fn run_worker(database: &Database, size: i64) -> Option<Report> {
    Report::clear();
    BackgroundWorkerBuilder::new(&format!("token_auth worker for {}", database.name))
        .set_type("token_auth worker")
        .set_library("token_auth")
        .set_function("token_auth_worker_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None)
        .set_argument(Task { database: database.oid, size }.encode().into_datum())
        .set_extra(&database.name[..database.name.floor_char_boundary(127)])
        .set_notify_pid(process::id())
        .load_dynamic()
        .ok()
        .map(wait_for)
}

/// What a worker is started with: its database, and the size of its first batch.
struct Task {
    database: pg_sys::Oid,
    size: i64,
}

impl Task {
    fn encode(self) -> i64 {
        self.size << 32 | i64::from(self.database.to_u32())
    }

    fn decode(argument: i64) -> Self {
        Self { database: pg_sys::Oid::from(argument as u32), size: argument >> 32 }
    }
}

/// The postmaster sets our latch when the worker has ended.
fn wait_for(worker: DynamicBackgroundWorker) -> Report {
    let begin = Instant::now();
    loop {
        match worker.pid() {
            Err(BackgroundWorkerStatus::Stopped) => return Report::receive(),
            Err(BackgroundWorkerStatus::PostmasterDied) => process::exit_to_be_restarted(),
            _ => {}
        }
        match PATIENCE.checked_sub(begin.elapsed()) {
            Some(left) => sleep(left),
            None => {
                // Whether it could still be stopped or had gone by itself, the round goes on.
                worker.terminate().wait_for_shutdown().ok();
                return Report::receive();
            }
        }
    }
}

#[pg_guard]
#[allow(unsafe_code, reason = "PostgreSQL finds the function by its name")]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn token_auth_worker_main(argument: pg_sys::Datum) {
    process::die_on_sigterm();
    let Task { database, mut size } = Task::decode(argument.value() as i64);
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), None);
    // This is a superuser's session, and the database's owner can have settings of his own for every session in it.
    process::be_bootstrap_superuser();
    for (name, value) in SETTINGS {
        server::set_for_this_process(name, value);
    }
    let begin = Instant::now();
    let mut removed = 0;
    while begin.elapsed() < AT_A_TIME {
        let batch_begin = Instant::now();
        match process::transaction(AT_MOST.saturating_sub(begin.elapsed()), move || remove_batch(size)) {
            Ok(Batch::NoExtension) => return Report::NoExtension.send(),
            Ok(Batch::BeingRestored) => {
                let name = BackgroundWorker::get_extra();
                log!("token_auth: expired tokens of database \"{name}\" stay until pg_restore has ended");
                return Report::Done(removed).send();
            }
            Ok(Batch::Removed(gone)) => {
                removed += gone;
                if gone < size {
                    return Report::Done(removed).send();
                }
                // Also for the case that the next batch is not quick enough.
                Report::More(removed).send();
            }
            Err(reason) => {
                let name = BackgroundWorker::get_extra();
                return log!("token_auth: expired tokens of database \"{name}\" stay until the next round: {reason}");
            }
        }
        if batch_begin.elapsed() < QUICK {
            size = BATCH.min(2 * size);
        }
    }
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

enum Batch {
    NoExtension,
    BeingRestored,
    Removed(i64),
}

/// Removes one batch through the SQL function, which runs as the extension's owner.
fn remove_batch(size: i64) -> Batch {
    static SWEEP: Statement = Statement::new("SELECT token_auth.sweep($1)");
    // pg_restore with several jobs may set the sequences, by which sweep() tells an unfinished restore, before it has
    // brought back every row. Anybody can call his session so; those who may bring back tokens count.
    static PG_RESTORE: Statement = Statement::new(
        "SELECT true
           FROM pg_catalog.pg_stat_activity
          WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
            AND backend_type OPERATOR(pg_catalog.=) 'client backend'
            AND application_name OPERATOR(pg_catalog.=) 'pg_restore'
            AND pg_catalog.has_table_privilege(usesysid, 'token_auth.token', 'INSERT')
          LIMIT 1",
    );
    if !server::has_extension() {
        Batch::NoExtension
    } else if PG_RESTORE.row(&[], |_| ()).is_some() {
        Batch::BeingRestored
    } else {
        Batch::Removed(SWEEP.row(&[size.into()], |row| row.must(1)).unwrap_or_default())
    }
}
