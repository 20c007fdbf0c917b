//! No session keeps an identity after its transaction, or borrows another one: through what was planned, declared,
//! prepared or written while the transaction was authenticated.

use cluster::scene::tenants::{DATABASE, MESSAGES, POLICY, Tenants, authenticate, who};
use cluster::{Client, NewToken, Sql};

/// Every documented form of policy.
const POLICIES: [&str; 4] = [
    POLICY,
    "domain = ANY (token_auth.allowed_domains('email:read'))",
    "domain = ANY ((SELECT token_auth.allowed_domains('email:read'))::text[])",
    "account_id = (SELECT token_auth.current_account_id())",
];

#[test]
fn a_plan_carries_no_rows_from_one_tenant_to_another() {
    let mut tenants = Tenants::preloading("token_auth");
    let (role, messages) = (tenants.role.clone(), tenants.messages.clone());
    tenants.superuser.run(&format!("CREATE INDEX ON {messages} (domain)"), &[]);
    for policy in POLICIES {
        tenants.superuser.run(&format!("ALTER POLICY tenants ON {messages} USING ({policy})"), &[]);
        for mode in ["force_generic_plan", "force_custom_plan", "auto"] {
            let mut session = tenants.session();
            session
                .batch_execute(&format!(
                    "SET plan_cache_mode = {mode};
                     CREATE OR REPLACE FUNCTION {role}.seen() RETURNS text[] LANGUAGE plpgsql
                     AS $$ BEGIN RETURN ARRAY(SELECT DISTINCT domain FROM {messages}); END $$;
                     BEGIN"
                ))
                .expect("settings, and a function of one's own");
            authenticate(&mut session, &tenants.ours);
            session
                .batch_execute(&format!(
                    "PREPARE seen(int) AS SELECT ARRAY(SELECT DISTINCT domain FROM {messages} WHERE length(body) > $1)"
                ))
                .expect("a statement is prepared");
            let bound =
                session.prepare(&format!("SELECT DISTINCT domain FROM {messages} WHERE body <> $1")).expect("one more");
            // Often enough for a generic plan, which was made for our token.
            for token in [&tenants.ours; 7].into_iter().chain([&tenants.theirs, &tenants.ours, &tenants.theirs]) {
                session.batch_execute("COMMIT; BEGIN").expect("a new transaction");
                authenticate(&mut session, token);
                let own = if token.id == tenants.ours.id { "ours.example" } else { "theirs.example" };
                assert_eq!(seen_by_each(&mut session, &role, &bound), [[own]; 3], "{mode}: {policy}");
            }
            session.batch_execute("COMMIT; BEGIN").expect("a new transaction");
            assert_eq!(seen_by_each(&mut session, &role, &bound), [[""; 0]; 3], "{mode}: {policy}");
        }
    }
}

/// Returns the rows of a prepared statement, a bound one and one within a function.
fn seen_by_each(session: &mut Client, role: &str, bound: &postgres::Statement) -> [Vec<String>; 3] {
    let simple = session.simple_query("EXECUTE seen(0)").expect("it is prepared");
    let prepared = simple.iter().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => {
            Some(row.get(0).expect("an array").trim_matches(['{', '}']).to_owned())
        }
        _ => None,
    });
    let prepared = prepared.filter(|names| !names.is_empty()).into_iter().collect();
    let bound = session.query(bound, &[&""]).expect("it is prepared").iter().map(|row| row.get(0)).collect();
    [prepared, bound, session.get(&format!("SELECT {role}.seen()"), &[])]
}

#[test]
fn a_held_cursor_has_only_the_rows_of_its_commit() {
    let tenants = Tenants::preloading("token_auth");
    let mut session = tenants.session();
    let count = |session: &mut Client| session.rows("FETCH ALL FROM held", &[]).len() as i64;
    let declare = format!("DECLARE held CURSOR WITH HOLD FOR SELECT * FROM {}", tenants.messages);
    // Its rows are computed at COMMIT, under the identity of that moment.
    for (before, after, rows) in [
        (Some(&tenants.ours), Some(&tenants.ours), MESSAGES),
        (None, Some(&tenants.ours), MESSAGES),
        (Some(&tenants.ours), None, 0),
        (None, None, 0),
    ] {
        session.run("BEGIN", &[]);
        act(&mut session, before);
        session.run(&declare, &[]);
        act(&mut session, after);
        session.run("COMMIT", &[]);
        tenants.assert_nobody(&mut session, "after COMMIT");
        assert_eq!(count(&mut session), rows);
        tenants.assert_nobody(&mut session, "after FETCH");
        // A transaction of another tenant adds none.
        session.batch_execute("BEGIN; MOVE ABSOLUTE 0 IN held").expect("back to the beginning");
        authenticate(&mut session, &tenants.theirs);
        assert_eq!(count(&mut session), rows);
        session.batch_execute("COMMIT; CLOSE held").expect("the end");
    }
}

/// Authenticates as a token, or ends the authentication.
fn act(session: &mut impl Sql, token: Option<&NewToken>) {
    match token {
        Some(token) => authenticate(session, token),
        None => drop(session.rows("SELECT token_auth.deauthenticate()", &[])),
    }
}

#[test]
fn a_prepared_transaction_does_not_keep_the_identity() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = tenants.role.clone();
    let mut session = tenants.session();
    session.run(&format!("CREATE TABLE {role}.note (token bigint)"), &[]);
    for end in ["COMMIT", "ROLLBACK"] {
        session.run("BEGIN", &[]);
        authenticate(&mut session, &tenants.ours);
        session.run(&format!("INSERT INTO {role}.note VALUES (token_auth.current_token_id())"), &[]);
        session.run(&format!("PREPARE TRANSACTION '{role}'"), &[]);
        tenants.assert_nobody(&mut session, "the session, after PREPARE TRANSACTION");
        // Afterwards the identity is the one from before.
        let mut other = if end == "COMMIT" { tenants.session() } else { tenants.cluster.connect(DATABASE, &role) };
        other.batch_execute(&format!("{end} PREPARED '{role}'")).expect(end);
        tenants.assert_nobody(&mut other, end);
        tenants.assert_nobody(&mut session, end);
        assert_eq!(session.refused(&format!("SET token_auth.identity = '{}'", tenants.ours.id), &[]).code, "42501");
    }
    let noted: Vec<i64> = tenants.superuser.list(&format!("SELECT token FROM {role}.note"), &[]);
    assert_eq!(noted, [tenants.ours.id]);
}

#[test]
fn an_identity_that_is_reset_or_discarded_does_not_return() {
    let tenants = Tenants::preloading("token_auth");
    let mut session = tenants.session();
    for clear in ["RESET ALL", "DO $$ BEGIN RESET ALL; END $$"] {
        for end in ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"] {
            session.run("BEGIN", &[]);
            authenticate(&mut session, &tenants.ours);
            session.run(clear, &[]);
            tenants.assert_nobody(&mut session, clear);
            // It can authenticate again, and that ends with the transaction, too.
            authenticate(&mut session, &tenants.theirs);
            session.batch_execute(&format!("SAVEPOINT within; {clear}")).expect("a savepoint");
            tenants.assert_nobody(&mut session, clear);
            session.run("ROLLBACK TO within", &[]);
            assert_eq!(who(&mut session), Some(tenants.theirs.id), "{clear} was taken back");
            session.run(end, &[]);
            tenants.assert_nobody(&mut session, &format!("{clear}; {end}"));
            for statement in ["ROLLBACK", "RESET ALL", "DISCARD ALL"] {
                session.run(statement, &[]);
            }
            tenants.assert_nobody(&mut session, "after DISCARD ALL");
        }
    }
    // The setting was cleared for the session before.
    session.run("BEGIN", &[]);
    session.run("RESET ALL", &[]);
    authenticate(&mut session, &tenants.ours);
    session.run("COMMIT", &[]);
    tenants.assert_nobody(&mut session, "RESET ALL before");
}

#[test]
fn a_function_with_a_set_clause_gives_back_what_was() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = tenants.role.clone();
    // A superuser may write the clause. While the function runs, it is not authenticated.
    tenants
        .superuser
        .batch_execute(&format!(
            "CREATE FUNCTION {role}.alone(secret text) RETURNS bigint[] LANGUAGE plpgsql SECURITY DEFINER
             SET token_auth.identity = ''
             AS $$
             DECLARE before bigint := token_auth.current_token_id();
             BEGIN
                 PERFORM token_auth.authenticate(secret) WHERE secret IS NOT NULL;
                 RETURN ARRAY[before, token_auth.current_token_id()];
             END $$"
        ))
        .expect("a function");
    let mut session = tenants.session();
    let alone = format!("SELECT {role}.alone($1)");
    for token in [None, Some(&tenants.ours)] {
        let mut work = session.transaction().expect("a transaction begins");
        act(&mut work, token);
        assert_eq!(work.get::<Vec<Option<i64>>>(&alone, &[&None::<String>]), [None, None]);
        assert_eq!(work.get::<Vec<Option<i64>>>(&alone, &[&tenants.theirs.secret]), [None, Some(tenants.theirs.id)]);
        assert_eq!(who(&mut work), token.map(|token| token.id), "what authenticated within ends with it");
    }
    tenants.assert_nobody(&mut session, "after it all");
}

#[test]
fn code_that_runs_during_maintenance_leaves_no_identity() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = tenants.role.clone();
    let mut session = tenants.session();
    session
        .batch_execute(&format!(
            "CREATE FUNCTION {role}.trap(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE
             AS $$ BEGIN PERFORM token_auth.authenticate('{}'); RETURN i; END $$;
             CREATE TABLE {role}.bait AS SELECT generate_series(1, 10) AS i;
             CREATE INDEX ON {role}.bait ({role}.trap(i));
             CREATE MATERIALIZED VIEW {role}.view AS SELECT {role}.trap(i) FROM {role}.bait",
            tenants.ours.secret
        ))
        .expect("one's own table");
    tenants.assert_nobody(&mut session, "after CREATE INDEX");
    let superuser = &mut tenants.superuser;
    superuser.run("BEGIN", &[]);
    for maintenance in [
        "ANALYZE $.bait",
        "REINDEX TABLE $.bait",
        "REFRESH MATERIALIZED VIEW $.view",
        "CLUSTER $.bait USING bait_trap_idx",
    ] {
        superuser.run(&maintenance.replace('$', &role), &[]);
        assert_eq!(who(superuser), None, "{maintenance}");
    }
    // The function works where it is called.
    superuser.run(&format!("SELECT {role}.trap(1)"), &[]);
    assert_eq!(who(superuser), Some(tenants.ours.id));
    superuser.run("ROLLBACK", &[]);
}

#[test]
fn a_parallel_worker_answers_as_the_leader_does() {
    let mut tenants = Tenants::preloading("token_auth");
    let messages = tenants.messages.clone();
    tenants.superuser.run(&format!("ALTER TABLE {messages} SET (parallel_workers = 2)"), &[]);
    let mut session = tenants.session();
    session
        .batch_execute(
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
             SET parallel_leader_participation = off",
        )
        .expect("settings of the planner");
    let query = format!("SELECT count(*), min(domain), max(domain) FROM {messages}");
    for policy in POLICIES {
        tenants.superuser.run(&format!("ALTER POLICY tenants ON {messages} USING ({policy})"), &[]);
        for (token, own) in [(&tenants.ours, "ours.example"), (&tenants.theirs, "theirs.example")] {
            let mut work = session.transaction().expect("a transaction begins");
            authenticate(&mut work, token);
            let plan: Vec<String> = work.list(&format!("EXPLAIN (ANALYZE) {query}"), &[]);
            assert!(plan.iter().any(|line| line.contains("Workers Launched: ") && !line.ends_with(" 0")), "{plan:#?}");
            let row = work.row(&query, &[]);
            assert_eq!((row.get(0), row.get(1), row.get(2)), (MESSAGES, own, own), "{policy}");
        }
        tenants.assert_nobody(&mut session, policy);
    }
}

#[test]
fn a_procedure_is_not_authenticated_after_each_commit() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = tenants.role.clone();
    let mut session = tenants.session();
    session
        .batch_execute(&format!(
            "CREATE TABLE {role}.seen (step text, token bigint, messages bigint);
             CREATE PROCEDURE {role}.walk(secret text) LANGUAGE plpgsql
             AS $$
             DECLARE message record; n int := 0;
             BEGIN
                 PERFORM token_auth.authenticate(secret);
                 -- The loop's cursor is held across the COMMIT, and its rows are those of then.
                 FOR message IN SELECT * FROM public.{messages} LOOP
                     n := n + 1;
                     COMMIT;
                     IF n = 1 THEN
                         INSERT INTO {role}.seen SELECT 'loop', token_auth.current_token_id(), count(*) FROM public.{messages};
                     END IF;
                 END LOOP;
                 INSERT INTO {role}.seen VALUES ('rows', NULL, n);
                 COMMIT;
                 PERFORM token_auth.authenticate(secret);
                 ROLLBACK AND CHAIN;
                 INSERT INTO {role}.seen SELECT 'chain', token_auth.current_token_id(), count(*) FROM public.{messages};
             END $$",
            messages = tenants.messages
        ))
        .expect("a procedure");
    session.batch_execute(&format!("CALL {role}.walk('{}')", tenants.ours.secret)).expect("it runs");
    let seen = tenants.superuser.rows(&format!("SELECT * FROM {role}.seen"), &[]);
    let seen: Vec<(String, Option<i64>, i64)> = seen.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(seen, [("loop".into(), None, 0), ("rows".into(), None, MESSAGES), ("chain".into(), None, 0)]);
    tenants.assert_nobody(&mut session, "after the call");
}
