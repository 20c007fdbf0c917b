//! A transaction is authenticated as a token from `authenticate` to its end, and in no other way.

use cluster::scene::{PermissionScene, authenticated_as, refusal_of};
use cluster::{NewToken, Sql};

const WHO: &str = "SELECT token_auth.current_token_id()";
const AUTHENTICATE: &str = "SELECT code FROM token_auth.authenticate($1)";

#[test]
fn deauthenticate_ends_the_identity_for_every_role() {
    let (scene, token) = scene();
    let mut holder = scene.session("holder");
    let mut work = authenticated_as(&token, &mut holder);
    assert_eq!(who(&mut work), Some(token.id));
    assert_eq!(work.get::<Option<i64>>("SELECT token_auth.current_account_id()", &[]), Some(scene.account));
    for _ in 0..2 {
        work.run("SELECT token_auth.deauthenticate()", &[]);
        assert_eq!(who(&mut work), None);
        assert_eq!(work.get::<Option<i64>>("SELECT token_auth.current_account_id()", &[]), None);
    }
}

#[test]
fn the_identity_ends_with_the_transaction_however_that_ends() {
    let (scene, token) = scene();
    let mut session = scene.session("bob");
    for end in ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SELECT 1 / 0; COMMIT"] {
        session.run("BEGIN", &[]);
        session.run(AUTHENTICATE, &[&token.secret]);
        assert_eq!(who(&mut session), Some(token.id), "{end}");
        let ended = end.split("; ").map(|statement| session.batch_execute(statement)).last().expect("a statement");
        ended.expect(end);
        assert_eq!(who(&mut session), None, "{end}");
        session.run("ROLLBACK", &[]);
    }
    // Also within a procedure.
    for end in ["COMMIT", "ROLLBACK"] {
        let procedure = format!(
            "DO $$ BEGIN
                 PERFORM token_auth.authenticate('{}');
                 ASSERT token_auth.current_token_id() = {};
                 {end};
                 ASSERT token_auth.current_token_id() IS NULL;
             END $$",
            token.secret, token.id
        );
        session.batch_execute(&procedure).expect(end);
    }
}

#[test]
fn the_identity_follows_savepoints_in_both_directions() {
    let (mut scene, token) = scene();
    let other = scene.token(&["*"]);
    let mut bob = scene.session("bob");

    let mut work = bob.transaction().expect("a transaction begins");
    for back in [true, false] {
        let mut attempt = work.savepoint("before").expect("a savepoint");
        attempt.run(AUTHENTICATE, &[&token.secret]);
        assert_eq!(who(&mut attempt), Some(token.id));
        if back { attempt.rollback() } else { attempt.commit() }.expect("the savepoint ends");
        assert_eq!(who(&mut work), (!back).then(|| token.id), "rolled back to: {back}");
    }
    for change in [AUTHENTICATE, "SELECT token_auth.deauthenticate() WHERE $1 <> ''"] {
        let mut attempt = work.savepoint("between").expect("a savepoint");
        attempt.run(change, &[&other.secret]);
        assert_ne!(who(&mut attempt), Some(token.id));
        attempt.rollback().expect("the savepoint is rolled back to");
        assert_eq!(who(&mut work), Some(token.id));
    }
    // A deletion that is rolled back has no effect.
    let mut attempt = work.savepoint("deletion").expect("a savepoint");
    attempt.run("SELECT token_auth.delete_token($1)", &[&token.id]);
    assert_eq!(who(&mut attempt), None);
    attempt.rollback().expect("the savepoint is rolled back to");
    assert_eq!(who(&mut work), Some(token.id));
}

#[test]
fn the_identity_does_not_survive_a_failed_block() {
    let (mut scene, token) = scene();
    let other = scene.token(&["*"]);
    let block = |before: &str, after: &str| {
        format!(
            "DO $$ BEGIN
                 BEGIN
                     PERFORM token_auth.authenticate('{}');
                     ASSERT token_auth.current_token_id() = {};
                     PERFORM 1 / 0;
                 EXCEPTION WHEN division_by_zero THEN
                     ASSERT token_auth.current_token_id() {before}, 'in the handler';
                 END;
                 ASSERT token_auth.current_token_id() {after}, 'after the block';
             END $$",
            other.secret, other.id
        )
    };
    let mut bob = scene.session("bob");
    bob.batch_execute(&block("IS NULL", "IS NULL")).expect("nobody before, and nobody after");
    let before = format!("= {}", token.id);
    authenticated_as(&token, &mut bob).batch_execute(&block(&before, &before)).expect("the same before and after");
}

#[test]
fn the_identity_reaches_functions_and_parallel_workers() {
    let (mut scene, token) = scene();
    scene
        .superuser
        .batch_execute(
            "CREATE FUNCTION public.log_in(secret text) RETURNS text
             LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '5MB'
             AS $$ BEGIN RETURN (token_auth.authenticate(secret)).code; END $$;
         CREATE TABLE public.many AS SELECT generate_series(1, 10000) AS i;
         GRANT SELECT ON public.many TO bob",
        )
        .expect("a function of an application");
    let mut bob = scene.session("bob");
    let mut work = bob.transaction().expect("a transaction begins");
    assert_eq!(work.get::<String>("SELECT log_in($1)", &[&token.secret]), "ok");
    assert_eq!(who(&mut work), Some(token.id));

    let parallel = "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0;
                    SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off";
    work.batch_execute(parallel).expect("settings of the planner");
    let query = "SELECT count(*) FROM many WHERE coalesce(token_auth.current_token_id(), i) = $1";
    let plan: Vec<String> = work.list(&format!("EXPLAIN (ANALYZE) {query}").replace("$1", "0"), &[]);
    assert!(plan.iter().any(|line| line.contains("Workers Launched: ") && !line.ends_with(" 0")), "{plan:#?}");
    assert_eq!(work.get::<i64>(query, &[&token.id]), 10_000);
    assert_eq!(work.get::<i64>(query, &[&-1_i64]), 0);
}

#[test]
fn authenticate_writes_nothing() {
    let (scene, token) = scene();
    let mut bob = scene.session("bob");
    for mode in ["READ ONLY", "READ WRITE", "ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"] {
        bob.run(&format!("BEGIN {mode}"), &[]);
        assert_eq!(bob.get::<String>(AUTHENTICATE, &[&token.secret]), "ok", "{mode}");
        assert_eq!(who(&mut bob), Some(token.id), "{mode}");
        assert_eq!(bob.get::<Option<i64>>("SELECT token_auth.current_account_id()", &[]), Some(scene.account));
        assert_eq!(bob.get::<Option<String>>("SELECT pg_current_xact_id_if_assigned()::text", &[]), None, "{mode}");
        bob.run("COMMIT", &[]);
    }
}

#[test]
fn a_token_of_a_paused_account_authenticates_nothing() {
    let (mut scene, token) = scene();
    let call = format!("create_domain({}, 'new.example')", scene.account);
    let mut bob = scene.session("bob");
    let mut acting = scene.session("bob");
    let mut work = authenticated_as(&token, &mut acting);
    assert!(refusal_of(&call, &mut work).is_none());

    scene.superuser.run("SELECT token_auth.pause_account($1)", &[&scene.account]);
    assert_eq!(who(&mut work), None);
    let refusal = refusal_of(&call, &mut work).expect("its account is paused");
    assert_eq!(refusal.code, "42501", "{refusal:?}");
    let mut late = bob.transaction().expect("a transaction begins");
    assert_eq!(late.get::<String>(AUTHENTICATE, &[&token.secret]), "paused");
    assert_eq!(who(&mut late), None);

    scene.superuser.run("SELECT token_auth.resume_account($1)", &[&scene.account]);
    assert_eq!(who(&mut work), Some(token.id));
    assert!(refusal_of(&call, &mut work).is_none());
    assert_eq!(who(&mut late), None, "it was refused, and stays so");
}

/// An account, and a token with full access to it.
fn scene() -> (PermissionScene, NewToken) {
    let mut scene = PermissionScene::under(r#"{"tokens_manage_tokens": true}"#);
    let token = scene.token(&["*"]);
    (scene, token)
}

/// As which token a session acts.
fn who(session: &mut impl Sql) -> Option<i64> {
    session.get(WHO, &[])
}
