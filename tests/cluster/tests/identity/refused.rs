//! A refused secret leaves the transaction refused: a client that ignores the code does not act as the role.

use std::io::Read as _;

use cluster::scene::{PermissionScene, refusal_of};
use cluster::{NewToken, Sql};
use postgres::Transaction;

const AUTHENTICATE: &str = "SELECT code FROM token_auth.authenticate($1)";
const WHO: &str = "SELECT token_auth.current_token_id()";
const REFUSED: &str = "the transaction is refused";

#[test]
fn a_refused_secret_leaves_the_transaction_refused_whoever_it_was_before() {
    let (mut scene, token) = scene();
    let paused = scene.token(&["*"]);
    let expired = scene.token(&["*"]);
    let deleted = scene.token(&["*"]);
    scene.superuser.run("SELECT token_auth.pause_token($1)", &[&paused.id]);
    scene.superuser.run("UPDATE token_auth.token SET expires_at = clock_timestamp() WHERE id = $1", &[&expired.id]);
    scene.superuser.run("SELECT token_auth.delete_token($1)", &[&deleted.id]);
    let bearer = format!("Bearer {}", token.secret);
    let bad = [
        ("paused", Some(&*paused.secret)),
        ("expired", Some(&*expired.secret)),
        ("not_found", Some(&*deleted.secret)),
        ("malformed", Some("tok_nonsense")),
        ("malformed", Some(&*bearer)),
        ("malformed", Some("")),
        ("malformed", None),
    ];
    let mut bob = scene.session("bob");
    for was_authenticated in [false, true] {
        for (code, secret) in bad {
            let mut work = bob.transaction().expect("a transaction begins");
            if was_authenticated {
                assert_eq!(work.get::<String>(AUTHENTICATE, &[&token.secret]), "ok");
            }
            assert_eq!(work.get::<String>(AUTHENTICATE, &[&secret]), code);
            assert_refused(&scene, &token, &mut work);
        }
    }
    // So it is with a digest.
    let by_digest = "SELECT code FROM token_auth.authenticate_digest(sha256(convert_to($1, 'UTF8')))";
    let mut work = bob.transaction().expect("a transaction begins");
    assert_eq!(work.get::<String>(by_digest, &[&token.secret]), "ok");
    assert_eq!(work.get::<Option<i64>>(WHO, &[]), Some(token.id));
    for (code, secret) in &bad[..3] {
        assert_eq!(work.get::<String>(by_digest, &[secret]), *code);
        assert_refused(&scene, &token, &mut work);
    }
    for digest in [None, Some(&[0_u8; 31][..]), Some(&[])] {
        let code: String = work.get("SELECT code FROM token_auth.authenticate_digest($1)", &[&digest]);
        assert_eq!(code, "malformed");
        assert_refused(&scene, &token, &mut work);
    }
}

#[test]
fn a_refusal_survives_whatever_comes_between() {
    let (scene, token) = scene();
    let mut bob = scene.session("bob");
    let refuse = "PERFORM token_auth.authenticate('tok_nonsense');";
    let failed_block =
        format!("DO $$ BEGIN BEGIN {refuse} PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN END; END $$");
    let done_block = format!("DO $$ BEGIN BEGIN {refuse} EXCEPTION WHEN division_by_zero THEN END; END $$");
    let refuse = "SELECT token_auth.authenticate('tok_nonsense')";
    for between in [
        &format!("SAVEPOINT s; {refuse}; ROLLBACK TO s"),
        &format!("SAVEPOINT s; {refuse}; ROLLBACK TO s; RELEASE s"),
        &format!("SAVEPOINT s; {refuse}; RELEASE s"),
        &format!("SAVEPOINT s; SAVEPOINT t; {refuse}; RELEASE t; ROLLBACK TO s"),
        &format!("SAVEPOINT s; SAVEPOINT t; {refuse}; ROLLBACK TO t; RELEASE s"),
        &failed_block,
        &done_block,
        &format!("{refuse}; RESET ALL"),
        &format!("{refuse}; SET ROLE none; RESET ROLE"),
        &format!("{refuse}; SAVEPOINT s; DO $$ BEGIN PERFORM 1; END $$; RELEASE s"),
    ] {
        for was_authenticated in [false, true] {
            let mut work = bob.transaction().expect("a transaction begins");
            if was_authenticated {
                work.run(AUTHENTICATE, &[&token.secret]);
            }
            work.batch_execute(between).expect(between);
            assert_refused(&scene, &token, &mut work);
        }
    }
}

#[test]
fn an_accepted_secret_or_deauthenticate_ends_a_refusal_until_that_is_undone() {
    let (scene, token) = scene();
    let mut bob = scene.session("bob");
    for end in ["SELECT token_auth.authenticate($1)", "SELECT token_auth.deauthenticate() WHERE $1 <> ''"] {
        let is_authenticated = end.contains(".authenticate");
        let mut work = bob.transaction().expect("a transaction begins");
        work.run(AUTHENTICATE, &[&"tok_nonsense"]);
        for back in [true, false] {
            assert_refused(&scene, &token, &mut work);
            let mut outer = work.savepoint("one").expect("a savepoint");
            let mut inner = outer.savepoint("two").expect("a savepoint");
            inner.run(end, &[&token.secret]);
            assert_eq!(inner.get::<Option<i64>>(WHO, &[]), is_authenticated.then(|| token.id));
            inner.commit().expect("the inner savepoint is released");
            assert!(refusal_of("sweep()", &mut outer).is_none_or(|refusal| !refusal.message.contains(REFUSED)));
            if back { outer.rollback() } else { outer.commit() }.expect("the outer savepoint ends");
        }
        assert_eq!(work.get::<Option<i64>>(WHO, &[]), is_authenticated.then(|| token.id), "{end}");
        // Another savepoint that is rolled back undoes nothing of it.
        work.savepoint("later").expect("a savepoint").rollback().expect("it is rolled back");
        assert_eq!(work.get::<Option<i64>>(WHO, &[]), is_authenticated.then(|| token.id), "{end}");
    }
    assert!(bob.get::<bool>("SELECT NOT token_auth.deauthenticate()", &[]), "there was nothing to end");
}

#[test]
fn a_refusal_wins_over_an_identity_that_a_rollback_restores() {
    let (mut scene, token) = scene();
    let other = scene.token(&["*"]);
    scene
        .superuser
        .batch_execute(
            "CREATE TABLE public.many AS SELECT generate_series(1, 1000) AS i; GRANT SELECT ON public.many TO bob",
        )
        .expect("a table");
    let mut bob = scene.session("bob");
    let mut work = bob.transaction().expect("a transaction begins");
    work.run(AUTHENTICATE, &[&token.secret]);
    let mut outer = work.savepoint("one").expect("a savepoint");
    outer.run(AUTHENTICATE, &[&other.secret]);
    let mut inner = outer.savepoint("two").expect("a savepoint");
    inner.run(AUTHENTICATE, &[&"tok_nonsense"]);
    inner.rollback().expect("it is rolled back");
    assert_refused(&scene, &token, &mut outer);
    assert_no_worker_is_authenticated(&mut outer);
    outer.rollback().expect("it is rolled back");
    assert_refused(&scene, &token, &mut work);
    assert_no_worker_is_authenticated(&mut work);
    assert_eq!(work.get::<Option<String>>("SELECT nullif(current_setting('token_auth.identity'), '')", &[]), None);
}

#[test]
fn a_refusal_ends_with_the_transaction_however_that_ends() {
    let (scene, token) = scene();
    let mut bob = scene.session("bob");
    for end in ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SELECT 1 / 0; COMMIT"] {
        bob.run("BEGIN", &[]);
        bob.run(AUTHENTICATE, &[&"tok_nonsense"]);
        let ended = end.split("; ").map(|statement| bob.batch_execute(statement)).last().expect("a statement");
        ended.expect(end);
        bob.run("ROLLBACK", &[]);
        let mut next = bob.transaction().expect("a transaction begins");
        assert!(refusal_of(&rename(&token), &mut next).is_none(), "after {end}");
    }
}

#[test]
fn outside_a_transaction_block_authenticate_is_an_error_however_it_is_sent() {
    let (scene, token) = scene();
    let mut bob = scene.session("bob");
    let secret = &token.secret;
    let literal = format!("SELECT code FROM token_auth.authenticate('{secret}')");
    let digest = "SELECT code FROM token_auth.authenticate_digest(sha256('x'))";
    bob.batch_execute(&format!("PREPARE by_name AS {literal}")).expect("it is prepared");
    for statement in [
        literal.as_str(),
        digest,
        "EXECUTE by_name",
        &format!("SELECT token_auth.authenticate('{secret}')"),
        &format!("SELECT (token_auth.authenticate('{secret}')).token_id = token_auth.current_token_id()"),
        &format!("CREATE TEMPORARY TABLE kept AS {literal}"),
        &format!("EXPLAIN (ANALYZE) {literal}"),
        &format!("VALUES ((token_auth.authenticate('{secret}')).code)"),
        &format!("DECLARE kept CURSOR WITH HOLD FOR {literal}"),
        "SELECT token_auth.authenticate('tok_nonsense')",
    ] {
        let error = bob.batch_execute(statement).expect_err(statement);
        assert_eq!(error.code().map(|code| code.code()), Some("25P01"), "{statement}: {error:?}");
    }
    // The server announces the rows of a COPY before it computes them.
    let mut rows = bob.copy_out(&format!("COPY ({literal}) TO STDOUT")).expect("it is announced");
    let error = rows.read_to_string(&mut String::new()).expect_err("there are no rows");
    assert!(format!("{error:?}").contains("E25P01"), "{error:?}");
    drop(rows);
    // With bind parameters, prepared before and not.
    for _ in 0..2 {
        assert_eq!(bob.refused(AUTHENTICATE, &[secret]).code, "25P01");
    }
    let typed = bob.query_typed(AUTHENTICATE, &[(secret, postgres::types::Type::TEXT)]).expect_err("outside a block");
    assert_eq!(typed.code().map(|code| code.code()), Some("25P01"));
    assert_eq!(bob.get::<Option<i64>>(WHO, &[]), None);
}

#[test]
fn functions_procedures_do_blocks_and_statements_together_count_as_a_block() {
    let (mut scene, token) = scene();
    let secret = &token.secret;
    scene
        .superuser
        .batch_execute(
            "CREATE FUNCTION public.by_query(secret text) RETURNS bigint LANGUAGE plpgsql
             AS $$ BEGIN PERFORM token_auth.authenticate(secret); RETURN token_auth.current_token_id(); END $$;
             CREATE FUNCTION public.by_expression(secret text) RETURNS bigint LANGUAGE plpgsql
             AS $$ DECLARE code text := (token_auth.authenticate(secret)).code;
                   BEGIN RETURN token_auth.current_token_id(); END $$;
             CREATE FUNCTION public.in_sql(secret text) RETURNS bigint LANGUAGE sql VOLATILE
             AS $$ SELECT token_auth.authenticate(secret); SELECT token_auth.current_token_id() $$;
             CREATE PROCEDURE public.procedure(secret text, INOUT id bigint) LANGUAGE plpgsql
             AS $$ BEGIN PERFORM token_auth.authenticate(secret); id := token_auth.current_token_id(); END $$;
             CREATE PROCEDURE public.sql_procedure(secret text, INOUT id bigint) LANGUAGE sql
             AS $$ SELECT token_auth.authenticate(secret); SELECT token_auth.current_token_id() $$",
        )
        .expect("functions of an application");
    let mut bob = scene.session("bob");
    for call in [
        "SELECT by_query($1)",
        "SELECT by_expression($1)",
        "SELECT in_sql($1)",
        "SELECT i FROM in_sql($1) AS i",
        "CALL procedure($1, NULL)",
        "CALL sql_procedure($1, NULL)",
    ] {
        assert_eq!(bob.get::<Option<i64>>(call, &[secret]), Some(token.id), "{call}");
        assert_eq!(bob.get::<Option<i64>>(WHO, &[]), None, "after {call}");
    }
    let assert = format!("ASSERT token_auth.current_token_id() = {}", token.id);
    for statement in [
        format!("DO $$ BEGIN PERFORM token_auth.authenticate('{secret}'); {assert}; END $$"),
        format!("DO $$ DECLARE c text := (token_auth.authenticate('{secret}')).code; BEGIN {assert}; END $$"),
        format!("SELECT token_auth.authenticate('{secret}'); DO $$ BEGIN {assert}; END $$"),
        format!(
            "BEGIN; DECLARE c CURSOR FOR SELECT token_auth.authenticate('{secret}'); FETCH c; DO $$ BEGIN {assert}; END $$;
             COMMIT"
        ),
    ] {
        bob.batch_execute(&statement).expect(&statement);
        assert_eq!(bob.get::<Option<i64>>(WHO, &[]), None, "after {statement}");
    }
}

#[track_caller]
fn assert_refused(scene: &PermissionScene, token: &NewToken, work: &mut Transaction) {
    let (account, name) = (scene.account, &scene.name);
    for (accessor, denied) in [
        ("current_token_id() IS NULL", true),
        ("current_account_id() IS NULL", true),
        ("allows('email:send')", false),
        ("allows('email:send', 'mail.example')", false),
        ("allowed_domains('email:send') = '{}'", true),
        ("allowed_domain_ids('email:send') = '{}'", true),
    ] {
        assert_eq!(work.get::<bool>(&format!("SELECT token_auth.{accessor}"), &[]), denied, "{accessor}");
    }
    for call in [
        format!("create_account('of {name}')"),
        format!("rename_account({account}, 'renamed')"),
        format!("add_account_admin({account}, 'bob')"),
        format!("create_domain({account}, 'new.example')"),
        format!("create_token({account}, 'new', '{{*}}', all_domains => true)"),
        format!("grant_access({}, '{{*}}', all_domains => true)", token.id),
        format!("reset_token({})", token.id),
        rename(token),
        format!("delete_token({})", token.id),
        format!("reveal_token({})", token.id),
        "sweep()".to_owned(),
        "reseal_tokens()".to_owned(),
    ] {
        let refusal = refusal_of(&call, work).expect(&call);
        assert!(refusal.code == "42501" && refusal.message.contains(REFUSED), "{call}: {refusal:?}");
    }
}

/// A worker of a parallel query does not know that the transaction is refused. A function that is marked PARALLEL SAFE by mistake
/// brings a call into one.
#[test]
fn no_worker_of_a_parallel_query_manages() {
    let (mut scene, token) = scene();
    scene
        .superuser
        .batch_execute(
            "CREATE FUNCTION public.revealed(id bigint) RETURNS text LANGUAGE plpgsql PARALLEL SAFE
             AS $$ BEGIN RETURN token_auth.reveal_token(id); END $$",
        )
        .expect("a function of an application");
    let mut bob = scene.session("bob");
    assert_eq!(bob.get::<String>("SELECT public.revealed($1)", &[&token.id]), token.secret);
    let version: i32 = bob.get("SELECT current_setting('server_version_num')::int", &[]);
    let force = if version < 160_000 { "force_parallel_mode" } else { "debug_parallel_query" };
    bob.batch_execute(&format!("SET {force} = on")).expect("a setting");
    let refusal = bob.refused("SELECT public.revealed($1)", &[&token.id]);
    assert_eq!((refusal.code.as_str(), refusal.constraint.as_str()), ("25000", "parallel_query"), "{refusal:?}");
}

#[track_caller]
fn assert_no_worker_is_authenticated(work: &mut Transaction) {
    let parallel = "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0;
                    SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off";
    work.batch_execute(parallel).expect("settings of the planner");
    let query = "SELECT count(token_auth.current_token_id()) FROM many WHERE i > 0";
    let plan: Vec<String> = work.list(&format!("EXPLAIN (ANALYZE) {query}"), &[]);
    assert!(plan.iter().any(|line| line.contains("Workers Launched: ") && !line.ends_with(" 0")), "{plan:#?}");
    assert_eq!(work.get::<i64>(query, &[]), 0);
}

fn rename(token: &NewToken) -> String {
    format!("rename_token({}, 'renamed')", token.id)
}

/// An account, and a token with full access to it.
fn scene() -> (PermissionScene, NewToken) {
    let mut scene = PermissionScene::under(r#"{"tokens_manage_tokens": true, "can_reveal": true}"#);
    let token = scene.token(&["*"]);
    (scene, token)
}
