//! The size of a session's cache: nothing is read twice, unknown secrets take no memory, and the memory is
//! bounded.

use cluster::{Client, Cluster, NewToken, Sql, TokenAuth};
use std::fs;
use std::sync::{Arc, Mutex, Weak};

struct SizeScene {
    superuser: Client,
    database: String,
    account: i64,
    cluster: Arc<Cluster>,
}

impl SizeScene {
    fn in_database(name: &str) -> Self {
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let cluster = cluster::shared(&CLUSTER, || {
            let builder = Cluster::builder().preload("token_auth").setting("autovacuum", "off");
            let cluster = builder.start();
            cluster.connect("postgres", "postgres").run("CREATE ROLE verifier LOGIN", &[]);
            cluster
        });
        let mut superuser = cluster.create_database_with_token_auth(name);
        superuser
            .batch_execute(
                "GRANT USAGE ON SCHEMA token_auth TO verifier;
                 GRANT EXECUTE ON FUNCTION token_auth.verify_token, token_auth.verify_token_digest TO verifier",
            )
            .expect("the rights of a verifier");
        superuser.own_profile("own", r#"{"creates_domain_token": false, "keeps_last_token": false}"#);
        let account = superuser.account_under("acme", "own");
        superuser.run("SELECT token_auth.create_domain($1, 'mail.example')", &[&account]);
        superuser.run("SELECT token_auth.create_domain($1, 'other.example')", &[&account]);
        Self { superuser, database: name.to_owned(), account, cluster }
    }

    fn token(&mut self, name: &str) -> NewToken {
        self.superuser.token(self.account, name, &["email:send"], "mail.example")
    }

    /// Creates tokens and returns their secrets.
    fn tokens(&mut self, count: i32) -> Vec<String> {
        self.superuser.list(
            "SELECT t.secret FROM generate_series(1, $2) i,
                    token_auth.create_token($1, 'token ' || i, '{email:send}', 'mail.example') t",
            &[&self.account, &count],
        )
    }

    /// Opens a session that may only verify, with this cache size in kB.
    fn verifier(&mut self, cache_size: i32) -> Client {
        let database = &self.database;
        let setting = format!("ALTER ROLE verifier IN DATABASE {database} SET token_auth.cache_size = {cache_size}");
        self.superuser.run(&setting, &[]);
        self.cluster.connect(database, "verifier")
    }
}

/// Returns the number of index scans of the extension's tables during `work`.
fn scans(session: &mut Client, act: impl FnOnce(&mut postgres::Transaction<'_>)) -> i64 {
    const SCANS: &str = "SELECT sum(pg_stat_get_xact_numscans(indexrelid))::bigint FROM pg_index
                          WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('token_auth'))";
    let mut transaction = session.transaction().expect("it begins");
    let before: i64 = transaction.get(SCANS, &[]);
    act(&mut transaction);
    let after: i64 = transaction.get(SCANS, &[]);
    transaction.commit().expect("it commits");
    after - before
}

/// Returns the tokens that had to be read.
fn read_again(session: &mut Client, secrets: &[String]) -> usize {
    const ALL: &str =
        "SELECT count(*) FILTER (WHERE (token_auth.verify_token(secret, 'email:send', 'mail.example')).valid),
                              pg_stat_get_xact_numscans('token_auth.token_digest_excl'::regclass)
                         FROM unnest($1::text[]) AS secret";
    let mut transaction = session.transaction().expect("it begins");
    let before: i64 =
        transaction.get("SELECT pg_stat_get_xact_numscans(to_regclass('token_auth.token_digest_excl'))", &[]);
    let row = transaction.row(ALL, &[&secrets]);
    assert_eq!(row.get::<_, i64>(0), secrets.len() as i64, "all are good");
    (row.get::<_, i64>(1) - before) as usize
}

#[test]
fn a_repeated_verification_reads_nothing() {
    let mut scene = SizeScene::in_database("reads_nothing");
    let token = scene.token("sender");
    let digest = cluster::digest_hex(&token.secret);
    let mut verifier = scene.verifier(1024);
    let ask = |work: &mut postgres::Transaction<'_>| {
        for (scope, domain, code) in [
            (None, None, "ok"),
            (Some("email:send"), Some("mail.example"), "ok"),
            (Some("email:send"), Some("MAIL.example"), "ok"),
            (Some("email:read"), Some("mail.example"), "insufficient_scope"),
            (Some("email:send"), Some("other.example"), "domain_not_allowed"),
            (Some("email:send"), None, "domain_not_allowed"),
        ] {
            assert_eq!(work.verify(&token.secret, scope, domain).code, code, "{scope:?} {domain:?}");
            let by_digest: String = work.get(
                "SELECT code FROM token_auth.verify_token_digest(decode($1, 'hex'), $2, $3)",
                &[&digest, &scope, &domain],
            );
            assert_eq!(by_digest, code);
        }
        assert_eq!(work.verify("junk", None, None).code, "malformed");
    };
    assert!(scans(&mut verifier, ask) > 0);
    assert_eq!(scans(&mut verifier, ask), 0);
}

#[test]
fn reads_of_own_changes_are_invalid_after_a_rollback() {
    let mut scene = SizeScene::in_database("writes");
    let token = scene.token("sender");
    let looks = |session: &mut postgres::Transaction<'_>| {
        const SCANS: &str = "SELECT pg_stat_get_xact_numscans(to_regclass('token_auth.token_digest_excl'))";
        let before: i64 = session.get(SCANS, &[]);
        assert!(session.is_good(&token.secret));
        session.get::<i64>(SCANS, &[]) - before
    };
    // A transaction that has written nothing has seen only committed rows.
    let mut reads = scene.superuser.transaction().expect("it begins");
    assert_eq!((looks(&mut reads), looks(&mut reads)), (1, 0));
    reads.batch_execute("SAVEPOINT s; SELECT 1; ROLLBACK TO s").expect("it rolls back");
    assert_eq!(looks(&mut reads), 0);
    reads.rollback().expect("it rolls back");
    let mut writes = scene.superuser.transaction().expect("it begins");
    assert_eq!(looks(&mut writes), 0);
    writes
        .batch_execute("CREATE TEMP TABLE written (id int); SAVEPOINT s; UPDATE token_auth.token SET name = 'new'")
        .expect("it writes");
    assert_eq!((looks(&mut writes), looks(&mut writes)), (1, 0));
    writes.batch_execute("ROLLBACK TO s").expect("it rolls back");
    assert_eq!((looks(&mut writes), looks(&mut writes)), (1, 0));
}

#[test]
fn missing_tokens_and_domains_are_not_cached() {
    let mut scene = SizeScene::in_database("not_there");
    let token = scene.token("sender");
    let mut verifier = scene.verifier(1024);
    let gone = token.secret.clone();
    scene.superuser.run("SELECT token_auth.delete_token($1)", &[&token.id]);
    let other = scene.token("other").secret;
    let ask = |work: &mut postgres::Transaction<'_>| {
        assert_eq!(work.verify(&gone, None, None).code, "not_found");
        assert_eq!(work.verify(&other, Some("email:send"), Some("new.example")).code, "domain_not_allowed");
    };
    assert!(scans(&mut verifier, ask) > 0);
    assert!(scans(&mut verifier, ask) > 0);
    scene.superuser.run("SELECT token_auth.create_domain($1, 'new.example')", &[&scene.account]);
    scene
        .superuser
        .run("SELECT token_auth.grant_access((SELECT id FROM token_auth.token), '{email:send}', 'new.example')", &[]);
    assert_eq!(verifier.verify(&other, Some("email:send"), Some("new.example")).code, "ok");
}

#[test]
fn unknown_secrets_and_tokens_used_once_evict_no_frequent_token() {
    let mut scene = SizeScene::in_database("junk");
    let hot = scene.tokens(300);
    let once = scene.tokens(6000);
    // Well-formed and unknown.
    let junk = scene.tokens(2000);
    scene.superuser.run("DELETE FROM token_auth.token WHERE id > (SELECT max(id) - 2000 FROM token_auth.token)", &[]);
    // Room for about seven hundred.
    let mut verifier = scene.verifier(512);
    for _ in 0..3 {
        read_again(&mut verifier, &hot);
    }
    assert_eq!(read_again(&mut verifier, &hot), 0, "they fit");
    let (mut again, mut forgotten) = (0, 0);
    for (once, junk) in once.chunks(300).zip(junk.chunks(100)) {
        read_again(&mut verifier, once);
        for secret in junk {
            assert_eq!(verifier.verify(secret, None, None).code, "not_found");
        }
        // Messages of other tests in this cluster, more than PostgreSQL's queue holds, make a session forget everything.
        match read_again(&mut verifier, &hot) {
            read if read == hot.len() => forgotten += 1,
            read => again += read,
        }
    }
    assert!(again * 50 <= 20 * hot.len(), "{again} of {} were read again", 20 * hot.len());
    assert!(forgotten <= 3, "everything was forgotten {forgotten} times");
}

#[test]
fn a_session_takes_no_more_memory_than_cache_size() {
    const KB: usize = 4096;
    let mut scene = SizeScene::in_database("memory");
    let secrets = scene.tokens(30_000);
    let metadata = format!("{{\"note\": \"{}\"}}", "x".repeat(1000));
    scene.superuser.run("UPDATE token_auth.token SET metadata = $1::text::jsonb WHERE id % 7 = 0", &[&metadata]);
    let verify_all = |session: &mut Client| {
        secrets.chunks(1000).for_each(|some| {
            read_again(session, some);
        })
    };
    let memory = |session: &mut Client| {
        let pid: i32 = session.get("SELECT pg_backend_pid()", &[]);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the status of a backend");
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("its own memory");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<usize>().ok()).expect("kB")
    };
    // The memory of a session that verifies as much without a cache.
    let mut forgetful = scene.verifier(0);
    verify_all(&mut forgetful);
    let mut session = scene.verifier(KB as i32);
    for _ in 0..3 {
        verify_all(&mut session);
    }
    let (without, with) = (memory(&mut forgetful), memory(&mut session));
    let taken = with.saturating_sub(without);
    assert!(taken <= KB + KB / 4, "{taken} kB for {KB}: {with} and {without}");
    assert!(taken >= KB / 2, "{taken} kB for {KB}: {with} and {without}");
}

#[test]
fn only_superusers_set_cache_size_and_0_caches_nothing() {
    let mut scene = SizeScene::in_database("cache_size");
    let secrets = scene.tokens(20);
    let mut verifier = scene.verifier(0);
    read_again(&mut verifier, &secrets);
    assert_eq!(read_again(&mut verifier, &secrets), 20);
    assert_eq!(verifier.refused("SET token_auth.cache_size = '1MB'", &[]).code, "42501");

    let superuser = &mut scene.superuser;
    superuser.run("SET token_auth.cache_size = '64kB'", &[]);
    read_again(superuser, &secrets);
    assert_eq!(read_again(superuser, &secrets), 0);
    superuser.run("SET token_auth.cache_size = 0", &[]);
    assert_eq!(read_again(superuser, &secrets), 20);
    superuser.run("RESET token_auth.cache_size", &[]);
    assert_eq!(read_again(superuser, &secrets), 20, "it was forgotten");
    assert_eq!(read_again(superuser, &secrets), 0);
    assert_eq!(superuser.refused("SET token_auth.cache_size = -1", &[]).code, "22023");
    assert_eq!(superuser.refused("SET token_auth.cache_size = '2GB'", &[]).code, "22023");
    // Too small for any entry.
    superuser.run("SET token_auth.cache_size = 1", &[]);
    read_again(superuser, &secrets);
    assert!(read_again(superuser, &secrets) > 0);
}

#[test]
fn verification_writes_nothing() {
    let mut scene = SizeScene::in_database("writes_nothing");
    let secret = scene.token("sender").secret;
    // Rows that were never read have no hint bits, and pages with deleted rows can be pruned.
    scene.superuser.run("UPDATE token_auth.token SET metadata = '{}'", &[]);
    scene.superuser.run("CHECKPOINT", &[]);
    // With checksums, as by default from PostgreSQL 18 on, the hint bits of the first reader are logged: see below.
    if scene.superuser.get::<String>("SHOW data_checksums", &[]) == "on" {
        scene.superuser.run("SELECT token_auth.verify_token($1, 'email:send', 'mail.example')", &[&secret]);
    }
    for cache_size in [0, 1024] {
        let mut verifier = scene.verifier(cache_size);
        let mut reading = verifier.build_transaction().read_only(true).start().expect("it begins");
        for _ in 0..3 {
            let verify = format!("SELECT token_auth.verify_token('{secret}', 'email:send', 'mail.example')");
            let plan: Vec<String> = reading.list(&format!("EXPLAIN (ANALYZE, WAL) {verify}"), &[]);
            assert!(!plan.iter().any(|line| line.contains("WAL")), "{plan:?}");
        }
        assert_eq!(reading.get::<Option<String>>("SELECT pg_current_xact_id_if_assigned()::text", &[]), None);
    }
    let wrote: Vec<String> =
        scene.superuser.list("EXPLAIN (ANALYZE, WAL) UPDATE token_auth.token SET metadata = '{}'", &[]);
    assert!(wrote.iter().any(|line| line.contains("WAL: records=")), "{wrote:?}");
}

/// The first reader of a new row sets hint bits on its page, as the first SELECT does. With checksums that is logged.
#[test]
fn with_data_checksums_only_the_first_reader_of_a_row_writes_wal() {
    let cluster = Cluster::builder().preload("token_auth").data_checksums().start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    db.domain(account, "mail.example");
    let secret = db.token(account, "sender", &["email:send"], "mail.example").secret;
    db.run("CHECKPOINT", &[]);
    let verify =
        format!("EXPLAIN (ANALYZE, WAL) SELECT token_auth.verify_token('{secret}', 'email:send', 'mail.example')");
    let wal = |db: &mut Client| db.list::<String>(&verify, &[]).iter().any(|line| line.contains("WAL"));
    let mut first = cluster.connect("app", "postgres");
    wal(&mut first);
    for _ in 0..3 {
        let mut session = cluster.connect("app", "postgres");
        assert!(!wal(&mut session), "a later reader wrote WAL");
    }
}
