//! The cached answers of an authenticated session are never stale: every change of the tables is seen by its next
//! statement.

use cluster::scene::{AccessChange, CHANGES, CacheScene, is_answered_from_cache, scans_again, session_answer};
use cluster::{Client, Sql, flood, seconds, wait_until};
use std::io::Write as _;

#[test]
fn without_an_enabled_trigger_nothing_is_cached() {
    let mut scene = CacheScene::in_database("session_trigger_off");
    let mut work = scene.authenticated_session();
    for AccessChange { table, take, give, .. } in CHANGES {
        for off in [
            "DISABLE TRIGGER _invalidate_cache",
            "ENABLE TRIGGER _invalidate_cache",
            "DISABLE TRIGGER ALL",
            "ENABLE REPLICA TRIGGER _invalidate_cache",
        ] {
            assert!(is_answered_from_cache(&mut work), "before {table} {off}");
            scene.superuser.run(&format!("ALTER TABLE token_auth.{table} {off}"), &[]);
            assert!(scans_again(&mut work), "{table} {off}");
            scene.assert_session_follows(&mut work, take, give);
            scene
                .superuser
                .run(&format!("ALTER TABLE token_auth.{table} ENABLE ALWAYS TRIGGER _invalidate_cache"), &[]);
            assert!(is_answered_from_cache(&mut work), "{table} {off}, and on again");
            scene.assert_session_follows(&mut work, take, give);
        }
        // Off and on again in the transaction of the change.
        let quietly = format!(
            "BEGIN; ALTER TABLE token_auth.{table} DISABLE TRIGGER _invalidate_cache; {take};
             ALTER TABLE token_auth.{table} ENABLE ALWAYS TRIGGER _invalidate_cache; COMMIT"
        );
        scene.assert_session_follows(&mut work, &quietly, give);
        assert!(is_answered_from_cache(&mut work), "{table}");
    }
}

#[test]
fn a_change_by_a_replication_role_is_seen() {
    let mut scene = CacheScene::in_database("session_replication");
    scene.superuser.run("SET session_replication_role = replica", &[]);
    let mut work = scene.authenticated_session();
    for AccessChange { take, give, .. } in CHANGES {
        assert!(is_answered_from_cache(&mut work));
        scene.assert_session_follows(&mut work, take, give);
    }
}

#[test]
fn every_statement_that_changes_rows_is_seen() {
    let mut scene = CacheScene::in_database("session_statements");
    scene.superuser.run("CREATE TABLE kept AS SELECT * FROM token_auth.token_access", &[]);
    scene.superuser.run("SELECT token_auth.create_token($1, 'other', '{a:b}', all_domains => true)", &[&scene.account]);
    let back = "INSERT INTO token_auth.token_access SELECT * FROM kept ON CONFLICT DO NOTHING";
    let mut work = scene.authenticated_session();
    for (take, give) in [
        ("DELETE FROM token_auth.token_access", back),
        ("TRUNCATE token_auth.token_access", back),
        (
            "MERGE INTO token_auth.token_access a USING kept k ON a.id = k.id WHEN MATCHED THEN DELETE",
            "MERGE INTO token_auth.token_access a USING kept k ON a.id = k.id
             WHEN NOT MATCHED THEN INSERT (id, account_id, token_id, domain_id, scopes)
                 VALUES (k.id, k.account_id, k.token_id, k.domain_id, k.scopes)",
        ),
        (
            "INSERT INTO token_auth.token_access SELECT * FROM kept
             ON CONFLICT (token_id, domain_id) DO UPDATE SET scopes = '{email:read}'",
            "WITH change AS (UPDATE token_auth.token_access a SET scopes = k.scopes FROM kept k WHERE a.id = k.id RETURNING 1)
             SELECT count(*) FROM change",
        ),
        // It is given to another token, and back.
        (
            "UPDATE token_auth.token_access SET token_id = (SELECT max(id) FROM token_auth.token)
             WHERE id IN (SELECT id FROM kept)",
            "UPDATE token_auth.token_access a SET token_id = k.token_id FROM kept k WHERE a.id = k.id",
        ),
        ("DO $$ BEGIN EXECUTE 'DELETE FROM token_auth.token_access'; END $$", back),
    ] {
        assert!(is_answered_from_cache(&mut work), "{take}");
        scene.assert_session_follows(&mut work, take, give);
    }
    scene.superuser.run("DELETE FROM token_auth.token_access", &[]);
    assert_eq!(session_answer(&mut work), None);
    let row: String =
        scene.superuser.get("SELECT concat_ws(E'\\t', id, account_id, token_id, domain_id, scopes) FROM kept", &[]);
    let mut copy = scene
        .superuser
        .copy_in("COPY token_auth.token_access (id, account_id, token_id, domain_id, scopes) FROM STDIN")
        .expect("COPY begins");
    copy.write_all(row.as_bytes()).expect("a row");
    copy.finish().expect("COPY ends");
    assert!(session_answer(&mut work).is_some(), "COPY");
    scene.superuser.run("TRUNCATE token_auth.account CASCADE", &[]);
    assert_eq!(session_answer(&mut work), None, "TRUNCATE of all");
}

#[test]
fn maintenance_of_the_tables_confuses_no_session() {
    let mut scene = CacheScene::in_database("session_maintenance");
    let mut session = scene.cluster.connect(&scene.database, "postgres");
    for round in [
        &["VACUUM FULL token_auth.$"][..],
        &["CLUSTER token_auth.$ USING $_pkey"],
        &["REINDEX TABLE token_auth.$"],
        &["REINDEX TABLE CONCURRENTLY token_auth.$"],
        &["VACUUM (FREEZE, ANALYZE) token_auth.$"],
        &["ALTER TABLE token_auth.$ ADD own int"],
        &[
            "ALTER TABLE token_auth.$ ALTER own TYPE text",
            "ALTER TABLE token_auth.$ ADD more text DEFAULT random()::text",
        ],
        &["ALTER TABLE token_auth.$ DROP own", "VACUUM FULL token_auth.$"],
        &["ALTER TABLE token_auth.$ SET (fillfactor = 50)", "ALTER TABLE token_auth.$ SET UNLOGGED"],
    ] {
        // One transaction lasts throughout. Another one begins after it.
        let mut work = scene.authenticated_session();
        assert!(is_answered_from_cache(&mut work));
        for AccessChange { table, .. } in CHANGES {
            for statement in round {
                let is_parent = ["account", "profile", "token", "domain"].contains(&table);
                if statement.contains("UNLOGGED") && is_parent {
                    continue;
                }
                // Releases the snapshot of the last query, for which REINDEX CONCURRENTLY would wait.
                work.batch_execute("SELECT 1").expect("a simple query");
                session.run(&statement.replace('$', table), &[]);
                assert!(session_answer(&mut work).is_some(), "{statement} of {table}");
            }
        }
        for AccessChange { table, take, give, .. } in CHANGES {
            scene.assert_session_follows(&mut work, take, give);
            assert!(is_answered_from_cache(&mut work), "{round:?}: {table}");
        }
        let code_query = "SELECT code FROM token_auth.verify_token($1, 'email:send', 'mail.example')";
        assert_eq!(work.get::<String>(code_query, &[&scene.token.secret]), "ok", "{round:?}");
    }
}

#[test]
fn a_session_with_a_cache_survives_drop_and_create_extension() {
    let mut scene = CacheScene::in_database("session_reborn");
    for round in 0..3 {
        let mut work = scene.authenticated_session();
        assert!(is_answered_from_cache(&mut work), "round {round}");
        scene.superuser.batch_execute("DROP EXTENSION token_auth; CREATE EXTENSION token_auth").expect("again");
        assert_eq!(session_answer(&mut work), None, "round {round}");
        let old = "SELECT code FROM token_auth.authenticate($1)";
        assert_eq!(work.get::<String>(old, &[&scene.token.secret]), "not_found", "round {round}");
        work.run("COMMIT", &[]);
        scene.fill();
        assert_eq!(session_answer(&mut work), None, "round {round}");
    }
}

#[test]
fn a_token_that_is_inserted_again_is_seen() {
    let mut scene = CacheScene::in_database("session_back");
    scene.superuser.run("CREATE TABLE kept AS SELECT * FROM token_auth.token", &[]);
    scene.superuser.run("DELETE FROM token_auth.token_access", &[]);
    let mut work = scene.authenticated_session();
    let who = "SELECT token_auth.current_token_id()";
    assert_eq!(work.get::<Option<i64>>(who, &[]), Some(scene.token.id));
    scene.superuser.run("DELETE FROM token_auth.token", &[]);
    assert_eq!(work.get::<Option<i64>>(who, &[]), None);
    // As from a dump: the row without access.
    scene.superuser.run("INSERT INTO token_auth.token SELECT * FROM kept", &[]);
    assert_eq!(work.get::<Option<i64>>(who, &[]), Some(scene.token.id));
}

#[test]
fn a_rolled_back_change_leaves_no_trace() {
    let scene = CacheScene::in_database("session_taken_back");
    let mut work = scene.authenticated_session();
    for AccessChange { table, take, give, .. } in CHANGES {
        assert!(is_answered_from_cache(&mut work));
        work.batch_execute(&format!("SAVEPOINT before; {take}")).expect(take);
        assert_eq!(session_answer(&mut work), None, "{table}");
        work.run("ROLLBACK TO before", &[]);
        assert!(session_answer(&mut work).is_some(), "{table}: rolled back to");
        work.batch_execute(&format!("SAVEPOINT within; {take}; RELEASE within")).expect(take);
        assert_eq!(session_answer(&mut work), None, "{table}: released");
        work.run("ROLLBACK TO before", &[]);
        assert!(session_answer(&mut work).is_some(), "{table}: rolled back to");
        let block = format!(
            "DO $$ BEGIN
                 BEGIN
                     {take};
                     ASSERT NOT token_auth.allows('email:send', 'mail.example'), 'it is felt';
                     {give};
                     ASSERT token_auth.allows('email:send', 'mail.example'), 'so is that';
                     {take};
                     RAISE division_by_zero;
                 EXCEPTION WHEN division_by_zero THEN
                     ASSERT token_auth.allows('email:send', 'mail.example'), 'in the handler';
                 END;
                 ASSERT token_auth.allows('email:send', 'mail.example'), 'after the block';
             END $$"
        );
        work.batch_execute(&block).expect(table);
    }
    // The second TRUNCATE of a transaction empties the file that the first one created.
    let keep = "CREATE TEMP TABLE kept AS SELECT * FROM token_auth.token_access";
    let refill = "INSERT INTO token_auth.token_access SELECT * FROM kept";
    work.batch_execute(keep).expect(keep);
    for _ in 0..3 {
        work.run("TRUNCATE token_auth.token_access", &[]);
        assert_eq!(session_answer(&mut work), None, "TRUNCATE");
        work.run(refill, &[]);
        assert!(session_answer(&mut work).is_some() && is_answered_from_cache(&mut work), "INSERT");
    }
    work.run("ROLLBACK", &[]);
    assert!(is_answered_from_cache(&mut scene.authenticated_session()));
}

#[test]
fn a_prepared_transaction_is_seen_when_it_is_committed() {
    let mut scene = CacheScene::in_database("session_prepared");
    let mut work = scene.authenticated_session();
    for AccessChange { table, take, give, .. } in CHANGES {
        for (end, felt) in [("ROLLBACK", false), ("COMMIT", true)] {
            let mut other = scene.cluster.connect(&scene.database, "postgres");
            other.batch_execute(&format!("BEGIN; {take}; PREPARE TRANSACTION 'change'")).expect(take);
            drop(other);
            assert!(is_answered_from_cache(&mut work), "{table}: prepared");
            scene.superuser.run(&format!("{end} PREPARED 'change'"), &[]);
            assert_eq!(session_answer(&mut work).is_none(), felt, "{table}: {end}");
        }
        scene.superuser.run(give, &[]);
        assert!(session_answer(&mut work).is_some(), "{table}: back");
    }
}

#[test]
fn lost_messages_are_compensated() {
    let mut scene = CacheScene::in_database("session_overflow");
    let mut work = scene.authenticated_session();
    // PostgreSQL logs at this level that it has lost messages.
    work.run("SET log_min_messages = debug4", &[]);
    let resets = |scene: &CacheScene| scene.cluster.log().lines_with("cache state reset").len();
    // It waits between the two answers of one statement, and accepts no messages.
    let around = "SELECT token_auth.allows('email:send', 'mail.example'),
                         pg_advisory_lock_shared(1)::text || pg_advisory_unlock_shared(1),
                         token_auth.allows('email:send', 'mail.example')";
    for AccessChange { table, take, give, .. } in CHANGES {
        let before = resets(&scene);
        let mut gate = scene.cluster.connect(&scene.database, "postgres");
        gate.run("SELECT pg_advisory_lock(1)", &[]);
        let waiter: i32 = work.get("SELECT pg_backend_pid()", &[]);
        let (mut waiting, superuser) = (work, &mut scene.superuser);
        let row;
        (work, row) = std::thread::scope(|scope| {
            let asking = scope.spawn(move || {
                let row = waiting.row(around, &[]);
                (waiting, row)
            });
            wait_for_lock(&mut gate, waiter);
            superuser.run(take, &[]);
            flood(&mut gate);
            gate.run("SELECT pg_advisory_unlock(1)", &[]);
            asking.join().expect("it answers")
        });
        assert_eq!((row.get(0), row.get(2)), (true, false), "{table}");
        assert!(resets(&scene) > before, "{table}: nothing was lost");
        scene.superuser.run(give, &[]);
        assert!(session_answer(&mut work).is_some(), "{table}: back");
    }
}

/// Waits until another session waits for an advisory lock.
fn wait_for_lock(session: &mut Client, pid: i32) {
    let is_waiting = "SELECT wait_event = 'advisory' FROM pg_stat_activity WHERE pid = $1";
    wait_until("a wait for the lock", seconds(10), || session.get::<Option<bool>>(is_waiting, &[&pid]) == Some(true));
}
