//! A token that cannot be removed delays no other: the sweep continues, and warns once a round of what stays and why.

use cluster::{Client, Cluster, Sql, TokenAuth, database_to_sweep, seconds, swept_every, wait_until};
use std::time::{Duration, Instant};

const SOON: Duration = seconds(60);

/// Expired tokens that a table of the application refers to without ON DELETE, older than all others.
fn referenced(db: &mut Client, account: i64, count: i32) {
    db.batch_execute("CREATE TABLE IF NOT EXISTS request_log (token_id bigint REFERENCES token_auth.token)")
        .expect("a table");
    // In one transaction, so that the worker sees all of it.
    db.batch_execute("BEGIN").expect("a transaction");
    expired(db, account, count, "referenced", "2 hours");
    db.run(
        "INSERT INTO request_log SELECT id FROM token_auth.token WHERE name = 'referenced'
            EXCEPT SELECT token_id FROM request_log",
        &[],
    );
    db.batch_execute("COMMIT").expect("the end");
}

fn expired(db: &mut impl Sql, account: i64, count: i32, name: &str, ago: &str) {
    db.run(
        "INSERT INTO token_auth.token (account_id, name, digest, hint, expires_at, created_by)
         SELECT $1, $3, sha256((gen_random_uuid() || i::text)::bytea), 'tok_abcd...wxyz',
                clock_timestamp() - $4::text::interval - i * interval '1 microsecond', 'test'
         FROM generate_series(1, $2) i",
        &[&account, &count, &name, &ago],
    );
}

fn count(db: &mut Client, name: &str) -> i64 {
    db.get("SELECT count(*) FROM token_auth.token WHERE name = $1", &[&name])
}

/// Waits for a warning of the launcher with this text, and returns it with its detail and hint.
fn warning(cluster: &Cluster, text: &str) -> String {
    let mut found = String::new();
    wait_until(&format!("a warning with {text}"), SOON, || {
        let log = cluster.log();
        let lines: Vec<&str> = log.text().lines().collect();
        let is_it = |at: &usize| {
            let end = lines.len().min(at + 3);
            lines[*at].contains("WARNING:  token_auth:") && lines[*at..end].join("\n").contains(text)
        };
        match (0..lines.len()).rev().find(is_it) {
            Some(at) => {
                found = lines[at..lines.len().min(at + 3)].join("\n");
                true
            }
            None => false,
        }
    });
    found
}

#[test]
fn two_hundred_referenced_tokens_delay_no_other() {
    let cluster = swept_every("1h").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    // A first round, so that the next one begins after the reload.
    wait_until("a first round", SOON, || !cluster::workers_started(&cluster).eq(&0));
    referenced(&mut db, account, 200);
    expired(&mut db, account, 9_800, "free", "1 hour");
    // Also among the others.
    db.run("UPDATE token_auth.token SET expires_at = clock_timestamp() - interval '1 hour' WHERE name = 'referenced' AND id % 2 = 0", &[]);

    cluster.reload_with("token_auth.sweep_interval", "2s");
    wait_until("the others", SOON, || count(&mut db, "free") == 0);
    assert_eq!(count(&mut db, "referenced"), 200);
    assert!(cluster.log().lines_with("could not be removed").len() <= 1, "more than one round");
    let told = warning(&cluster, "could not be removed");
    assert!(told.contains("200 expired tokens of database \"app\" could not be removed"), "{told}");
    assert!(
        told.contains("200: rows refer to them, in public.request_log (foreign key request_log_token_id_fkey)"),
        "{told}"
    );
    assert!(told.contains("ON DELETE CASCADE"), "{told}");

    // Once a round.
    let began = cluster.log().lines_with("could not be removed").len();
    std::thread::sleep(seconds(5));
    let told = cluster.log().lines_with("could not be removed").len() - began;
    assert!((1..=4).contains(&told), "{told} warnings in five seconds");

    // The referring rows are deleted, and then the tokens.
    db.run("TRUNCATE request_log", &[]);
    wait_until("the rest", SOON, || db.token_count() == 0);
}

#[test]
fn more_held_tokens_than_a_round_tries_delay_neither_new_nor_old_ones() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    referenced(&mut db, account, 5_000);
    // It expired before all of them.
    expired(&mut db, account, 500, "oldest", "1 day");
    wait_until("the oldest", SOON, || count(&mut db, "oldest") == 0);
    for round in 1..=3 {
        expired(&mut db, account, 500, "new", "1 second");
        let began = Instant::now();
        wait_until(&format!("new ones, time {round}"), SOON, || count(&mut db, "new") == 0);
        assert!(began.elapsed() < seconds(10), "{:?}", began.elapsed());
    }
    assert_eq!(count(&mut db, "referenced"), 5_000);
}

#[test]
fn a_token_that_a_trigger_keeps_or_refuses_delays_no_other() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    db.batch_execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF OLD.name = 'kept' THEN RETURN NULL; END IF;
             IF OLD.name = 'refused' THEN RAISE EXCEPTION 'not \"%\", (%)', encode(OLD.digest, 'hex'), encode(OLD.digest, 'base64'); END IF;
             IF OLD.name = 'slow' THEN PERFORM pg_sleep(10); END IF;
             RETURN OLD;
         END $$;
         CREATE TRIGGER keep BEFORE DELETE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    .expect("a trigger");
    expired(&mut db, account, 100, "kept", "3 hours");
    expired(&mut db, account, 100, "refused", "2 hours");
    expired(&mut db, account, 1, "slow", "1 hour");
    expired(&mut db, account, 1_000, "free", "4 hours");
    expired(&mut db, account, 1_000, "free", "2 hours 30 minutes");
    wait_until("the others", SOON, || count(&mut db, "free") == 0);
    assert_eq!(db.token_count(), 201);
    let told = warning(&cluster, "201 expired tokens");
    assert!(told.contains("100: a trigger kept them"), "{told}");
    assert!(told.contains("100: P0001 (not \""), "{told}");
    assert!(told.contains("1: their deletion takes too long"), "{told}");
    let digests: Vec<String> = db.list(
        "SELECT unnest(ARRAY[encode(digest, 'hex'), left(encode(digest, 'base64'), 40)]) FROM token_auth.token",
        &[],
    );
    let log = cluster.log();
    assert!(digests.iter().all(|digest| !log.text().contains(digest.as_str())), "a digest is in the log");
}

#[test]
fn a_token_that_another_session_locks_delays_no_other() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let doomed = db.domain(account, "doomed.example");
    let mut elsewhere = cluster.connect("app", "postgres");
    let mut open = elsewhere.transaction().expect("a transaction");
    expired(&mut db, account, 20, "access", "-1 hour");
    db.run(
        "INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes)
         SELECT account_id, id, $1, '{*}' FROM token_auth.token WHERE name = 'access'",
        &[&doomed.id],
    );
    // A session that deletes a domain locks the access of other tokens to it.
    open.run("SELECT token_auth.delete_domain($1)", &[&doomed.id]);
    db.run("UPDATE token_auth.token SET expires_at = clock_timestamp() - interval '1 hour' WHERE name = 'access'", &[]);
    expired(&mut db, account, 1_000, "free", "3 hours");
    expired(&mut db, account, 1_000, "free", "1 second");

    wait_until("the others", SOON, || count(&mut db, "free") == 0);
    assert_eq!(count(&mut db, "access"), 20);
    warning(&cluster, "20: other sessions have locked them");
    open.commit().expect("the domain goes");
    wait_until("those that were locked", SOON, || count(&mut db, "access") == 0);
}

/// Expired tokens that their profile still keeps are between the due tokens.
#[test]
fn retained_tokens_are_skipped() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let patient = db.account("patient");
    expired(&mut db, patient, 45_000, "retained", "1 hour");
    expired(&mut db, account, 300, "due", "2 hours");
    expired(&mut db, account, 300, "due", "1 second");
    wait_until("those that are due", SOON, || count(&mut db, "due") == 0);
    assert_eq!(count(&mut db, "retained"), 45_000);
    assert_eq!(cluster.log().lines_with("canceling statement"), Vec::<&str>::new());
    // In one transaction, or the worker could be first.
    let mut work = db.transaction().expect("a transaction");
    expired(&mut work, account, 300, "due", "2 hours");
    assert_eq!(work.get::<i64>("SELECT token_auth.sweep()", &[]), 300);
}

/// It can neither be cancelled nor time out. Only its process can be terminated.
#[test]
fn a_trigger_that_never_ends_delays_no_other_token() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let (mut other, other_account) = database_to_sweep(&cluster, "other");
    db.batch_execute(
        "CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF OLD.name <> 'endless' THEN RETURN OLD; END IF;
             LOOP
                 BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END;
             END LOOP;
         END $$;
         CREATE TRIGGER endless BEFORE DELETE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION endless()",
    )
    .expect("a trigger");
    expired(&mut db, account, 1, "endless", "2 hours");
    expired(&mut db, account, 300, "free", "1 hour");
    expired(&mut db, account, 300, "free", "3 hours");
    wait_until("the others", SOON, || count(&mut db, "free") == 0);
    assert_eq!(db.token_count(), 1);
    warning(&cluster, "1: their deletion takes too long");
    expired(&mut other, other_account, 3, "free", "1 hour");
    wait_until("those of another database", SOON, || other.token_count() == 0);
}

/// PostgreSQL refuses every DELETE from such a table, so no token can be removed. Other databases are not affected.
#[test]
fn a_publication_without_replica_identity_is_reported() {
    let cluster = swept_every("1s").setting("wal_level", "logical").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let (mut other, other_account) = database_to_sweep(&cluster, "other");
    db.batch_execute(
        "ALTER TABLE token_auth.token REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE token_auth.token",
    )
    .expect("a publication");
    expired(&mut db, account, 1_500, "published", "2 hours");
    expired(&mut other, other_account, 1_500, "free", "2 hours");
    wait_until("the others", SOON, || other.token_count() == 0);
    let told = warning(&cluster, "1500 expired tokens of database \"app\"");
    assert!(told.contains("cannot delete from table \"token\""), "{told}");
    db.run("ALTER TABLE token_auth.token REPLICA IDENTITY DEFAULT", &[]);
    wait_until("the rest", SOON, || db.token_count() == 0);
}

/// A trigger that is deferred during a deletion, so that it would run after it, delays the referenced tokens.
#[test]
fn a_deferred_trigger_delays_only_its_own_tokens() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    db.batch_execute(
        "CREATE TABLE deferring (token_id bigint REFERENCES token_auth.token ON DELETE CASCADE);
         CREATE FUNCTION defer() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN OLD; END $$;
         CREATE TRIGGER defer BEFORE DELETE ON deferring FOR EACH ROW EXECUTE FUNCTION defer();
         CREATE CONSTRAINT TRIGGER late AFTER DELETE ON deferring DEFERRABLE FOR EACH ROW EXECUTE FUNCTION defer()",
    )
    .expect("a table");
    db.batch_execute("BEGIN").expect("a transaction");
    expired(&mut db, account, 5, "deferring", "2 hours");
    db.run("INSERT INTO deferring SELECT id FROM token_auth.token", &[]);
    db.batch_execute("COMMIT").expect("the end");
    expired(&mut db, account, 100, "free", "3 hours");
    wait_until("the others", SOON, || count(&mut db, "free") == 0);
    assert_eq!(count(&mut db, "deferring"), 5);
    warning(&cluster, "5: 42501 (cannot fire deferred trigger within security-restricted operation)");
}

/// Four reasons with names as long and as hard to write as PostgreSQL accepts: what the worker reports has room for them.
#[test]
fn names_of_control_characters_do_not_stop_the_worker() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let hard = "\u{1}".repeat(60);
    db.batch_execute(&format!("CREATE SCHEMA \"{hard}\"")).expect("a schema");
    db.batch_execute("BEGIN").expect("a transaction");
    for number in 0..5 {
        let name = format!("{hard}{number}");
        db.batch_execute(&format!(
            "CREATE TABLE \"{hard}\".\"{name}\" (token_id bigint CONSTRAINT \"{name}\" REFERENCES token_auth.token)"
        ))
        .expect("a table");
        expired(&mut db, account, 1, &format!("held {number}"), "2 hours");
        db.run(
            &format!("INSERT INTO \"{hard}\".\"{name}\" SELECT id FROM token_auth.token WHERE name = 'held {number}'"),
            &[],
        );
    }
    db.batch_execute("COMMIT").expect("the end");
    warning(&cluster, "5 expired tokens of database \"app\"");
    expired(&mut db, account, 100, "free", "3 hours");
    wait_until("the others", SOON, || count(&mut db, "free") == 0);
}

#[test]
fn sweep_removes_the_other_tokens_and_warns() {
    let cluster = Cluster::builder().start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    referenced(&mut db, account, 30);
    expired(&mut db, account, 3_000, "free", "3 hours");
    db.batch_execute("CREATE ROLE sweeper LOGIN; GRANT EXECUTE ON FUNCTION token_auth.sweep TO sweeper")
        .expect("a role");
    let (mut sweeper, heard) = cluster.connect_listening("app", "sweeper");
    assert_eq!(sweeper.get::<i64>("SELECT token_auth.sweep()", &[]), 3_000);
    assert_eq!(db.token_count(), 30);
    let heard = heard.lock().expect("no listener panics").join("\n");
    assert!(heard.contains("30 expired tokens could not be removed"), "{heard}");
    // The limit and the result count removed tokens.
    expired(&mut db, account, 10, "free", "3 hours");
    assert_eq!(sweeper.get::<i64>("SELECT token_auth.sweep(4)", &[]), 4);
    assert_eq!(sweeper.get::<i64>("SELECT token_auth.sweep(100)", &[]), 6);
    // A cancellation does not count as a held token.
    db.batch_execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN OLD; END $$;
         CREATE TRIGGER slow BEFORE DELETE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    .expect("a trigger");
    sweeper.run("SET statement_timeout = '300ms'", &[]);
    assert_eq!(sweeper.refused("SELECT token_auth.sweep()", &[]).code, "57014");
    assert_eq!(db.token_count(), 30);
}

#[test]
fn deleting_a_referenced_object_names_the_referring_table() {
    let cluster = Cluster::builder().start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    let domain = db.domain(account, "mail.example");
    let token = db.account_token(account, "kept", &["*"]);
    db.batch_execute(
        "CREATE SCHEMA shop;
         CREATE TABLE shop.token_use (token_id bigint CONSTRAINT \"uses a token\" REFERENCES token_auth.token);
         CREATE TABLE shop.customer (account text REFERENCES token_auth.account (name))",
    )
    .expect("tables");
    db.run("INSERT INTO shop.token_use VALUES ($1), ($2)", &[&token.id, &domain.token.id]);
    db.run("INSERT INTO shop.customer VALUES ('brief')", &[]);
    for (sql, id, what, table) in [
        ("SELECT token_auth.delete_token($1)", token.id, format!("token {}", token.id), "shop.token_use"),
        ("SELECT token_auth.delete_domain($1)", domain.id, format!("domain {}", domain.id), "shop.token_use"),
        ("SELECT token_auth.rename_account($1, 'other')", account, format!("account {account}"), "shop.customer"),
    ] {
        let refusal = db.refused(sql, &[&id]);
        assert_eq!(refusal.code, "23503", "{sql}");
        assert!(refusal.message.contains(&what) && refusal.message.contains(table), "{refusal:?}");
        assert!(refusal.hint.contains("ON DELETE CASCADE"), "{refusal:?}");
        assert_eq!(refusal.detail, "");
    }
    let refusal = db.refused("SELECT token_auth.delete_account($1, 'brief')", &[&account]);
    assert_eq!(refusal.code, "23503");
    assert!(refusal.message.contains("shop."), "{refusal:?}");
    assert_eq!(db.token_count(), 2);
}

#[test]
fn a_backlog_in_one_database_does_not_delay_another() {
    let cluster = swept_every("1s").start();
    let (mut busy, busy_account) = database_to_sweep(&cluster, "busy");
    let (mut other, other_account) = database_to_sweep(&cluster, "other");
    cluster::delay_deletions(&mut busy, 0.002);
    expired(&mut busy, busy_account, 20_000, "backlog", "1 hour");
    wait_until("the backlog to be worked at", SOON, || busy.token_count() < 20_000);
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        expired(&mut other, other_account, 1, "one", "1 second");
        let began = Instant::now();
        wait_until("the one", SOON, || count(&mut other, "one") == 0);
        longest = longest.max(began.elapsed());
    }
    assert!(busy.token_count() > 0, "the backlog is gone already");
    // The interval, a turn of the other database, and its own.
    assert!(longest < seconds(3), "{longest:?}");
}

/// The documented way for triggers of an application.
#[test]
fn a_trigger_that_writes_to_other_tables_needs_security_definer_in_the_worker() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = database_to_sweep(&cluster, "app");
    db.batch_execute(
        "CREATE TABLE audit (token_id bigint);
         CREATE TABLE used (token_id bigint REFERENCES token_auth.token ON DELETE CASCADE);
         CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.audit VALUES (OLD.token_id); RETURN NULL; END $$;
         CREATE TRIGGER audit AFTER DELETE ON used FOR EACH ROW EXECUTE FUNCTION audit()",
    )
    .expect("tables");
    db.batch_execute("BEGIN").expect("a transaction");
    expired(&mut db, account, 3, "audited", "1 hour");
    db.run("INSERT INTO used SELECT id FROM token_auth.token", &[]);
    db.batch_execute("COMMIT").expect("the end");
    let version: i32 = db.get("SELECT current_setting('server_version_num')::int", &[]);
    if version < 180_000 {
        let told = warning(&cluster, "3: 42501 (permission denied for table audit)");
        assert!(told.contains("SECURITY DEFINER"), "{told}");
        assert_eq!(db.token_count(), 3);
    }
    db.run("ALTER FUNCTION audit() SECURITY DEFINER SET search_path = pg_catalog, pg_temp", &[]);
    wait_until("the sweep", SOON, || db.token_count() == 0);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM audit", &[]), 3);
}
