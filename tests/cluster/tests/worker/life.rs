//! The life of the launcher: it restarts, it ends when asked, and it delays nothing.

use cluster::{
    Cluster, LAUNCHER, Sql, Stop, TokenAuth, database_to_sweep, launcher, seconds, swept_every, wait_for, wait_until,
    worker_is_in,
};
use std::time::Duration;

const SOON: Duration = seconds(60);

/// How long a clean shutdown may take.
const PROMPTLY: Duration = seconds(5);

#[test]
fn the_launcher_restarts_after_it_was_terminated() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let first = wait_for("the launcher", SOON, || launcher(&cluster));
    assert!(db.get::<bool>("SELECT pg_terminate_backend($1, 5000)", &[&first]));

    wait_until("another launcher", SOON, || launcher(&cluster).is_some_and(|pid| pid != first));
    db.expired_tokens(account, 2);
    wait_until("a sweep by it", SOON, || db.token_count() == 0);
}

#[test]
fn the_launcher_restarts_after_a_kill_that_restarts_the_server() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    wait_for("the launcher", SOON, || launcher(&cluster));
    cluster.kill_9(LAUNCHER);

    wait_until("the end of every session", SOON, || db.execute("SELECT 1", &[]).is_err());
    let mut db = wait_for("the server's recovery", SOON, || cluster.try_connect("app", "postgres").ok());
    wait_for("the launcher", SOON, || launcher(&cluster));
    db.expired_tokens(account, 2);
    wait_until("a sweep by it", SOON, || db.token_count() == 0);
}

#[test]
fn an_idle_worker_does_not_delay_shutdown() {
    let cluster = Cluster::builder().preload("token_auth").start();
    wait_for("the launcher", SOON, || launcher(&cluster));
    assert_stops_promptly(&cluster);
}

#[test]
fn a_busy_worker_does_not_delay_shutdown() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    db.expired_tokens(account, 30_000);
    wait_until("the worker at work", SOON, || worker_is_in(&mut db, "app"));
    assert_stops_promptly(&cluster);

    cluster.start();
    let mut db = cluster.connect("app", "postgres");
    wait_until("the rest of the work after the restart", SOON, || db.token_count() == 0);
}

#[test]
fn a_worker_that_waits_for_a_lock_does_not_delay_shutdown() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let mut admin = cluster.connect("postgres", "postgres");
    let mut lock = db.transaction().expect("a transaction");
    lock.run("LOCK TABLE token_auth.token IN ACCESS EXCLUSIVE MODE", &[]);
    lock.expired_tokens(account, 1);
    wait_until("the worker at the lock", SOON, || worker_is_in(&mut admin, "app"));
    assert_stops_promptly(&cluster);
}

#[test]
fn a_standby_has_no_launcher_and_removes_nothing_until_it_is_promoted() {
    let primary = Cluster::builder().start();
    let (mut db, account) = database_to_sweep(&primary, "app");
    db.expired_tokens(account, 3);
    let standby = swept_every("1s").start_standby_of(&primary);
    // Not only what the copy began with: the standby follows.
    db.expired_tokens(account, 2);
    let mut copy = standby.connect("app", "postgres");
    wait_until("all tokens on the standby", SOON, || copy.token_count() == 5);
    assert_eq!(launcher(&standby), None);
    let log = standby.log();
    assert_eq!(log.lines_with("ERROR:").len() + log.lines_with("FATAL:").len(), 0, "{}", log.tail(20));

    primary.stop(Stop::Fast);
    assert_eq!(copy.token_count(), 5);
    assert_eq!(launcher(&standby), None);
    standby.promote();
    wait_for("the launcher after the promotion", SOON, || launcher(&standby));
    wait_until("a sweep after the promotion", SOON, || copy.token_count() == 0);
}

fn assert_stops_promptly(cluster: &Cluster) {
    let took = cluster.stop(Stop::Fast);
    assert!(took < PROMPTLY, "the server took {took:?} to stop");
}
