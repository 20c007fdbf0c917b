//! The worker is a superuser's session in databases of other owners: their settings do not affect it, and it reports what it
//! cannot do.

use cluster::{
    Cluster, Sql, TokenAuth, database_to_sweep, delay_deletions, seconds, swept_every, wait_until, workers_started,
};
use std::time::Duration;

const SOON: Duration = seconds(60);

#[test]
fn the_owner_of_a_database_does_not_become_superuser_through_the_worker() {
    let cluster = swept_every("1s").start();
    let mut admin = cluster.connect("postgres", "postgres");
    admin.run("CREATE ROLE owner LOGIN", &[]);
    admin.run("CREATE DATABASE owned OWNER owner", &[]);
    cluster.connect("owned", "postgres").run("CREATE EXTENSION token_auth", &[]);

    let mut owner = cluster.connect("owned", "owner");
    owner.run("CREATE SCHEMA trap", &[]);
    for type_name in ["text", "name"] {
        owner
            .batch_execute(&format!(
                "CREATE FUNCTION trap.equal({type_name}, {type_name}) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$
                 BEGIN
                     IF current_user <> 'owner' THEN ALTER ROLE owner SUPERUSER; END IF;
                     RETURN true;
                 END $$;
                 CREATE OPERATOR trap.= (LEFTARG = {type_name}, RIGHTARG = {type_name}, FUNCTION = trap.equal)"
            ))
            .expect("an owner may create operators");
    }
    owner.run("ALTER DATABASE owned SET search_path = trap, pg_catalog", &[]);

    let before = workers_started(&cluster);
    wait_until("some rounds", SOON, || workers_started(&cluster) >= before + 10);
    assert!(!admin.get::<bool>("SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'", &[]));
}

#[test]
fn settings_of_a_database_do_not_keep_the_worker_from_its_work() {
    let settings = [
        "role = 'nobody'",
        "session_authorization = 'nobody'",
        "application_name = 'pg_restore'",
        "exit_on_error = 'on'",
        "search_path = ''",
        "session_replication_role = 'replica'",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = 'on'",
        "row_security = 'on'",
        "lock_timeout = '1ms'",
        "statement_timeout = '1ms'",
    ];
    let cluster = swept_every("1s").start();
    let mut admin = cluster.connect("postgres", "postgres");
    admin.run("CREATE ROLE nobody", &[]);
    let (mut db, account) = database_to_sweep(&cluster, "app");
    for setting in settings {
        admin.run(&format!("ALTER DATABASE app SET {setting}"), &[]);
        let gone = db.account_token(account, "to go", &["email:send"]);
        db.run("UPDATE token_auth.token SET expires_at = clock_timestamp() WHERE id = $1", &[&gone.id]);
        wait_until(&format!("a sweep under {setting}"), SOON, || db.token_count() == 0);
        let orphans = "SELECT count(*) FROM token_auth.token_access WHERE token_id = $1";
        assert_eq!(db.get::<i64>(orphans, &[&gone.id]), 0, "access without a token, under {setting}");
        admin.run("ALTER DATABASE app RESET ALL", &[]);
    }
}

#[test]
fn a_database_to_which_pg_restore_is_connected_is_left_alone() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    cluster.connect("postgres", "postgres").run("CREATE ROLE stranger LOGIN", &[]);

    let mut restore = cluster.connect("app", "postgres");
    restore.run("SET application_name = 'pg_restore'", &[]);
    db.expired_tokens(account, 3);
    let says_so = || cluster.log().lines_with("stay until pg_restore has ended").len();
    wait_until("the worker to stand aside", SOON, || says_so() >= 2);
    assert_eq!(db.token_count(), 3);
    restore.close().expect("the session ends");
    wait_until("a sweep after the restore", SOON, || db.token_count() == 0);

    // Any session can use this name.
    let mut stranger = cluster.connect("app", "stranger");
    stranger.run("SET application_name = 'pg_restore'", &[]);
    db.expired_tokens(account, 3);
    wait_until("a sweep beside a stranger", SOON, || db.token_count() == 0);
}

#[test]
fn a_batch_that_takes_too_long_is_cancelled_and_tried_in_smaller_ones() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    delay_deletions(&mut db, 0.03);
    db.expired_tokens(account, 150);
    wait_until("the first token to go, however slowly", SOON, || db.token_count() < 150);
    wait_until("all tokens to go", SOON, || db.token_count() == 0);
    // None of them was alone too slow.
    assert_eq!(cluster.log().lines_with("could not be removed"), Vec::<&str>::new());
}

#[test]
fn a_database_that_does_not_exist_is_named_once() {
    let cluster = swept_every("1s").setting("token_auth.databases", "app, no such one").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let warnings = || cluster.log().lines_with("token_auth.databases names \"no such one\"").len();
    wait_until("the warning", SOON, || warnings() == 1);
    let before = workers_started(&cluster);
    db.expired_tokens(account, 1);
    wait_until("some rounds", SOON, || workers_started(&cluster) >= before + 3);
    assert_eq!(warnings(), 1);
    assert_eq!(db.token_count(), 0);
}

#[test]
fn without_a_free_background_worker_the_launcher_warns_once_and_continues() {
    // The launcher itself, and that of logical replication.
    let cluster = swept_every("1s").setting("max_worker_processes", "2").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    db.expired_tokens(account, 1);
    let warnings = |cluster: &Cluster| cluster.log().lines_with("raise max_worker_processes").len();
    wait_until("the warning", SOON, || warnings(&cluster) == 1);
    assert_eq!(db.token_count(), 1);
    // It would come again each second.
    std::thread::sleep(seconds(3));
    assert_eq!(warnings(&cluster), 1);
}
