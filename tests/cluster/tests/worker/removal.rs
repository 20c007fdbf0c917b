//! The worker removes expired tokens in every database with the extension, and logs it once.

use cluster::{Client, Sql, TokenAuth, database_to_sweep, launcher, seconds, swept_every, wait_until, workers_started};
use std::time::{Duration, Instant};

const SOON: Duration = seconds(60);

#[test]
fn an_expired_token_disappears_by_itself() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let domain = db.domain(account, "mail.example");
    let kept = db.token(account, "kept", &["*"], "mail.example");
    let brief: i64 = db.get(
        "SELECT token_id FROM token_auth.create_token(
             account_id => $1, name => 'brief', scopes => '{*}', all_domains => true,
             expires_at => clock_timestamp() + interval '1 second')",
        &[&account],
    );

    wait_until("the token's removal", SOON, || {
        !db.get::<bool>("SELECT EXISTS (SELECT FROM token_auth.token WHERE id = $1)", &[&brief])
    });
    assert!(db.is_good(&kept.secret) && db.is_good(&domain.token.secret));
    assert_eq!(db.token_count(), 2);
}

#[test]
fn an_expired_token_stays_for_its_profiles_retention() {
    let cluster = swept_every("1s").start();
    let (mut db, brief) = database_to_sweep(&cluster, "app");
    let patient = db.account("patient");
    db.expired_tokens(patient, 2);
    db.expired_tokens(brief, 3);

    wait_until("the removal of the others", SOON, || tokens_of(&mut db, brief) == 0);
    assert_eq!(tokens_of(&mut db, patient), 2);
}

#[test]
fn the_databases_setting_narrows_the_sweep_until_it_is_taken_back() {
    let cluster = swept_every("1s").start();
    cluster.reload_with("token_auth.databases", "chosen, also_chosen");
    let (mut chosen, chosen_account) = database_to_sweep(&cluster, "chosen");
    let (mut also, also_account) = database_to_sweep(&cluster, "also_chosen");
    let (mut left_out, left_out_account) = database_to_sweep(&cluster, "left_out");
    left_out.expired_tokens(left_out_account, 2);

    // Three rounds of work in other databases: a database that is skipped this long is skipped.
    for round in 1..=3 {
        chosen.expired_tokens(chosen_account, 2);
        also.expired_tokens(also_account, 2);
        wait_until(&format!("round {round} in the chosen databases"), SOON, || {
            chosen.token_count() == 0 && also.token_count() == 0
        });
    }
    assert_eq!(left_out.token_count(), 2);

    cluster.reload_without("token_auth.databases");
    wait_until("a sweep of the database that was left out", SOON, || left_out.token_count() == 0);
}

#[test]
fn a_new_sweep_interval_holds_after_a_reload() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    db.expired_tokens(account, 1);
    wait_until("the first sweep", SOON, || db.token_count() == 0);

    cluster.reload_with("token_auth.sweep_interval", "1h");
    let mut last_round = (workers_started(&cluster), Instant::now());
    wait_until("three seconds without a round", SOON, || {
        let started = workers_started(&cluster);
        if started != last_round.0 {
            last_round = (started, Instant::now());
        }
        last_round.1.elapsed() > seconds(3)
    });
    db.expired_tokens(account, 1);

    cluster.reload_with("token_auth.sweep_interval", "1s");
    wait_until("a sweep long before the hour is over", SOON, || db.token_count() == 0);
}

#[test]
fn a_round_that_removed_something_is_one_line_in_the_log() {
    let cluster = swept_every("1s").start();
    let (mut one, one_account) = database_to_sweep(&cluster, "one");
    let (mut two, two_account) = database_to_sweep(&cluster, "two");
    // Both databases are known to the worker before it pauses for an hour, so the due tokens are removed in one round.
    one.expired_tokens(one_account, 1);
    two.expired_tokens(two_account, 1);
    wait_until("a first sweep of both", SOON, || one.token_count() + two.token_count() == 0);
    cluster.reload_with("token_auth.sweep_interval", "1h");
    wait_until("the pause", SOON, || {
        let before = workers_started(&cluster);
        std::thread::sleep(seconds(2));
        workers_started(&cluster) == before
    });
    let before = cluster.log().lines_with("token_auth: removed").len();
    one.expired_tokens(one_account, 3);
    two.expired_tokens(two_account, 4);

    let then = workers_started(&cluster);
    cluster.reload_with("token_auth.sweep_interval", "1s");
    wait_until("some rounds without work", SOON, || workers_started(&cluster) >= then + 8);
    let log = cluster.log();
    let lines = &log.lines_with("token_auth: removed")[before..];
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("removed 7 expired tokens from 2 databases"), "{lines:#?}");
    assert_eq!(one.token_count() + two.token_count(), 0);
}

#[test]
fn verification_goes_on_during_a_large_sweep_in_batches() {
    const MANY: i32 = 50_000;
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let token = db.account_token(account, "in use", &["email:send"]);
    let mut verifier = cluster.connect("app", "postgres");
    db.run(
        "INSERT INTO token_auth.token (account_id, name, digest, hint, expires_at, created_by)
         SELECT $1, 'expired', sha256(i::text::bytea), 'tok_abcd...wxyz', clock_timestamp(), 'test'
         FROM generate_series(1, $2) i",
        &[&account, &MANY],
    );

    let mut answers = Vec::new();
    let mut halfway = Vec::new();
    let mut began = Instant::now();
    wait_until("the end of the sweep", seconds(60), || {
        for _ in 0..10 {
            let asked = Instant::now();
            let answer = verifier.verify(&token.secret, Some("email:send"), None);
            answers.push(asked.elapsed());
            assert_eq!(answer.code, "ok");
        }
        match db.token_count() - 1 {
            0 => return true,
            left if left == i64::from(MANY) => began = Instant::now(),
            left => halfway.push(left),
        }
        false
    });
    let whole = began.elapsed();
    assert!(halfway.len() > 3, "in few steps, with {halfway:?} left between them");
    // One verification in twenty may have met a pause of the machine.
    answers.sort();
    let slow = answers[answers.len() * 19 / 20];
    assert!(slow < whole / 10, "{} answers, one in twenty took {slow:?}, the whole sweep {whole:?}", answers.len());
}

#[test]
fn a_database_that_allows_no_connections_does_no_harm() {
    let cluster = swept_every("1s").start();
    let (mut closed, closed_account) = database_to_sweep(&cluster, "closed");
    let (mut open, open_account) = database_to_sweep(&cluster, "open");
    // The tokens expire after the last worker could connect.
    let mut work = closed.transaction().expect("a transaction");
    work.expired_tokens(closed_account, 1);
    open.run("ALTER DATABASE closed ALLOW_CONNECTIONS false", &[]);
    work.commit().expect("the tokens are there");
    closed.close().expect("the last session leaves");

    for round in 1..=3 {
        open.expired_tokens(open_account, 1);
        wait_until(&format!("round {round} in the open database"), SOON, || open.token_count() == 0);
    }
    let log = cluster.log();
    for severity in ["WARNING:", "ERROR:", "FATAL:", "PANIC:"] {
        assert_eq!(log.lines_with(severity), Vec::<&str>::new());
    }

    open.run("ALTER DATABASE closed ALLOW_CONNECTIONS true", &[]);
    let mut closed = cluster.connect("closed", "postgres");
    wait_until("a sweep of the reopened database", SOON, || closed.token_count() == 0);
}

#[test]
fn a_locked_token_table_delays_only_its_own_database() {
    let cluster = swept_every("1s").start();
    let (mut locked, locked_account) = database_to_sweep(&cluster, "locked");
    let (mut other, other_account) = database_to_sweep(&cluster, "other");
    cluster.create_database_with_token_auth("doomed");
    let mut lock = locked.transaction().expect("a transaction");
    lock.run("LOCK TABLE token_auth.token IN ACCESS EXCLUSIVE MODE", &[]);
    lock.expired_tokens(locked_account, 2);

    for round in 1..=3 {
        other.expired_tokens(other_account, 1);
        wait_until(&format!("round {round} beside the lock"), SOON, || other.token_count() == 0);
    }
    other.run("DROP DATABASE doomed", &[]);

    let before = launcher(&cluster);
    lock.commit().expect("the lock is released");
    wait_until("a sweep once the lock is gone", SOON, || locked.token_count() == 0);
    assert_eq!(launcher(&cluster), before, "the launcher is another one");
}

fn tokens_of(db: &mut Client, account: i64) -> i64 {
    db.get("SELECT count(*) FROM token_auth.token WHERE account_id = $1", &[&account])
}
