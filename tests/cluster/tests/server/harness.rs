//! The test library itself, on clusters without the extension.

use cluster::{Client, Cluster, Format, Sql, Stop, seconds, wait_until};
use std::path::Path;

#[test]
fn a_cluster_starts_answers_and_leaves_nothing_behind() {
    let cluster = Cluster::builder().setting("application_name", "it's mine").start();
    let home = cluster.file("");
    let mut db = cluster.connect("postgres", "postgres");
    assert_eq!(db.get::<String>("SHOW application_name", &[]), "it's mine");
    assert_eq!(db.get::<String>("SHOW server_encoding", &[]), "UTF8");
    let postmaster = Path::new(&db.get::<String>("SHOW data_directory", &[])).join("postmaster.pid");
    assert!(postmaster.exists());

    drop(cluster);
    assert!(!home.exists(), "{} is still there", home.display());
}

#[test]
fn a_panic_stops_the_server_too() {
    let (send, receive) = std::sync::mpsc::channel();
    let failed = std::thread::spawn(move || {
        let cluster = Cluster::builder().start();
        send.send(cluster.connect("postgres", "postgres")).expect("the test listens");
        panic!("on purpose");
    })
    .join();
    assert!(failed.is_err());
    let mut orphan: Client = receive.recv().expect("the session is sent before the panic");
    assert!(orphan.execute("SELECT 1", &[]).is_err(), "the server still answers");
}

#[test]
fn a_committed_row_is_there_after_a_crash_and_a_restart() {
    let cluster = Cluster::builder().setting("fsync", "on").start();
    let mut db = cluster.connect("postgres", "postgres");
    db.run("CREATE TABLE kept AS SELECT 42 AS answer", &[]);
    cluster.crash();
    assert!(db.execute("SELECT 1", &[]).is_err());
    cluster.start();
    assert_eq!(cluster.connect("postgres", "postgres").get::<i32>("SELECT answer FROM kept", &[]), 42);
    assert_eq!(cluster.log().lines_with("was not properly shut down").len(), 1);
    cluster.restart();
    assert_eq!(cluster.connect("postgres", "postgres").get::<i32>("SELECT answer FROM kept", &[]), 42);
    assert_eq!(cluster.log().lines_with("was not properly shut down").len(), 1);
}

#[test]
fn a_standby_follows_until_it_is_promoted() {
    let primary = Cluster::builder().start();
    let standby = Cluster::builder().setting("application_name", "standby").start_standby_of(&primary);
    let mut db = standby.connect("postgres", "postgres");
    assert!(db.get::<bool>("SELECT pg_is_in_recovery()", &[]));
    assert_eq!(db.get::<String>("SHOW application_name", &[]), "standby");

    primary.connect("postgres", "postgres").run("CREATE TABLE followed (i int)", &[]);
    wait_until("the table on the standby", seconds(20), || {
        db.get::<bool>("SELECT to_regclass('followed') IS NOT NULL", &[])
    });
    primary.stop(Stop::Fast);
    standby.promote();
    assert!(!db.get::<bool>("SELECT pg_is_in_recovery()", &[]));
}

#[test]
fn every_dump_format_is_restored() {
    let cluster = Cluster::builder().start();
    cluster.create_database("source");
    cluster.connect("source", "postgres").run("CREATE TABLE kept AS SELECT 'it''s'::text AS word", &[]);
    for (target, format) in [("a", Format::Custom), ("b", Format::Plain), ("c", Format::Inserts)] {
        let file = cluster.file(target);
        cluster.dump("source", format, &file);
        cluster.create_database(target);
        cluster.restore(target, format, &file);
        assert_eq!(cluster.connect(target, "postgres").get::<String>("SELECT word FROM kept", &[]), "it's");
    }
}

#[test]
fn a_setting_is_changed_and_taken_back_by_reload() {
    let cluster = Cluster::builder().start();
    let shows = |value: &str| {
        let mut db = cluster.connect("postgres", "postgres");
        db.get::<String>("SHOW statement_timeout", &[]) == value
    };
    cluster.reload_with("statement_timeout", "7s");
    wait_until("the new setting", seconds(10), || shows("7s"));
    cluster.reload_without("statement_timeout");
    wait_until("the old setting", seconds(10), || shows("0"));
}

#[test]
fn a_refusal_carries_what_the_server_said() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.connect("postgres", "postgres");
    db.run("CREATE TABLE one (i int CONSTRAINT only_one CHECK (i = 1))", &[]);
    let refusal = db.refused("INSERT INTO one VALUES ($1)", &[&2]);
    assert_eq!((refusal.code.as_str(), refusal.constraint.as_str()), ("23514", "only_one"));
    assert!(refusal.detail.contains("(2)"), "{refusal:?}");
}
