//! No verification is stale, whatever is done to the tables: bulk loads without triggers, TRUNCATE, and the
//! extension itself dropped and created again.

use cluster::scene::{CHANGES, CacheScene};
use cluster::{Client, Sql, TokenAuth};

const TABLES: [&str; 5] = ["token", "token_access", "account", "domain", "profile"];

#[test]
fn without_an_enabled_trigger_nothing_is_cached() {
    let mut scene = CacheScene::in_database("trigger_off");
    let mut work = scene.session();
    for change in CHANGES {
        let table = change.table;
        for (off, on) in [
            (
                "DISABLE TRIGGER ALL",
                "ENABLE TRIGGER ALL; ALTER TABLE token_auth.$ ENABLE ALWAYS TRIGGER _invalidate_cache",
            ),
            ("DISABLE TRIGGER USER", "ENABLE ALWAYS TRIGGER _invalidate_cache"),
            ("DISABLE TRIGGER _invalidate_cache", "ENABLE ALWAYS TRIGGER _invalidate_cache"),
            ("ENABLE REPLICA TRIGGER _invalidate_cache", "ENABLE ALWAYS TRIGGER _invalidate_cache"),
            // The worker of a subscription would not fire it.
            ("ENABLE TRIGGER _invalidate_cache", "ENABLE ALWAYS TRIGGER _invalidate_cache"),
        ] {
            let alter = |how: &str| format!("ALTER TABLE token_auth.{table} {}", how.replace('$', table));
            scene.assert_cached(&mut work, off);
            scene.superuser.batch_execute(&alter(off)).expect(off);
            assert_eq!(scene.code(&mut work), "ok", "{table}: {off}");
            assert!(!scene.is_verified_from_cache(&mut work), "{table}: {off}");
            for _ in 0..2 {
                scene.superuser.run(change.take, &[]);
                assert_eq!(scene.code(&mut work), change.code, "{table}: {off}");
                scene.superuser.run(change.give, &[]);
                assert_eq!(scene.code(&mut work), "ok", "{table}: {off}, back");
            }
            scene.superuser.run(change.take, &[]);
            scene.superuser.batch_execute(&alter(on)).expect(on);
            assert_eq!(scene.code(&mut work), change.code, "{table}: {on}");
            scene.superuser.batch_execute(change.give).expect(change.give);
            assert_eq!(scene.code(&mut work), "ok", "{table}: {on}, back");

            scene.assert_verification_follows(&mut work, &change);

            // The same in one transaction, rolled back and committed.
            scene.assert_cached(&mut work, on);
            let quietly = format!("BEGIN; {}; {}; {}", alter(off), change.take, alter(on));
            scene.superuser.batch_execute(&format!("{quietly}; ROLLBACK")).expect(&quietly);
            assert_eq!(scene.code(&mut work), "ok", "{quietly}; ROLLBACK");
            scene.superuser.batch_execute(&format!("{quietly}; COMMIT")).expect(&quietly);
            assert_eq!(scene.code(&mut work), change.code, "{quietly}");
            scene.superuser.batch_execute(change.give).expect(change.give);
            assert_eq!(scene.code(&mut work), "ok", "{quietly}, back");
            let mut own = scene.session();
            scene.assert_cached(&mut own, on);
            own.batch_execute(&format!("BEGIN; {}; {}", alter(off), change.take)).expect(off);
            assert_eq!(scene.code(&mut own), change.code, "{table}: {off}, in its own transaction");
            own.run("ROLLBACK", &[]);
            assert_eq!(scene.code(&mut own), "ok", "{table}: {off}, rolled back in its own session");
        }
    }
}

#[test]
fn truncate_is_seen() {
    let mut scene = CacheScene::in_database("truncated");
    scene.superuser.batch_execute(&TABLES.map(kept).join(";")).expect("copies");
    let mut work = scene.session();
    for (table, code) in [
        ("token_access", "domain_not_allowed"),
        ("token", "not_found"),
        ("domain", "not_found"),
        ("account", "not_found"),
    ] {
        let truncate = format!("TRUNCATE token_auth.{table} CASCADE");
        scene.assert_cached(&mut work, table);
        scene.superuser.batch_execute(&format!("BEGIN; {truncate}; ROLLBACK")).expect(table);
        assert_eq!(scene.code(&mut work), "ok", "{truncate}, rolled back");
        scene.assert_cached(&mut work, table);
        scene.superuser.run(&truncate, &[]);
        assert_eq!(scene.code(&mut work), code, "{truncate}");
        refill(&mut scene.superuser);
        assert_eq!(scene.code(&mut work), "ok", "{truncate}, and filled again");

        // In its own transaction. The second TRUNCATE empties the file that the first one created.
        let mut own = scene.session();
        scene.assert_cached(&mut own, table);
        own.run("BEGIN", &[]);
        for _ in 0..2 {
            own.run(&truncate, &[]);
            assert_eq!(scene.code(&mut own), code, "{truncate}, in its own transaction");
            refill(&mut own);
            scene.assert_cached(&mut own, table);
        }
        own.run(&truncate, &[]);
        assert_eq!(scene.code(&mut own), code, "{truncate}, in its own transaction");
        own.run("ROLLBACK", &[]);
        assert_eq!(scene.code(&mut own), "ok", "{truncate}, rolled back");
    }
    // DELETE removes the rows that are not presets.
    assert_eq!(scene.superuser.refused("TRUNCATE token_auth.profile CASCADE", &[]).code, "55000");
}

/// The worker of a subscription may apply rows in this way: no foreign key is checked.
#[test]
fn rows_are_inserted_and_deleted_in_any_order() {
    let mut scene = CacheScene::in_database("orders");
    let account = scene.account;
    scene.superuser.batch_execute(&TABLES.map(kept).join(";")).expect("copies");
    scene.superuser.run("SET session_replication_role = replica", &[]);
    let mut work = scene.session();
    let mut acting = scene.session();
    acting.run("BEGIN", &[]);
    assert_eq!(acting.get::<String>("SELECT code FROM token_auth.authenticate($1)", &[&scene.token.secret]), "ok");
    let mut present: Vec<&str> = TABLES.to_vec();
    for order in orders(&TABLES) {
        for removes in [true, false] {
            for table in &order {
                // Everything that can be cached is cached.
                scene.code(&mut work);
                if removes {
                    scene.superuser.run(&format!("DELETE FROM token_auth.{table} WHERE {}", is_ours(table)), &[]);
                    present.retain(|other| other != table);
                } else {
                    scene.superuser.batch_execute(&put_back(table)).expect(table);
                    present.push(table);
                }
                let has = |all: &[&str]| all.iter().all(|table| present.contains(table));
                let is_good = has(&["token", "account", "profile"]);
                let code = match (is_good, has(&["domain", "token_access"])) {
                    (true, true) => "ok",
                    (true, false) => "domain_not_allowed",
                    (false, _) => "not_found",
                };
                let when = format!("{order:?}, there are {present:?}");
                assert_eq!(scene.code(&mut work), code, "{when}");
                let row = acting.row(
                    "SELECT token_auth.current_account_id(), token_auth.allows('email:send', 'mail.example')",
                    &[],
                );
                assert_eq!(row.get::<_, Option<i64>>(0), is_good.then(|| account), "acting: {when}");
                assert_eq!(row.get::<_, bool>(1), code == "ok", "acting: {when}");
            }
        }
    }
}

/// A session that prepares a transaction no longer sees its changes until it is committed.
#[test]
fn a_prepared_transaction_is_cached_by_no_session() {
    let mut scene = CacheScene::in_database("prepared");
    let (account, secret) = (scene.account, scene.token.secret.clone());
    let mut work = scene.session();
    for change in CHANGES {
        for (end, code) in [("ROLLBACK", "ok"), ("COMMIT", change.code)] {
            scene.assert_cached(&mut work, change.table);
            work.batch_execute(&format!("BEGIN; {}", change.take)).expect(change.take);
            assert_eq!(scene.code(&mut work), change.code, "{}: in the transaction", change.table);
            work.run("PREPARE TRANSACTION 'change'", &[]);
            assert_eq!(scene.code(&mut work), "ok", "{}: prepared", change.table);
            scene.superuser.run(&format!("{end} PREPARED 'change'"), &[]);
            assert_eq!(scene.code(&mut work), code, "{}: {end} PREPARED", change.table);
            scene.superuser.run(change.give, &[]);
        }
    }
    // The same secret, in rows that no other session has seen.
    let copy = |columns: &str, from: &str| format!("INSERT INTO token_auth.{columns} SELECT {from}");
    let token = copy(
        "token (id, account_id, name, digest, hint, created_by)",
        &format!(
            "max(t.id) + 100, max(a.id), 'new', sha256('{secret}'), 'hint', 'test' FROM token_auth.account a, kept_token t"
        ),
    );
    let new_account =
        copy("account (name, profile)", &format!("'new', profile FROM token_auth.account WHERE id = {account}"));
    let new_profile = "INSERT INTO token_auth.profile (name) VALUES ('new')";
    scene.superuser.batch_execute(&format!("{}; DELETE FROM token_auth.token", kept("token"))).expect("no token");
    for rows in [token.clone(), format!("{new_account}; {token}"), format!("{new_profile}; {new_account}; {token}")] {
        assert!(!work.is_good(&secret), "before: {rows}");
        let begin = format!("BEGIN; {rows}");
        for (aside, end) in [("PREPARE TRANSACTION 'change'", "ROLLBACK PREPARED 'change'"), ("ROLLBACK", "SELECT 1")] {
            let mut own = scene.session();
            own.batch_execute(&begin).expect("rows");
            assert!(own.is_good(&secret) && own.is_good(&secret), "in the transaction: {rows}");
            own.batch_execute(aside).expect(aside);
            assert!(!own.is_good(&secret), "after {aside}: {rows}");
            scene.superuser.batch_execute(end).expect(end);
            assert!(!own.is_good(&secret), "after {aside}, {end}: {rows}");
        }
        let mut own = scene.session();
        own.batch_execute("BEGIN; SAVEPOINT before").expect("a savepoint");
        own.batch_execute(&rows).expect("rows");
        assert!(own.is_good(&secret), "in the savepoint: {rows}");
        own.run("ROLLBACK TO before", &[]);
        assert!(!own.is_good(&secret), "after ROLLBACK TO: {rows}");
        assert!(!work.is_good(&secret), "after: {rows}");
    }
}

#[test]
fn the_extension_is_dropped_and_created_again() {
    let mut scene = CacheScene::in_database("reborn");
    let mut other = scene.session();
    let good =
        |session: &mut Client, secret: &str| session.verify(secret, Some("email:send"), Some("mail.example")).code;
    for round in 0..3 {
        let old = scene.token.clone();
        let mut own = scene.session();
        scene.assert_cached(&mut other, "the other session");
        scene.assert_cached(&mut own, "its own session");

        own.batch_execute("BEGIN; DROP EXTENSION token_auth CASCADE; ROLLBACK").expect("DROP, rolled back");
        assert_eq!((good(&mut own, &old.secret), good(&mut other, &old.secret)), ("ok".to_owned(), "ok".to_owned()));
        scene.assert_cached(&mut own, "its own session, rolled back");

        // Dropped and created again, and rolled back.
        own.batch_execute("BEGIN; DROP EXTENSION token_auth CASCADE; CREATE EXTENSION token_auth")
            .expect("DROP, CREATE");
        assert_eq!(good(&mut own, &old.secret), "not_found", "round {round}: in the transaction");
        scene.superuser = std::mem::replace(&mut own, scene.session());
        scene.fill();
        let passing = std::mem::replace(&mut scene.token, old.clone());
        assert_eq!(passing.id, old.id, "the ids begin anew");
        assert_eq!(good(&mut scene.superuser, &passing.secret), "ok", "round {round}: in the transaction");
        assert_eq!(good(&mut scene.superuser, &old.secret), "not_found", "round {round}: in the transaction");
        scene.superuser.run("ROLLBACK", &[]);
        for session in [&mut scene.superuser, &mut other] {
            assert_eq!(good(session, &old.secret), "ok", "round {round}: rolled back");
            assert_eq!(good(session, &passing.secret), "not_found", "round {round}: rolled back");
        }

        scene.assert_cached(&mut other, "the other session");
        scene.superuser.batch_execute("DROP EXTENSION token_auth CASCADE; CREATE EXTENSION token_auth").expect("again");
        for session in [&mut scene.superuser, &mut other] {
            assert_eq!(good(session, &old.secret), "not_found", "round {round}: empty");
        }
        scene.fill();
        assert_eq!(scene.token.id, old.id, "the ids begin anew");
        for session in [&mut scene.superuser, &mut other] {
            assert_eq!(good(session, &old.secret), "not_found", "round {round}: the old secret");
            assert_eq!(good(session, &scene.token.secret), "ok", "round {round}: the new one");
        }
    }
}

/// Returns a copy of a table's rows without the presets.
fn kept(table: &str) -> String {
    format!("CREATE TABLE public.kept_{table} AS SELECT * FROM token_auth.{table} WHERE {}", is_ours(table))
}

fn is_ours(table: &str) -> &'static str {
    if table == "profile" { "NOT builtin" } else { "true" }
}

fn put_back(table: &str) -> String {
    format!("INSERT INTO token_auth.{table} SELECT * FROM public.kept_{table} ON CONFLICT DO NOTHING")
}

fn refill(session: &mut Client) {
    let tables = ["profile", "account", "domain", "token", "token_access"];
    session.batch_execute(&tables.map(put_back).join(";")).expect("the rows that there were");
}

/// Returns every order of these items.
fn orders<'a>(tables: &[&'a str]) -> Vec<Vec<&'a str>> {
    if tables.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: &&'a str| {
        let rest: Vec<&str> = tables.iter().copied().filter(|table| table != first).collect();
        orders(&rest).into_iter().map(|rest| [vec![*first], rest].concat()).collect::<Vec<_>>()
    };
    tables.iter().flat_map(with_first).collect()
}
