//! The cached answers of an authenticated session are bounded, and right at the bounds. No statement that begins after
//! a COMMIT has returned sees the state before it.

use cluster::scene::{CacheScene, is_answered_from_cache, session_answer};
use cluster::{Client, Sql, seconds, wait_until};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

#[test]
fn a_name_is_one_domain_however_it_is_spelled() {
    let mut scene = CacheScene::in_database("session_spelling");
    scene.superuser.run("SELECT token_auth.create_domain($1, 'Mixed.Example')", &[&scene.account]);
    let grant = "SELECT token_auth.grant_access($1, '{email:send}', 'MIXED.example')";
    scene.superuser.run(grant, &[&scene.token.id]);
    let mut work = scene.authenticated_session();
    let spellings = "SELECT ARRAY(SELECT token_auth.allows('email:send', name)
                     FROM unnest('{mail.example,Mail.Example,MAIL.EXAMPLE,mixed.example,Mixed.Example,mIXED.eXAMPLE}'::text[]) name)";
    let names = "SELECT token_auth.allowed_domains('email:send')";
    for _ in 0..2 {
        assert_eq!(work.get::<Vec<bool>>(spellings, &[]), [true; 6]);
        assert_eq!(work.get::<Vec<String>>(names, &[]), ["mail.example", "mixed.example"]);
    }
    scene.superuser.run("SELECT token_auth.revoke_access($1, 'mixed.EXAMPLE')", &[&scene.token.id]);
    assert_eq!(work.get::<Vec<bool>>(spellings, &[]), [true, true, true, false, false, false]);
    scene.superuser.run(
        "SELECT token_auth.rename_domain(id, 'Third.Example') FROM token_auth.domain WHERE name = 'mail.example'",
        &[],
    );
    assert_eq!(work.get::<Vec<bool>>(spellings, &[]), [false; 6]);
    assert_eq!(work.get::<Vec<String>>(names, &[]), ["third.example"]);
}

#[test]
fn more_scopes_than_are_cached_get_right_answers() {
    let mut scene = CacheScene::in_database("session_scopes");
    let even: Vec<String> = (0..40).step_by(2).map(|i| format!("s{i}:read")).collect();
    scene.superuser.run("SELECT token_auth.grant_access($1, $2, 'mail.example')", &[&scene.token.id, &even]);
    let mut work = scene.authenticated_session();
    let wrong = "SELECT count(*) FROM generate_series(1, 5) again, generate_series(0, 39) i
                 WHERE token_auth.allows('s' || i || ':read', 'mail.example') <> (i % 2 = $1)
                    OR cardinality(token_auth.allowed_domains('s' || i || ':read')) <> (i % 2 = $1)::int
                    OR cardinality(token_auth.allowed_domain_ids('s' || i || ':read')) <> (i % 2 = $1)::int";
    assert_eq!(work.get::<i64>(wrong, &[&0]), 0);
    let odd: Vec<String> = even
        .iter()
        .map(|scope| scope.replace(":read", ":write"))
        .chain((1..40).step_by(2).map(|i| format!("s{i}:read")))
        .collect();
    scene.superuser.run("SELECT token_auth.grant_access($1, $2, 'mail.example')", &[&scene.token.id, &odd]);
    assert_eq!(work.get::<i64>(wrong, &[&1]), 0);
}

#[test]
fn the_memory_of_a_session_is_bounded() {
    let mut scene = CacheScene::in_database("session_memory");
    let mut work = scene.authenticated_session();
    let pid: i32 = work.get("SELECT pg_backend_pid()", &[]);
    // 32 MB of names, each used once. One of them exists.
    let ask_many = "SELECT count(*) FILTER (WHERE token_auth.allows('email:send', repeat('x', 1000) || i)),
                           count(*) FILTER (WHERE i % 1000 = 0 AND token_auth.allows('email:send', 'mail.example'))
                    FROM (SELECT generate_series($1::int, $1 + 15999)) s (i)";
    let mut growth = Vec::new();
    for round in 0..3 {
        let before = private_kilobytes(pid);
        let row = work.row(ask_many, &[&(round * 16_000)]);
        assert_eq!((row.get(0), row.get(1)), (0_i64, 16_i64), "round {round}");
        growth.push(private_kilobytes(pid) - before);
    }
    // Short names, of which many fit.
    let before = private_kilobytes(pid);
    let short = "SELECT count(*) FROM (SELECT generate_series(1, 150000)) s (i)
                 WHERE token_auth.allows('email:send', i::text)";
    assert_eq!(work.get::<i64>(short, &[]), 0);
    growth.push(private_kilobytes(pid) - before);
    // Many scopes, and names that are too long.
    let before = private_kilobytes(pid);
    let scopes = "SELECT count(*) FROM generate_series(1, 16) scope, generate_series(1, 3000) i
                  WHERE token_auth.allows('s' || scope || ':send', repeat('x', 900) || i)";
    assert_eq!(work.get::<i64>(scopes, &[]), 0);
    growth.push(private_kilobytes(pid) - before);
    assert!(growth.iter().sum::<i64>() < 16_000 && growth[1..].iter().sum::<i64>() < 12_000, "kB each: {growth:?}");
    // What malloc keeps of three long texts, but not of all 16.
    let before = private_kilobytes(pid);
    let long = "SELECT count(*) FROM generate_series(1, 16) scope
                WHERE token_auth.allows('s' || scope || ':send', repeat('x', 20000000))
                   OR (token_auth.verify_token($1, 'email:send', repeat('x', 20000000))).valid";
    assert_eq!(work.get::<i64>(long, &[&scene.token.secret]), 0);
    assert!(private_kilobytes(pid) - before < 100_000, "{} kB", private_kilobytes(pid) - before);
    assert!(is_answered_from_cache(&mut work));
    let (pause, resume) = ("SELECT token_auth.pause_account(1)", "SELECT token_auth.resume_account(1)");
    scene.assert_session_follows(&mut work, pause, resume);
}

/// Returns the private memory of a process.
fn private_kilobytes(pid: i32) -> i64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = text.lines().find(|line| line.starts_with("Private_Dirty:")).expect("a line of the kernel's");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
}

#[test]
fn digests_with_the_same_hash_code_are_distinguished() {
    let mut scene = CacheScene::in_database("session_collision");
    // hash_array() of one element is its hash code and a constant.
    let pairs = scene.superuser.rows(
        "SELECT (array_agg(digest))[1], (array_agg(digest))[2]
         FROM (SELECT sha256(i::text::bytea) AS digest, hash_array(ARRAY[sha256(i::text::bytea)]) AS hash
               FROM generate_series(1, 400000) i) s
         GROUP BY hash HAVING count(*) = 2 LIMIT 20",
        &[],
    );
    assert!(pairs.len() >= 5, "{} collisions", pairs.len());
    let code_query = "SELECT v.code || coalesce(' ' || v.name, '') FROM token_auth.verify_token_digest($1) v";
    for pair in pairs {
        let (one, other): (Vec<u8>, Vec<u8>) = (pair.get(0), pair.get(1));
        assert_ne!(one, other);
        let made = |db: &mut Client, name: &str, digest: &Vec<u8>, account: i64| {
            db.run(
                "INSERT INTO token_auth.token (account_id, name, digest, hint, created_by)
                 VALUES ($1, $2, $3, 'tok_abcd...wxyz', 'test')",
                &[&account, &name, digest],
            );
        };
        let (account, db) = (scene.account, &mut scene.superuser);
        made(db, "one", &one, account);
        assert_eq!(db.get::<String>(code_query, &[&one]), "ok one");
        assert_eq!(db.get::<String>(code_query, &[&other]), "not_found", "its code is known, itself not");
        made(db, "other", &other, account);
        assert_eq!(db.get::<String>(code_query, &[&one]), "ok one");
        assert_eq!(db.get::<String>(code_query, &[&other]), "ok other");
        db.run("UPDATE token_auth.token SET paused_at = now() WHERE name = 'one'", &[]);
        assert!(db.get::<String>(code_query, &[&one]).starts_with("paused"));
        assert_eq!(db.get::<String>(code_query, &[&other]), "ok other");
        db.run("DELETE FROM token_auth.token WHERE name = 'one'", &[]);
        assert_eq!(db.get::<String>(code_query, &[&one]), "not_found");
        assert_eq!(db.get::<String>(code_query, &[&other]), "ok other");
        assert_eq!(
            db.refused(
                "INSERT INTO token_auth.token (account_id, name, digest, hint, created_by)
                               VALUES ($1, 'twice', $2, 'tok_abcd...wxyz', 'test')",
                &[&account, &other]
            )
            .code,
            "23P01"
        );
        db.run("DELETE FROM token_auth.token WHERE name = 'other'", &[]);
    }
}

#[test]
fn a_cached_token_expires_on_time() {
    let mut scene = CacheScene::in_database("session_expiry");
    scene
        .superuser
        .run("SELECT token_auth.set_token_expiry($1, clock_timestamp() + interval '1500 ms')", &[&scene.token.id]);
    let mut work = scene.authenticated_session();
    assert!(is_answered_from_cache(&mut work), "it is good still");
    let allowed = "SELECT token_auth.allows('email:send', 'mail.example')";
    wait_until("it expires", seconds(5), || !work.get::<bool>(allowed, &[]));
    assert_eq!(session_answer(&mut work), None);
    // Within one statement, too.
    scene.superuser.run("UPDATE token_auth.token SET expires_at = clock_timestamp() + interval '700 ms'", &[]);
    let row = work.row(
        "SELECT token_auth.allows('email:send', 'mail.example'), pg_sleep(0.8)::text,
                               token_auth.allows('email:send', 'mail.example')",
        &[],
    );
    assert_eq!((row.get(0), row.get(2)), (true, false));
}

#[test]
fn no_session_sees_the_old_state_after_a_commit() {
    const CHANGES: i64 = 2000;
    const DOMAINS: i64 = 1000;
    let mut scene = CacheScene::in_database("session_stress");
    let account = scene.account;
    scene.superuser.run(
        "INSERT INTO token_auth.domain (id, account_id, name)
         SELECT 1000 + i, $1, 'd' || i || '.example' FROM generate_series(0, $2::bigint - 1) i",
        &[&account, &DOMAINS],
    );
    // The n-th change moves the access of the token to domain n modulo DOMAINS.
    let change = "UPDATE token_auth.token_access SET domain_id = 1000 + $1::bigint % $2::bigint";
    scene.superuser.run(change, &[&0_i64, &DOMAINS]);
    let (begun, committed, done) = (AtomicI64::new(0), AtomicI64::new(0), AtomicBool::new(false));
    let (begun, committed, done) = (&begun, &committed, &done);
    let read = |level: &'static str| {
        let mut session = scene.authenticated_session();
        session.run("COMMIT", &[]);
        session.run(&format!("BEGIN ISOLATION LEVEL {level}"), &[]);
        session.run("SELECT token_auth.authenticate($1)", &[&scene.token.secret]);
        move || {
            let look = session
                .prepare(
                    "SELECT token_auth.allowed_domain_ids('email:send'),
                            token_auth.allows('email:send', 'd' || $1::bigint % 1000 || '.example')",
                )
                .expect("a statement");
            let (mut looks, mut exact) = (0, 0);
            while !done.load(SeqCst) {
                let first = committed.load(SeqCst);
                let row = session.query_one(&look, &[&first]).expect("it answers");
                let last = begun.load(SeqCst);
                let ids: Vec<i64> = row.get(0);
                if last - first >= DOMAINS {
                    // After more changes than there are domains the answer says nothing.
                    continue;
                }
                assert!(
                    (first..=last).any(|n| ids == [1000 + n % DOMAINS]),
                    "{level}: {ids:?} after change {first}, before {last}"
                );
                looks += 1;
                if first == last {
                    assert!(row.get::<_, bool>(1), "{level}: not where it is since change {first}");
                    exact += 1;
                }
            }
            (looks, exact)
        }
    };
    let (rc, rr) = (read("READ COMMITTED"), read("REPEATABLE READ"));
    let superuser = &mut scene.superuser;
    std::thread::scope(|scope| {
        let readers = [("READ COMMITTED", scope.spawn(rc)), ("REPEATABLE READ", scope.spawn(rr))];
        let change = superuser.prepare(change).expect("a statement");
        for n in 1..=CHANGES {
            begun.store(n, SeqCst);
            superuser.execute(&change, &[&n, &DOMAINS]).expect("a change");
            committed.store(n, SeqCst);
            if n % 4 == 0 {
                std::thread::sleep(std::time::Duration::from_micros(500));
            }
        }
        done.store(true, SeqCst);
        for (level, reader) in readers {
            let (looks, exact): (i64, i64) = reader.join().expect("no violation");
            assert!(looks > CHANGES / 20 && exact > 0, "{level}: {looks} looks, {exact} between two changes");
        }
    });
}
