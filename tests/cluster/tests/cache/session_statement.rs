//! A session that reads its own changes before their messages are sent, and among the changes of many others: nothing that was
//! rolled back stays cached.

use cluster::scene::CacheScene;
use cluster::{Client, Sql, TokenAuth};

/// Opens a session that is authenticated as a token for every domain of the account.
fn acting_everywhere(scene: &mut CacheScene) -> Client {
    let token = scene.superuser.account_token(scene.account, "everywhere", &["email:send"]);
    let mut work = scene.cluster.connect(&scene.database, "postgres");
    work.run("BEGIN", &[]);
    assert_eq!(work.get::<String>("SELECT code FROM token_auth.authenticate($1)", &[&token.secret]), "ok");
    assert_eq!(work.get::<Option<i64>>("SELECT token_auth.current_token_id()", &[]), Some(token.id));
    work
}

/// Returns true if it may send from there, by each of the three functions.
fn may_send_from(work: &mut Client, domain: &str) -> bool {
    let row = work.row(
        "SELECT token_auth.allows('email:send', $1), $1 = ANY (token_auth.allowed_domains('email:send')),
                (SELECT id FROM token_auth.domain WHERE name = $1) = ANY (token_auth.allowed_domain_ids('email:send'))",
        &[&domain],
    );
    let answers: [Option<bool>; 3] = [row.get(0), row.get(1), row.get(2)];
    let first = answers[0].expect("allows is never NULL");
    assert!(answers.iter().all(|answer| answer.unwrap_or(false) == first), "{answers:?}");
    first
}

/// Returns the number of scans of the indexes of domains and tokens.
fn scans(work: &mut Client) -> i64 {
    let scans = "SELECT sum(pg_stat_get_xact_numscans(index))::bigint
                 FROM unnest('{token_auth.token_pkey, token_auth.domain_pkey, token_auth.domain_account_id_name_key}'::regclass[]) index";
    work.get(scans, &[])
}

#[test]
fn an_answer_within_a_failed_statement_is_not_cached() {
    let mut scene = CacheScene::in_database("session_midst");
    // Its name sorts before that of the trigger that invalidates the cache.
    scene
        .superuser
        .batch_execute(
            "CREATE FUNCTION look_and_fail() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 ASSERT NOT token_auth.allows('email:send', OLD.name), 'it is gone';
                 ASSERT OLD.name <> ALL (token_auth.allowed_domains('email:send')), 'it is gone';
                 ASSERT OLD.id <> ALL (token_auth.allowed_domain_ids('email:send')), 'it is gone';
                 RAISE division_by_zero;
             END $$;
             CREATE TRIGGER a_look AFTER DELETE ON token_auth.domain FOR EACH ROW EXECUTE FUNCTION look_and_fail()",
        )
        .expect("a trigger of somebody else");
    scene.superuser.run("SELECT token_auth.create_domain($1, 'new.example')", &[&scene.account]);
    let mut work = acting_everywhere(&mut scene);
    work.run("SAVEPOINT before", &[]);
    let failure = work.refused("DELETE FROM token_auth.domain WHERE name = 'new.example'", &[]);
    assert_eq!(failure.code, "22012", "{failure:?}");
    work.run("ROLLBACK TO before", &[]);
    assert!(may_send_from(&mut work, "new.example"));
}

#[test]
fn a_domain_that_the_transaction_created_is_looked_up_once() {
    let mut scene = CacheScene::in_database("session_own_domains");
    let mut work = acting_everywhere(&mut scene);
    let add = |work: &mut Client, name: &str| {
        work.run(
            "INSERT INTO token_auth.domain (account_id, name) SELECT max(id), $1 FROM token_auth.account",
            &[&name],
        );
    };
    for name in ["one.example", "two.example"] {
        assert!(!may_send_from(&mut work, name));
        add(&mut work, name);
    }
    let all = ["mail.example", "one.example", "two.example"];
    for name in all {
        assert!(may_send_from(&mut work, name));
    }
    let allows =
        |work: &mut Client, name: &str| -> bool { work.get("SELECT token_auth.allows('email:send', $1)", &[&name]) };
    let before = scans(&mut work);
    for _ in 0..3 {
        assert!(all.iter().all(|name| allows(&mut work, name)));
    }
    assert_eq!(scans(&mut work), before, "they are cached");
    work.run("ROLLBACK", &[]);
    let mut work = acting_everywhere(&mut scene);
    assert!(may_send_from(&mut work, "mail.example") && !may_send_from(&mut work, "one.example"));
}

/// With more than 64 subtransactions of one session, no snapshot contains all of them.
#[test]
fn answers_are_right_during_many_subtransactions() {
    let mut scene = CacheScene::in_database("session_subtransactions");
    scene.superuser.run("CREATE TABLE written (id int)", &[]);
    let secret = scene.token.secret.clone();
    let write = |session: &mut Client, subtransactions: i32| {
        session.run("BEGIN", &[]);
        for number in 0..subtransactions {
            session
                .batch_execute(&format!("SAVEPOINT s{number}; INSERT INTO written VALUES ({number})"))
                .expect("a subtransaction");
        }
    };
    let connect = || scene.cluster.connect(&scene.database, "postgres");
    let (mut few, mut many, mut verifier) = (connect(), connect(), connect());
    write(&mut few, 2);
    write(&mut many, 70);
    let mut code = || verifier.verify(&secret, Some("email:send"), Some("mail.example")).code;
    for _ in 0..3 {
        // A later transaction, so that both are between xmin and xmax of snapshots.
        scene.superuser.run("INSERT INTO written VALUES (0)", &[]);
        assert_eq!((code(), code()), ("ok".to_owned(), "ok".to_owned()));
        scene.superuser.batch_execute("UPDATE token_auth.token SET paused_at = now()").expect("a pause");
        assert_eq!((code(), code()), ("paused".to_owned(), "paused".to_owned()));
        scene
            .superuser
            .batch_execute("BEGIN; UPDATE token_auth.token SET paused_at = NULL; UPDATE token_auth.domain SET verified_at = now(); COMMIT")
            .expect("a transaction that changes both");
        assert_eq!(code(), "ok");
    }
    many.run("COMMIT", &[]);
    few.run("ROLLBACK", &[]);
    assert_eq!(code(), "ok");
}
