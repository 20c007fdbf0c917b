//! The worker while databases are created, dropped and restored: neither blocks the other.

use cluster::{Format, Sql, TokenAuth, seconds, wait_for, wait_until};
use cluster::{database_to_sweep, delay_deletions, launcher, swept_every, worker_is_in, workers_started};
use std::{path::Path, time::Duration};

const SOON: Duration = seconds(60);

#[test]
fn drop_database_never_fails_because_of_the_worker() {
    let cluster = swept_every("1s").setting("token_auth.databases", "doomed, last").start();
    let (mut template, account) = database_to_sweep(&cluster, "template_to_copy");
    template.expired_tokens(account, 20_000);
    template.close().expect("a template has no sessions");
    let first = wait_for("the launcher", SOON, || launcher(&cluster));

    let mut admin = cluster.connect("postgres", "postgres");
    for round in 1..=20 {
        admin.run("CREATE DATABASE doomed TEMPLATE template_to_copy", &[]);
        wait_until(&format!("the worker in the database of round {round}"), SOON, || {
            worker_is_in(&mut admin, "doomed")
        });
        admin.run("DROP DATABASE doomed", &[]);
    }
    assert_eq!(launcher(&cluster), Some(first), "the launcher was lost on the way");

    admin.run("CREATE DATABASE last TEMPLATE template_to_copy", &[]);
    let mut last = cluster.connect("last", "postgres");
    wait_until("a sweep after all that", SOON, || last.token_count() == 0);
}

#[test]
fn drop_database_does_not_wait_for_a_worker_that_has_much_to_do() {
    let cluster = swept_every("1s").start();
    let (mut busy, account) = database_to_sweep(&cluster, "busy");
    delay_deletions(&mut busy, 0.004);
    // Twenty seconds of work. DROP DATABASE waits five for other sessions to end.
    busy.expired_tokens(account, 5_000);
    busy.close().expect("the session ends");

    let mut admin = cluster.connect("postgres", "postgres");
    wait_until("the worker at work", SOON, || worker_is_in(&mut admin, "busy"));
    admin.run("DROP DATABASE busy", &[]);
}

#[test]
fn a_database_is_created_from_one_that_the_worker_visits() {
    let cluster = swept_every("1s").start();
    let (mut template, account) = database_to_sweep(&cluster, "visited");
    template.expired_tokens(account, 20_000);
    template.close().expect("a template has no sessions");

    let mut admin = cluster.connect("postgres", "postgres");
    wait_until("the worker in the template", SOON, || worker_is_in(&mut admin, "visited"));
    admin.run("CREATE DATABASE copy TEMPLATE visited", &[]);
    admin.run("ALTER DATABASE visited RENAME TO visited_before", &[]);
}

#[test]
fn a_database_that_is_restored_repeatedly_is_swept_each_time() {
    let cluster = swept_every("1s").setting("token_auth.databases", "restored").start();
    let (mut source, account) = database_to_sweep(&cluster, "source");
    source.expired_tokens(account, 5_000);
    let dump = cluster.file("dump");
    cluster.dump("source", Format::Custom, &dump);
    let first = wait_for("the launcher", SOON, || launcher(&cluster));

    for round in 1..=3 {
        cluster.create_database("restored");
        cluster.restore("restored", Format::Custom, &dump);
        let mut restored = cluster.connect("restored", "postgres");
        wait_until(&format!("a sweep of restoration {round}"), SOON, || restored.token_count() == 0);
        restored.close().expect("the session ends");
        source.run("DROP DATABASE restored", &[]);
    }
    assert_eq!(launcher(&cluster), Some(first), "the launcher was lost on the way");
}

/// A restore inserts tokens and their access one table after the other, each with its own COMMIT. A worker that removed
/// the first before the second would make the second fail, and with it the access of every token.
#[test]
fn a_restore_is_whole_though_the_worker_looks_in_halfway() {
    let cluster = swept_every("1s").setting("token_auth.databases", "restored").start();
    let (mut source, account) = database_to_sweep(&cluster, "source");
    let kept = source.account_token(account, "kept", &["email:send"]);
    source.expired_tokens(account, 10);
    source.run(
        "INSERT INTO token_auth.token_access (token_id, account_id, scopes)
         SELECT id, account_id, '{email:send}' FROM token_auth.token WHERE name LIKE 'expired %'",
        &[],
    );
    let dump = cluster.file("dump.sql");
    cluster.dump("source", Format::Plain, &dump);

    pause_before(&dump, "COPY token_auth.token_access");

    cluster.create_database("restored");
    let mut restored = cluster.connect("restored", "postgres");
    restored.run("SELECT pg_advisory_lock(1)", &[]);
    std::thread::scope(|threads| {
        let restore = threads.spawn(|| cluster.restore("restored", Format::Plain, &dump));
        wait_until("half of the restore", SOON, || {
            restore.is_finished() || restored.get("SELECT count(*) > 1 FROM pg_locks WHERE locktype = 'advisory'", &[])
        });
        let before = workers_started(&cluster);
        wait_until("the worker to look in", SOON, || workers_started(&cluster) >= before + 3);
        restored.run("SELECT pg_advisory_unlock(1)", &[]);
    });
    assert_eq!(restored.verify(&kept.secret, Some("email:send"), None).code, "ok");
}

/// Makes a script wait for the advisory lock before the line that begins like this.
fn pause_before(script: &Path, line: &str) {
    let text = std::fs::read_to_string(script).expect("the script");
    let cut = text.find(line).unwrap_or_else(|| panic!("no {line} in the script"));
    let paused = format!("{}SELECT pg_advisory_lock_shared(1);\n{}", &text[..cut], &text[cut..]);
    std::fs::write(script, paused).expect("the script is written");
}
