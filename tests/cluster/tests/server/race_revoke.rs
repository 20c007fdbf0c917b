//! `revoke_tokens` beside sessions that create and reset tokens: what they had begun before is found.

use cluster::{Client, Cluster, Sql, TokenAuth, refusal, seconds, wait_until};

/// Runs `meanwhile` in a transaction of its own, then `revoke` in another session, which must wait, and then commits the first.
/// Returns the result of `revoke`, or its SQLSTATE.
fn waits_for(cluster: &Cluster, level: &str, meanwhile: &str, revoke: &str) -> Result<i64, String> {
    let mut first = cluster.connect("app", "postgres");
    first.batch_execute(&format!("BEGIN; {meanwhile}")).expect(meanwhile);
    let mut second = cluster.connect("app", "postgres");
    second.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT 1")).expect("a transaction");
    let pid: i32 = second.get("SELECT pg_backend_pid()", &[]);
    let mut watcher = cluster.connect("app", "postgres");
    std::thread::scope(|threads| {
        let revoking = threads.spawn(|| {
            let count = second.query_one(revoke, &[]).map(|row| row.get(0));
            second.batch_execute("COMMIT").expect("it commits");
            count.map_err(|error| refusal(&error).code)
        });
        let waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
        wait_until(&format!("{revoke} to wait for {meanwhile}"), seconds(30), || {
            watcher.get::<Option<bool>>(waits, &[&pid]) == Some(true)
        });
        first.batch_execute("COMMIT").expect("the first session commits");
        revoking.join().expect("it ends")
    })
}

fn left(db: &mut Client) -> i64 {
    db.get("SELECT count(*) FROM token_auth.token WHERE owner = 'ann'", &[])
}

#[test]
fn no_token_of_the_owner_that_another_session_had_begun_to_create_slips_through() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    db.batch_execute("SELECT token_auth.create_account('other')").expect("another account");
    let create = |account: i64, owner: &str| {
        format!("SELECT token_auth.create_token({account}, 'x', '{{*}}', all_domains => true, owner => '{owner}')")
    };
    let import = format!(
        "SELECT token_auth.import_token({account}, 'x', '{{*}}', all_domains => true, digest => sha256('x'), owner => 'ann')"
    );
    let reset = "SELECT token_auth.reset_token((SELECT max(id) FROM token_auth.token WHERE owner = 'ann' AND replaced_at IS NULL))";
    let given = "SELECT token_auth.set_token_owner((SELECT max(id) FROM token_auth.token WHERE owner = 'bob'), 'ann')";
    for revoke in ["owner => 'ann'".to_owned(), format!("{account}, owner => 'ann'")] {
        let revoke = format!("SELECT token_auth.revoke_tokens({revoke})");
        for (meanwhile, count) in [
            (create(account, "ann"), 2),
            (import.clone(), 2),
            (reset.to_owned(), 2),
            (format!("{}; {reset}", create(account, "ann")), 3),
            (given.to_owned(), 2),
        ] {
            db.batch_execute(&format!(
                "DELETE FROM token_auth.token; {}; {}",
                create(account, "ann"),
                create(account, "bob")
            ))
            .expect("two tokens");
            assert_eq!(
                waits_for(&cluster, "READ COMMITTED", &meanwhile, &revoke),
                Ok(count),
                "{revoke} beside {meanwhile}"
            );
            assert_eq!(left(&mut db), 0, "{revoke} beside {meanwhile}");
        }
    }
    // What is newer than the snapshot of a transaction cannot be deleted in it. Nothing is deleted then, and a retry deletes all.
    let revoke = "SELECT token_auth.revoke_tokens(owner => 'ann')";
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        assert_eq!(waits_for(&cluster, level, &create(account, "ann"), revoke), Err("40001".to_owned()), "{level}");
        assert_eq!(left(&mut db), 1, "{level}");
        assert_eq!((db.get::<i64>(revoke, &[]), left(&mut db)), (1, 0), "{level}");
    }
    // Of another account, only without the filter.
    db.batch_execute("DELETE FROM token_auth.token").expect("no token");
    let count =
        waits_for(&cluster, "READ COMMITTED", &create(2, "ann"), "SELECT token_auth.revoke_tokens(owner => 'ann')");
    assert_eq!((count, left(&mut db)), (Ok(1), 0));
}

#[test]
fn with_an_account_no_token_is_created_in_it_until_the_revocation_commits() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    let other = db.account("other");
    let mut revoking = cluster.connect("app", "postgres");
    revoking.batch_execute(&format!("BEGIN; SELECT token_auth.revoke_tokens({account})")).expect("a revocation");
    let create = "SELECT count(*) FROM token_auth.create_token($1, 'x', '{*}', all_domains => true)";
    db.run("SET lock_timeout = '200ms'", &[]);
    assert_eq!(db.refused(create, &[&account]).code, "55P03");
    assert_eq!(db.get::<i64>(create, &[&other]), 1, "another account is free");
    revoking.batch_execute("COMMIT").expect("it commits");
    assert_eq!(db.get::<i64>(create, &[&account]), 1);
}

#[test]
fn revocations_and_resets_in_many_sessions_end_without_a_deadlock_and_leave_nothing() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.own_profile("free", r#"{"keeps_last_token": false}"#);
    let accounts: Vec<i64> = (0..4).map(|number| db.account_under(&format!("account {number}"), "free")).collect();
    for account in &accounts {
        let domain = db.domain(*account, "home.example");
        db.run("SELECT token_auth.set_token_owner($1, 'ann')", &[&domain.token.id]);
    }
    std::thread::scope(|threads| {
        for worker in 0..4_usize {
            let (cluster, accounts) = (&cluster, &accounts);
            threads.spawn(move || {
                let mut session = cluster.connect("app", "postgres");
                for round in 0..40_usize {
                    let account = accounts[(worker + round) % accounts.len()];
                    session.run(
                        "SELECT token_auth.create_token($1, 'x', '{*}', 'home.example', owner => 'ann')",
                        &[&account],
                    );
                    // The token may be gone: another session revokes.
                    let reset = "SELECT token_auth.reset_token(id) FROM token_auth.token
                                  WHERE owner = 'ann' AND replaced_at IS NULL ORDER BY random() LIMIT 1";
                    if let Err(error) = session.query(reset, &[]) {
                        let refusal = refusal(&error);
                        assert!(["P0002", "55000"].contains(&&*refusal.code), "{refusal:?}");
                    }
                    match worker {
                        0 => session.run("SELECT token_auth.revoke_tokens(owner => 'ann')", &[]),
                        1 => session.run("SELECT token_auth.revoke_tokens($1, owner => 'ann')", &[&account]),
                        2 => session.run("SELECT token_auth.revoke_tokens(owner => 'ann', action => 'pause')", &[]),
                        _ => 0,
                    };
                }
            });
        }
    });
    db.run("SELECT token_auth.revoke_tokens(owner => 'ann')", &[]);
    assert_eq!(left(&mut db), 0);
    assert_eq!(cluster.log().lines_with("deadlock detected"), Vec::<&str>::new());
}
