//! The background worker: a launcher, and workers that it starts one after another.
//!
//! The launcher is connected to no database. Each round it reads which databases there are and starts a worker in
//! each; that worker looks whether the database has the extension, removes what is due for at most [`AT_A_TIME`], and
//! ends. No process stays connected: DROP DATABASE waits five seconds for others to leave, and always finds a moment.

use std::collections::{HashMap, HashSet};
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
/// How long one worker may be connected, come what may.
const AT_MOST: Duration = Duration::from_secs(2);
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
                let report = scratch.lend(|| run_worker(database));
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
            warning!("token_auth.databases names a database that does not exist: \"{name}\"");
        }
        self.reported = unknown;
    }
}

fn counted(count: i64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Runs a worker in a database to its end.
fn run_worker(database: &Database) -> Report {
    Report::clear();
    match start_worker(database) {
        Some(worker) => wait_for(worker),
        None => {
            let name = &database.name;
            warning!("token_auth: no background worker is free for database \"{name}\"; raise max_worker_processes");
            Report::Nothing
        }
    }
}

fn start_worker(database: &Database) -> Option<DynamicBackgroundWorker> {
    BackgroundWorkerBuilder::new(&format!("token_auth worker for {}", database.name))
        .set_type("token_auth worker")
        .set_library("token_auth")
        .set_function("token_auth_worker_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None)
        .set_argument(database.oid.into_datum())
        .set_notify_pid(process::id())
        .load_dynamic()
        .ok()
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
        match AT_MOST.checked_sub(begin.elapsed()) {
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
pub extern "C-unwind" fn token_auth_worker_main(database: pg_sys::Datum) {
    process::die_on_sigterm();
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(pg_sys::Oid::from(database.value() as u32)), None);
    // Somebody's lock on the tables is waited for, but not long.
    server::set_for_this_process(c"lock_timeout", c"500ms");
    let begin = Instant::now();
    let mut removed = 0;
    loop {
        match process::transaction(remove_batch) {
            Ok(Batch::NoExtension) => return Report::NoExtension.send(),
            Ok(Batch::BeingRestored) => return Report::Done(removed).send(),
            Ok(Batch::Removed(gone)) => {
                removed += gone;
                if gone < BATCH {
                    return Report::Done(removed).send();
                }
                // Also for the case that the launcher ends this process in the middle of the next batch.
                Report::More(removed).send();
            }
            Err(reason) => {
                log!("token_auth: expired tokens stay until the next round: {reason}");
                return Report::Done(removed).send();
            }
        }
        if begin.elapsed() > AT_A_TIME {
            return;
        }
    }
}

enum Batch {
    NoExtension,
    BeingRestored,
    Removed(i64),
}

/// Removes one batch through the SQL function, which runs as the extension's owner.
fn remove_batch() -> Batch {
    static SWEEP: Statement = Statement::new("SELECT token_auth.sweep($1)");
    // pg_restore with several jobs may set the sequences, by which sweep() tells an unfinished restore, before it has
    // brought back every row.
    static PG_RESTORE: Statement = Statement::new(
        "SELECT true
           FROM pg_catalog.pg_stat_activity
          WHERE datname = pg_catalog.current_database() AND application_name = 'pg_restore'
          LIMIT 1",
    );
    if !server::has_extension() {
        Batch::NoExtension
    } else if PG_RESTORE.row(&[], |_| ()).is_some() {
        Batch::BeingRestored
    } else {
        Batch::Removed(SWEEP.row(&[BATCH.into()], |row| row.must(1)).unwrap_or_default())
    }
}
