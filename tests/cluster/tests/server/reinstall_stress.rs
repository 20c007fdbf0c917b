//! The extension is dropped, created, restored and altered while sessions verify for the first time and again: none of
//! them crashes or hangs, and their errors are PostgreSQL's own.

use cluster::{Client, Cluster, Format, Sql, TokenAuth};
use postgres::error::SqlState;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const VERIFY: &str = "SELECT (v).code FROM (SELECT token_auth.verify_token($1, 'email:send', 'mail.example') v) v";

/// The errors that a session may get while objects are dropped and created: undefined function, table, column, schema, object; a type or a row
/// that is another one; a deadlock, and a statement that it has to repeat.
const EXPECTED: [&str; 12] =
    ["42883", "42P01", "42703", "3F000", "42704", "42804", "42809", "40P01", "40001", "55P03", "0A000", "42501"];

#[test]
fn a_first_verification_that_waits_for_drop_extension_gets_an_error() {
    let cluster = Cluster::builder().preload("token_auth").environment("RUST_BACKTRACE", "1").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let token = prepare(&mut db);
    let dump = cluster.file("dump");
    cluster.dump("app", Format::Custom, &dump);
    for (what, then_there) in [
        ("BEGIN; DROP EXTENSION token_auth", false),
        ("BEGIN; DROP EXTENSION token_auth; CREATE EXTENSION token_auth", true),
        ("BEGIN; DROP EXTENSION token_auth; CREATE EXTENSION token_auth; DROP EXTENSION token_auth", false),
    ] {
        db.run("CREATE EXTENSION IF NOT EXISTS token_auth", &[]);
        let mut first = cluster.connect("app", "postgres");
        let mut waiting = cluster.connect("app", "postgres");
        let pid: i32 = waiting.get("SELECT pg_backend_pid()", &[]);
        first.batch_execute(what).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let secret = token.clone();
        let waiter = std::thread::spawn(move || {
            let answer = waiting.query_one("SELECT token_auth.verify_token($1)::text", &[&secret]);
            let alive: i32 = waiting.get("SELECT 1", &[]);
            (answer, alive)
        });
        cluster::wait_until("the verification to wait", Duration::from_secs(20), || {
            waiter.is_finished()
                || db.get(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock')",
                    &[&pid],
                )
        });
        first.batch_execute("COMMIT").expect("a commit");
        let (answer, alive) = waiter.join().expect("the session");
        assert_eq!(alive, 1);
        match answer {
            // A session that waits gets the objects that exist then.
            Ok(row) => assert!(then_there && row.get::<_, String>(0).contains("not_found"), "{what}"),
            Err(error) => {
                let refusal = cluster::refusal(&error);
                assert!(EXPECTED.contains(&&*refusal.code) && refusal.detail.is_empty(), "{what}: {refusal:?}");
            }
        }
    }
    no_crash(&cluster);
}

#[test]
fn an_altered_result_type_is_an_error_in_postgresqls_words() {
    let cluster = Cluster::builder().preload("token_auth").environment("RUST_BACKTRACE", "1").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let token = prepare(&mut db);
    let statements = [
        ("verify_token", "SELECT (token_auth.verify_token('x')).code"),
        ("verify_token_digest", "SELECT (token_auth.verify_token_digest('x')).code"),
        ("authenticate", "DO $$ BEGIN PERFORM token_auth.authenticate('x'); END $$"),
    ];
    let warm = "SELECT (token_auth.verify_token($1)).code";
    assert_eq!(db.get::<String>(warm, &[&token]), "ok");
    for (alter, back) in [
        ("ADD ATTRIBUTE x int", "DROP ATTRIBUTE x"),
        ("ADD ATTRIBUTE y int, ADD ATTRIBUTE z text", "DROP ATTRIBUTE y, DROP ATTRIBUTE z"),
        ("DROP ATTRIBUTE metadata", "ADD ATTRIBUTE metadata jsonb"),
        ("ALTER ATTRIBUTE name TYPE varchar", "ALTER ATTRIBUTE name TYPE text"),
    ] {
        db.run(&format!("ALTER TYPE token_auth.verification {alter}"), &[]);
        for (name, sql) in statements {
            let refusal = db.refused(sql, &[]);
            assert_eq!((&*refusal.code, &*refusal.detail), ("42804", ""), "{name} after {alter}: {refusal:?}");
            assert!(refusal.hint.contains("ALTER EXTENSION token_auth UPDATE"), "{refusal:?}");
        }
        assert_eq!(db.refused(warm, &[&token]).code, "42804", "{alter}");
        db.run(&format!("ALTER TYPE token_auth.verification {back}"), &[]);
        // A dropped attribute leaves its position behind.
        assert_eq!(db.get::<String>(warm, &[&token]), "ok", "{back}");
        assert_eq!(db.verify(&token, Some("email:send"), Some("mail.example")).code, "ok", "{back}");
        let row = db.row("SELECT * FROM token_auth.verify_token($1)", &[&token]);
        assert_eq!((row.get::<_, bool>("valid"), row.get::<_, String>("name")), (true, "sender".to_string()), "{back}");
        assert_eq!(db.verify("x", None, None).code, "malformed");
    }
    for (table, column) in
        [("token", "digest"), ("token_access", "scopes"), ("account", "paused_at"), ("domain", "name")]
    {
        db.run(&format!("ALTER TABLE token_auth.{table} RENAME {column} TO other"), &[]);
        let refusal = db.refused("SELECT token_auth.verify_token($1, 'email:send', 'x')", &[&token]);
        assert_eq!((&*refusal.code, &*refusal.detail), ("42703", ""), "{refusal:?}");
        assert!(refusal.message.contains(column), "{refusal:?}");
        db.run(&format!("ALTER TABLE token_auth.{table} RENAME other TO {column}"), &[]);
    }
    no_crash(&cluster);
}

#[test]
fn sixteen_sessions_live_through_five_hundred_rounds() {
    const SESSIONS: usize = 16;
    const ROUNDS: usize = 500;
    let cluster = Cluster::builder()
        .preload("token_auth")
        .setting("token_auth.databases", "none")
        .environment("RUST_BACKTRACE", "1")
        .start();
    let mut db = cluster.create_database_with_token_auth("app");
    let token = prepare(&mut db);
    let dump = cluster.file("dump");
    cluster.dump("app", Format::Custom, &dump);
    let over = AtomicBool::new(false);
    let (answers, refusals) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for number in 0..SESSIONS {
            let (cluster, over, answers, refusals, token) = (&cluster, &over, &answers, &refusals, &token);
            threads.spawn(move || {
                let mut session = cluster.connect("app", "postgres");
                let mut turn = 0;
                while !over.load(Relaxed) {
                    turn += 1;
                    // Half of them are new sessions each time, so that theirs is a first verification.
                    if number % 2 == 0 && turn % 3 == 0 {
                        session = cluster.connect("app", "postgres");
                    }
                    match session.query_one(VERIFY, &[token]) {
                        Ok(row) => {
                            let code: Option<String> = row.get(0);
                            let known = ["ok", "not_found", "domain_not_allowed", "insufficient_scope"];
                            assert!(code.as_deref().is_some_and(|code| known.contains(&code)), "{code:?}");
                            answers.fetch_add(1, Relaxed);
                        }
                        Err(error) => {
                            let refusal = cluster::refusal(&error);
                            let is_expected = EXPECTED.contains(&&*refusal.code)
                                // The words of a relation that was dropped between its lookup and its lock.
                                || refusal.code == "XX000" && refusal.message.contains("could not open relation")
                                || refusal.code == "XX000" && refusal.message.contains("cache lookup failed");
                            assert!(is_expected && !refusal.text().contains("backtrace"), "{refusal:?}");
                            refusals.fetch_add(1, Relaxed);
                        }
                    }
                }
            });
        }
        let began = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..ROUNDS {
                disturb(&cluster, &mut db, round, &dump);
            }
        }));
        over.store(true, Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        println!("{ROUNDS} rounds in {:?}", began.elapsed());
    });
    let (answers, refusals) = (answers.into_inner(), refusals.into_inner());
    assert!(answers > ROUNDS && refusals > 0, "{answers} answers, {refusals} refusals");
    no_crash(&cluster);
}

fn disturb(cluster: &Cluster, db: &mut Client, round: usize, dump: &std::path::Path) {
    let statements: &[&str] = match round % 8 {
        0 => &["DROP EXTENSION token_auth", "CREATE EXTENSION token_auth"],
        1 => &["BEGIN", "DROP EXTENSION token_auth", "CREATE EXTENSION token_auth", "COMMIT"],
        2 => &[
            "ALTER TYPE token_auth.verification ADD ATTRIBUTE x int",
            "ALTER TYPE token_auth.verification DROP ATTRIBUTE x",
        ],
        3 => &[
            "ALTER TABLE token_auth.token ADD COLUMN x int DEFAULT 1",
            "ALTER TABLE token_auth.token ALTER x TYPE text",
            "ALTER TABLE token_auth.token DROP COLUMN x",
        ],
        4 => &[
            "REINDEX TABLE token_auth.token",
            "REINDEX INDEX CONCURRENTLY token_auth.token_access_token_id_domain_id_key",
        ],
        5 => &[
            "ALTER TABLE token_auth.token DISABLE TRIGGER _invalidate_cache",
            "ALTER TABLE token_auth.token ENABLE ALWAYS TRIGGER _invalidate_cache",
            "ALTER TABLE token_auth.domain RENAME name TO other",
            "ALTER TABLE token_auth.domain RENAME other TO name",
        ],
        6 => {
            if round % 16 == 6 {
                restore(cluster, dump);
            }
            &["VACUUM FULL token_auth.token_access"]
        }
        _ => &["BEGIN", "DROP EXTENSION token_auth", "ROLLBACK"],
    };
    for sql in statements {
        // A verification locks several tables, as any query with joins does, so a DDL statement can be the victim of a deadlock.
        while let Err(error) = db.batch_execute(sql) {
            assert_eq!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED), "round {round}, {sql}: {error:?}");
            if statements.contains(&"BEGIN") {
                db.batch_execute("ROLLBACK").expect("the block ends");
                return;
            }
        }
    }
}

/// Restores a database over one that is in use.
fn restore(cluster: &Cluster, dump: &std::path::Path) {
    cluster.restore_clean("app", dump);
}

/// The secret of a token that may send.
fn prepare(db: &mut Client) -> String {
    let account = db.account("acme");
    db.domain(account, "mail.example");
    db.token(account, "sender", &["email:send"], "mail.example").secret
}

fn no_crash(cluster: &Cluster) {
    let log = cluster.log();
    for text in ["was terminated by signal", "PANIC:", "stack backtrace", "panicked at", "internal error of token_auth"]
    {
        assert_eq!(log.lines_with(text), Vec::<&str>::new());
    }
}
