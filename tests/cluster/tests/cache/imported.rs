//! Imported tokens: the first is known at once everywhere, they are answered from the cache, and a digest is no secret.

use cluster::scene::CacheScene;
use cluster::{Client, Cluster, Sql, TokenAuth, seconds, wait_until};

const SECRET: &str = "an old secret of a customer";

fn import(account: i64, secret: &str, scheme: &str) -> String {
    format!(
        "SELECT token_auth.import_token({account}, 'imported', '{{*}}', all_domains => true, secret => '{secret}', scheme => '{scheme}')"
    )
}

fn code(session: &mut Client, secret: &str) -> String {
    session.get("SELECT code FROM token_auth.verify_token($1)", &[&secret])
}

/// Returns true if a verification scans no index of the tokens.
fn is_from_cache(session: &mut Client, secret: &str) -> bool {
    let scans = "(SELECT sum(pg_stat_get_xact_numscans(indexrelid))::bigint FROM pg_index
                   WHERE indrelid = 'token_auth.token'::regclass)";
    let row = session.row(&format!("SELECT {scans}, (token_auth.verify_token($1)).code, {scans}"), &[&secret]);
    row.get::<_, i64>(0) == row.get::<_, i64>(2)
}

#[test]
fn the_first_import_is_known_at_once_in_every_session() {
    let cluster = Cluster::builder().preload("token_auth").setting("max_prepared_transactions", "5").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    let mut session = cluster.connect("app", "postgres");
    let forget = "DELETE FROM token_auth.token WHERE scheme <> 'token_auth'";
    let by_copy = format!(
        "INSERT INTO token_auth.token (account_id, name, digest, scheme, hint, created_by)
         VALUES ({account}, 'x', sha256('{SECRET}'), 'sha256', 'hint', 'me')"
    );
    let by_function = import(account, SECRET, "sha256");
    for way in [
        by_function.clone(),
        by_copy.clone(),
        format!("BEGIN; {by_function}; COMMIT"),
        format!("BEGIN; SAVEPOINT s; {by_function}; ROLLBACK TO s; {by_function}; COMMIT"),
        format!("BEGIN; SAVEPOINT s; {by_function}; RELEASE s; COMMIT"),
        format!("SET session_replication_role = replica; {by_copy}; RESET session_replication_role"),
        format!("BEGIN; {by_function}; PREPARE TRANSACTION 'import'; COMMIT PREPARED 'import'"),
        format!("BEGIN; {by_function}; {forget}; {by_function}; COMMIT"),
    ] {
        // A session that has seen none remembers that there is none.
        let mut fresh = cluster.connect("app", "postgres");
        assert_eq!(code(&mut fresh, SECRET), "malformed", "before {way}");
        assert_ne!(code(&mut session, SECRET), "ok", "before {way}");
        assert!(is_from_cache(&mut fresh, SECRET), "it is remembered");
        for statement in way.split("; ") {
            db.batch_execute(statement).expect(statement);
        }
        assert_eq!(code(&mut fresh, SECRET), "ok", "{way}");
        assert_eq!(code(&mut session, SECRET), "ok", "{way}");
        db.batch_execute(forget).expect(forget);
        assert_eq!(code(&mut fresh, SECRET), "not_found", "after {way}");
    }
    // Each further scheme, too.
    db.batch_execute(&import(account, "another old secret", "sha256")).expect("an import");
    for scheme in ["sha256_after_pipe", "sha512"] {
        let secret = format!("17|a secret of a customer in {scheme}");
        assert_eq!(code(&mut session, &secret), "not_found");
        db.batch_execute(&import(account, &secret, scheme)).expect("an import");
        assert_eq!(code(&mut session, &secret), "ok", "{scheme}");
    }
}

#[test]
fn a_session_sees_its_own_import_and_what_is_rolled_back_is_not_there() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    let import = import(account, SECRET, "sha512");
    assert_eq!(code(&mut db, SECRET), "malformed");
    for end in ["ROLLBACK TO s", "ROLLBACK TO s; RELEASE s"] {
        db.batch_execute("BEGIN; SAVEPOINT s").expect("a transaction");
        db.batch_execute(&import).expect("an import");
        assert_eq!(code(&mut db, SECRET), "ok");
        db.batch_execute(end).expect(end);
        assert_eq!(code(&mut db, SECRET), "malformed", "{end}");
        db.batch_execute(&import).expect("the same subtransaction number may be used again");
        assert_eq!(code(&mut db, SECRET), "ok", "{end}");
        db.batch_execute("ROLLBACK").expect("the end");
        assert_eq!(code(&mut db, SECRET), "malformed", "{end}, and rolled back");
    }
    // A statement that fails after the import.
    let failing = format!("DO $$ BEGIN PERFORM 1 FROM ({import}) AS done; RAISE 'failed'; END $$");
    db.refused(&failing, &[]);
    assert_eq!(code(&mut db, SECRET), "malformed");
}

#[test]
fn without_the_trigger_the_schemes_are_read_each_time() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    let mut session = cluster.connect("app", "postgres");
    for off in ["DISABLE TRIGGER _announce_scheme", "ENABLE TRIGGER _announce_scheme", "DISABLE TRIGGER ALL"] {
        db.batch_execute(&format!("ALTER TABLE token_auth.token {off}")).expect(off);
        assert_ne!(code(&mut session, SECRET), "ok");
        assert!(!is_from_cache(&mut session, SECRET), "{off}");
        db.batch_execute(&format!("SET session_replication_role = replica; {}", import(account, SECRET, "sha256")))
            .expect("an import");
        assert_eq!(code(&mut session, SECRET), "ok", "{off}");
        db.batch_execute("RESET session_replication_role; DELETE FROM token_auth.token").expect("no token");
        db.batch_execute("ALTER TABLE token_auth.token ENABLE ALWAYS TRIGGER _announce_scheme").expect("as it was");
    }
    assert!(!db.get::<bool>("SELECT ok FROM token_auth.health() WHERE name = 'trigger_states'", &[]));
}

#[test]
fn a_hot_imported_token_is_answered_from_the_cache_and_every_change_of_it_is_seen() {
    let mut scene = CacheScene::in_database("imported");
    let account = scene.account;
    let mut session = scene.session();
    for scheme in ["sha256", "sha256_after_pipe", "sha512"] {
        let secret = format!("{scheme}|an old secret");
        let id: i64 = scene.superuser.get(&import(account, &secret, scheme), &[]);
        let digest: Vec<u8> = match scheme {
            "sha512" => scene.superuser.get("SELECT sha512($1::text::bytea)", &[&secret]),
            "sha256" => scene.superuser.get("SELECT sha256($1::text::bytea)", &[&secret]),
            _ => scene.superuser.get("SELECT sha256('an old secret')", &[]),
        };
        let by_digest = "SELECT code FROM token_auth.verify_token_digest($1, scheme => $2)";
        let mut is_hot = || {
            assert_eq!(code(&mut session, &secret), "ok");
            is_from_cache(&mut session, &secret)
        };
        // Other tests of the scene's cluster send messages, too.
        assert!((0..100).any(|_| is_hot()), "{scheme}");
        assert_eq!(session.get::<String>(by_digest, &[&digest, &scheme]), "ok");
        for (change, expected, back) in [
            ("pause_token($1)", "paused", "resume_token($1)"),
            (
                "set_token_networks($1, '{192.0.2.0/24}')",
                "network_not_allowed",
                "set_token_networks($1, '{0.0.0.0/0,::/0}')",
            ),
        ] {
            scene.superuser.run(&format!("SELECT token_auth.{change}"), &[&id]);
            assert_eq!(code(&mut session, &secret), expected, "{scheme}");
            assert_eq!(session.get::<String>(by_digest, &[&digest, &scheme]), expected, "{scheme}");
            scene.superuser.run(&format!("SELECT token_auth.{back}"), &[&id]);
            assert_eq!(code(&mut session, &secret), "ok", "{scheme}");
            assert_eq!(session.get::<String>(by_digest, &[&digest, &scheme]), "ok", "{scheme}");
        }
        scene.superuser.run("SELECT token_auth.delete_token($1)", &[&id]);
        assert_eq!(code(&mut session, &secret), "not_found", "{scheme}");
        assert_eq!(session.get::<String>(by_digest, &[&digest, &scheme]), "not_found", "{scheme}");
    }
}

/// A message for each statement would be so many that PostgreSQL drops them, and every session forgets everything.
#[test]
fn imported_tokens_in_many_statements_of_a_transaction_are_announced_once() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    let token = db.account_token(account, "hot", &["*"]);
    let mut session = cluster.connect("app", "postgres");
    assert!(session.is_good(&token.secret) && is_from_cache(&mut session, &token.secret));
    db.batch_execute(&format!(
        "DO $$ BEGIN
             FOR n IN 1 .. 20000 LOOP
                 INSERT INTO token_auth.token (account_id, name, digest, scheme, hint, created_by)
                 VALUES ({account}, 'x', sha256(('key of a customer ' || n)::bytea), 'sha256', 'hint', 'me');
             END LOOP;
         END $$"
    ))
    .expect("20,000 tokens");
    assert!(is_from_cache(&mut session, &token.secret), "the session has read the token again");
    assert_eq!(code(&mut session, "key of a customer 20000"), "ok");
}

#[test]
fn the_first_import_is_known_on_a_standby_that_has_replayed_it() {
    let primary = Cluster::builder().preload("token_auth").start();
    let mut db = primary.create_database_with_token_auth("app");
    let account = db.account("acme");
    let standby = Cluster::builder().start_standby_of(&primary);
    let mut copy = standby.connect("app", "postgres");
    assert_eq!(code(&mut copy, SECRET), "malformed");
    db.batch_execute(&import(account, SECRET, "sha256")).expect("an import");
    wait_until("the import on the standby", seconds(30), || code(&mut copy, SECRET) == "ok");
    let name: String = copy.get("SELECT name FROM token_auth.describe_token($1)", &[&SECRET]);
    assert_eq!(name, "imported");
}
