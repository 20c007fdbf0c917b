//! No verification is stale despite lost messages, parallel workers, old snapshots and locks.

use cluster::scene::{AccessChange, CHANGES, CacheScene};
use cluster::{Client, Sql, TokenAuth, flood, seconds, wait_until};

#[test]
fn lost_messages_are_compensated() {
    let mut scene = CacheScene::in_database("overflow");
    let mut work = scene.session();
    // PostgreSQL logs at this level that it has lost messages.
    work.run("SET log_min_messages = debug4", &[]);
    // It waits between the two verifications of one statement, and accepts no messages.
    let around = format!(
        "SELECT {VERIFY}, pg_advisory_lock_shared(1)::text || pg_advisory_unlock_shared(1), {VERIFY_AGAIN}
         FROM (VALUES ($1)) AS asked (secret)"
    );
    for change in CHANGES {
        scene.assert_cached(&mut work, change.table);
        let resets = || scene.cluster.log().lines_with("cache state reset").len();
        let before = resets();
        let mut gate = scene.session();
        gate.run("SELECT pg_advisory_lock(1)", &[]);
        let waiter = pid(&mut work);
        let (secret, superuser) = (scene.token.secret.clone(), &mut scene.superuser);
        let codes: (String, String) = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let row = work.row(&around, &[&secret]);
                (row.get(0), row.get(2))
            });
            wait_for_wait(&mut gate, waiter, "wait_event = 'advisory'");
            superuser.run(change.take, &[]);
            flood(&mut gate);
            gate.run("SELECT pg_advisory_unlock(1)", &[]);
            asking.join().expect("it answers")
        });
        assert_eq!(codes, ("ok".to_owned(), change.code.to_owned()), "{}", change.table);
        assert!(resets() > before, "{}: nothing was lost", change.table);
        scene.superuser.run(change.give, &[]);
        assert_eq!(scene.code(&mut work), "ok", "{}: back", change.table);
    }
}

/// The statement waits without accepting messages between two verifications.
#[test]
fn a_long_statement_sees_changes_that_commit_during_it() {
    let mut scene = CacheScene::in_database("lasting");
    let mut work = scene.session();
    let sleeping = format!("SELECT {VERIFY}, pg_sleep(2), {VERIFY_AGAIN} FROM (VALUES ($1)) AS asked (secret)");
    for change in CHANGES {
        scene.assert_cached(&mut work, change.table);
        let waiter = pid(&mut work);
        let (secret, superuser) = (scene.token.secret.clone(), &mut scene.superuser);
        let codes: (String, String) = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let row = work.row(&sleeping, &[&secret]);
                (row.get(0), row.get(2))
            });
            wait_for_wait(superuser, waiter, "wait_event = 'PgSleep'");
            superuser.run(change.take, &[]);
            asking.join().expect("it answers")
        });
        assert_eq!(codes, ("ok".to_owned(), change.code.to_owned()), "{}", change.table);
        scene.superuser.run(change.give, &[]);
    }
}

#[test]
fn parallel_workers_see_changes() {
    let mut scene = CacheScene::in_database("parallel");
    let mut work = scene.session();
    let parallel = if work.get::<i32>("SELECT current_setting('server_version_num')::int", &[]) < 160_000 {
        "force_parallel_mode"
    } else {
        "debug_parallel_query"
    };
    work.batch_execute(&format!(
        "CREATE TABLE asked AS SELECT '{}' AS secret FROM generate_series(1, 5000);
         CREATE TABLE asked_once AS SELECT '{0}' AS secret;
         ANALYZE asked, asked_once;
         SET {parallel} = on; SET parallel_leader_participation = off; SET min_parallel_table_scan_size = 0;
         SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0",
        scene.token.secret
    ))
    .expect("settings and tables");
    let all = format!("SELECT {VERIFY}, count(*) FROM asked GROUP BY 1");
    let sleeping = format!("SELECT {VERIFY}, pg_sleep(2), {VERIFY_AGAIN} FROM asked_once");
    for query in [&all, &sleeping] {
        let plan = work.list::<String>(&format!("EXPLAIN (ANALYZE, VERBOSE) {query}"), &[]).join("\n");
        let launched = plan.lines().any(|line| line.contains("Workers Launched: ") && !line.contains(": 0"));
        // A node under Gather computes the verification.
        let by_workers = plan.lines().skip_while(|line| !line.contains("Gather")).skip(2);
        assert!(launched && by_workers.clone().any(|line| line.contains("verify_token")), "{plan}");
    }
    for change in CHANGES {
        scene.assert_cached(&mut work, change.table);
        let mut answers = |scene: &mut CacheScene, change: &str| {
            let row = work.row(&all, &[]);
            let before: (String, i64) = (row.get(0), row.get(1));
            scene.superuser.run(change, &[]);
            let row = work.row(&all, &[]);
            (before, (row.get::<_, String>(0), row.get::<_, i64>(1)))
        };
        let (ok, not_ok) = (("ok".to_owned(), 5000), (change.code.to_owned(), 5000));
        assert_eq!(answers(&mut scene, change.take), (ok.clone(), not_ok.clone()), "{}: between", change.table);
        assert_eq!(answers(&mut scene, change.give), (not_ok, ok), "{}: between, back", change.table);

        let superuser = &mut scene.superuser;
        let codes: (String, String) = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let row = work.row(&sleeping, &[]);
                (row.get(0), row.get(2))
            });
            let asleep = "SELECT count(*) = 1 FROM pg_stat_activity
                          WHERE datname = 'parallel' AND backend_type = 'parallel worker' AND wait_event = 'PgSleep'";
            wait_until("a worker that sleeps", seconds(20), || superuser.get(asleep, &[]));
            superuser.run(change.take, &[]);
            asking.join().expect("it answers")
        });
        assert_eq!(codes, ("ok".to_owned(), change.code.to_owned()), "{}: during", change.table);
        assert_eq!(scene.code(&mut work), change.code, "{}: the leader", change.table);
        scene.superuser.run(change.give, &[]);
    }
}

#[test]
fn an_old_snapshot_hides_no_change() {
    let mut scene = CacheScene::in_database("snapshot");
    let paused = "SELECT count(paused_at) FROM token_auth.token";
    for level in ["REPEATABLE READ", "SERIALIZABLE", "SERIALIZABLE READ ONLY", "READ COMMITTED"] {
        let mut work = scene.session();
        work.run(&format!("BEGIN ISOLATION LEVEL {level}"), &[]);
        assert_eq!(work.get::<i64>(paused, &[]), 0);
        for change in CHANGES {
            scene.assert_verification_follows(&mut work, &change);
            scene.superuser.run(change.take, &[]);
            assert_eq!(scene.code(&mut work), change.code, "{level}: {}", change.table);
            if change.table == "token" && level != "READ COMMITTED" {
                assert_eq!(work.get::<i64>(paused, &[]), 0, "the snapshot is an old one");
            }
            scene.superuser.run(change.give, &[]);
        }
        work.run("COMMIT", &[]);
        // A read under an old snapshot is not cached.
        scene.assert_verification_follows(&mut work, &CHANGES[0]);
    }
}

/// It sees the state after it got the lock, not that when it began to wait, and caches no other.
#[test]
fn a_verification_that_waits_for_a_table_sees_the_state_after_the_wait() {
    let mut scene = CacheScene::in_database("locked");
    // Nothing of it is cached.
    let gone = scene.superuser.account_token(scene.account, "gone", &["*"]);
    scene.superuser.run("SELECT token_auth.delete_token($1)", &[&gone.id]);
    for (number, change) in CHANGES.iter().enumerate() {
        let AccessChange { table, take, code, give } = *change;
        let lock = format!("LOCK TABLE token_auth.{table} IN ACCESS EXCLUSIVE MODE");
        // A snapshot from before shows an empty table.
        let rewrite =
            |name: &str| format!("ALTER TABLE token_auth.{table} ADD $_{name}_{number} text DEFAULT random()::text");
        let quietly = |change: &str| {
            format!(
                "{lock}; ALTER TABLE token_auth.{table} DISABLE TRIGGER _invalidate_cache; {change};
                 ALTER TABLE token_auth.{table} ENABLE ALWAYS TRIGGER _invalidate_cache"
            )
        };
        let changes = [
            (lock.clone(), "ok"),
            (format!("{lock}; {take}"), code),
            (lock.clone(), code),
            (format!("{lock}; {give}"), "ok"),
            (quietly(take), code),
            (quietly(give), "ok"),
            (rewrite("first"), "ok"),
            (format!("{take}; {}", rewrite("second")), code),
            (format!("{}; {give}", rewrite("third")), "ok"),
        ];
        // A session that has found the tables before, and one that has not.
        for session in ["warm", "fresh"] {
            for (statements, code) in &changes {
                let mut work = scene.session();
                if session == "warm" {
                    assert_eq!(work.verify(&gone.secret, None, None).code, "not_found");
                }
                let statements = statements.replace('$', session);
                let answers = answers_after_a_wait(&scene, &mut work, &statements);
                assert_eq!(answers, [*code, *code], "{session}: {statements}");
            }
        }
    }
}

/// Returns the answers of a session that waits for the end of a transaction with these statements, and of its next call.
fn answers_after_a_wait(scene: &CacheScene, work: &mut Client, statements: &str) -> [String; 2] {
    let waiter = pid(work);
    let mut gate = scene.session();
    gate.batch_execute(&format!("BEGIN; {statements}")).unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    let secret = &scene.token.secret;
    std::thread::scope(|scope| {
        let asking =
            scope.spawn(|| [(); 2].map(|()| work.verify(secret, Some("email:send"), Some("mail.example")).code));
        wait_for_wait(&mut gate, waiter, "wait_event_type = 'Lock'");
        gate.run("COMMIT", &[]);
        asking.join().expect("it answers")
    })
}

/// A verification within statements of the tests.
const VERIFY: &str = "(token_auth.verify_token(secret, 'email:send', 'mail.example')).code";
/// The same verification, written differently: above a Gather, two equal expressions are computed once.
const VERIFY_AGAIN: &str = "(token_auth.verify_token(secret, 'email:send', 'MAIL.example')).code";

/// Waits until another session waits for the lock.
fn wait_for_wait(session: &mut Client, pid: i32, condition: &str) {
    let is_waiting = format!("SELECT coalesce({condition}, false) FROM pg_stat_activity WHERE pid = $1");
    wait_until(condition, seconds(20), || session.get::<bool>(&is_waiting, &[&pid]));
}

fn pid(session: &mut Client) -> i32 {
    session.get("SELECT pg_backend_pid()", &[])
}

/// Who holds one lock at a time, and waits for another only then, is in no deadlock with DDL on several tables.
#[test]
fn a_verification_waits_for_a_table_without_holding_another() {
    let mut scene = CacheScene::in_database("one_at_a_time");
    let secret = scene.token.secret.clone();
    for table in ["token", "token_access", "account", "domain", "profile"] {
        let mut gate = scene.session();
        gate.batch_execute(&format!("BEGIN; LOCK TABLE token_auth.{table} IN ACCESS EXCLUSIVE MODE")).expect("a lock");
        let mut asking = scene.session();
        let waiter: i32 = asking.get("SELECT pg_backend_pid()", &[]);
        let held: Vec<String> = std::thread::scope(|threads| {
            let asked = threads.spawn(|| asking.verify(&secret, Some("email:send"), Some("mail.example")).code);
            wait_for_wait(&mut scene.superuser, waiter, "wait_event_type = 'Lock'");
            let held = scene.superuser.list(
                "SELECT relation::regclass::text FROM pg_locks
                  WHERE pid = $1 AND granted AND relation::regclass::text LIKE 'token_auth.%'",
                &[&waiter],
            );
            gate.run("COMMIT", &[]);
            assert_eq!(asked.join().expect("it answers"), "ok", "{table}");
            held
        });
        assert_eq!(held, Vec::<String>::new(), "while it waited for {table}");
    }
}

#[test]
fn a_trigger_of_the_application_sees_the_change_that_fired_it() {
    let mut scene = CacheScene::in_database("own_trigger");
    let (id, secret) = (scene.token.id, scene.token.secret.clone());
    scene
        .superuser
        .batch_execute(&format!(
            "CREATE TABLE public.seen (code text);
             CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO public.seen SELECT code FROM token_auth.verify_token('{secret}'); RETURN NULL; END $$;
             CREATE TRIGGER a_look AFTER UPDATE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION public.look()"
        ))
        .expect("a trigger");
    let mut session = scene.session();
    assert_eq!(session.verify(&secret, None, None).code, "ok");
    assert_eq!(session.verify(&secret, None, None).code, "ok");
    session.run("UPDATE token_auth.token SET paused_at = now() WHERE id = $1", &[&id]);
    session.run("UPDATE token_auth.token SET paused_at = NULL WHERE id = $1", &[&id]);
    assert_eq!(session.list::<String>("SELECT code FROM public.seen", &[]), ["paused", "ok"]);
}
