//! A worker in one database: removes due tokens for a while and ends.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::bgworkers::BackgroundWorker;
use pgrx::{log, pg_guard, pg_sys, warning};

use super::report::{Outcome, SweepReport, SweepTask, record_attempt};
use crate::manage::sweep::{MAX_BATCH, TimeLimits, Walk};
use crate::model::roles;
use crate::pg::spi::Query;
use crate::pg::user::UserSwitch;
use crate::pg::{bgworker, extension, guc};

/// How long a worker works before it leaves its database.
pub const TURN: Duration = Duration::from_millis(500);
/// How long a worker may take at most. A token whose deletion takes longer is held.
const MAX_TURN: Duration = Duration::from_secs(2);
/// The number of tokens that a worker deletes together at first. What else is deleted with a token is not known.
pub const FIRST_PART: i64 = 125;
/// How long several tokens may take before they are tried in smaller parts.
const PART_LIMIT: Duration = Duration::from_millis(300);

/// The settings that a worker must not take over from the database, and how long it waits for a lock of another session.
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

#[pg_guard]
#[allow(unsafe_code, reason = "PostgreSQL finds the function by its name")]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn token_auth_worker_main(argument: pg_sys::Datum) {
    bgworker::die_on_sigterm();
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(pg_sys::Oid::from(argument.value() as u32)), None);
    // This is a superuser's session, and the database's owner can set settings for every session in the database.
    bgworker::become_bootstrap_superuser();
    for (name, value) in SETTINGS {
        guc::override_for_process(name, value);
    }
    let begin = Instant::now();
    let limits =
        TimeLimits { part: PART_LIMIT, last_begin: begin + TURN, end: begin + MAX_TURN, record: record_attempt };
    let task = SweepTask::receive();
    let mut report = SweepReport::before(&task);
    report.outcome = loop {
        let mut walk = Walk::from(report.next, report.part_size, task.single_until);
        match bgworker::transaction(MAX_TURN.saturating_sub(begin.elapsed()), || sweep_once(&mut walk, limits)) {
            Ok(None) => {}
            Ok(Some(outcome)) => break outcome,
            Err(reason) => {
                let name = BackgroundWorker::get_extra();
                return log!("token_auth: expired tokens of database \"{name}\" stay until the next round: {reason}");
            }
        }
        report.removed += walk.removed;
        report.held.add_all(&walk.held);
        (report.next, report.part_size) = (walk.position(), walk.part_size);
        report.outcome = Outcome::More;
        // The report is sent now in case the next batch does not end.
        report.send();
        if walk.is_over() {
            break Outcome::Done;
        }
        if report.held.weight >= task.max_held || begin.elapsed() >= TURN {
            break Outcome::More;
        }
    };
    report.send();
}

/// Sweeps in one transaction. Returns the outcome if the database must not be swept now.
fn sweep_once(walk: &mut Walk, limits: TimeLimits) -> Option<Outcome> {
    // pg_restore with several jobs may set the sequences, by which a sweep recognizes a restore in progress, before it has
    // restored every row. Any session can use this application name. It counts for roles that may insert tokens. Only a
    // superuser sees it in other sessions.
    static PG_RESTORE: Query = Query::as_caller(
        "SELECT true
           FROM pg_catalog.pg_stat_activity
          WHERE datname = pg_catalog.current_database()
            AND backend_type = 'client backend'
            AND application_name = 'pg_restore'
            AND pg_catalog.has_table_privilege(usesysid, 'token_auth.token', 'INSERT')
          LIMIT 1",
    );
    if !extension::is_installed() {
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
    let count = MAX_BATCH.min(walk.part_size.max(FIRST_PART));
    walk.batch(count, Some(limits));
    None
}
