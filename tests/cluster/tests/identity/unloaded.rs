//! If the library is not preloaded, every user can set a placeholder of the setting's name, and a superuser can store one.
//! It is no identity, neither for the functions, which load the library, nor for a policy that calls them.

use cluster::scene::tenants::{DATABASE, MESSAGES, Tenants, authenticate, who};
use cluster::{Client, Sql, seconds, wait_until};

const SHOW: &str = "SELECT current_setting('token_auth.identity', true)";

#[test]
fn a_placeholder_is_no_identity() {
    let tenants = Tenants::preloading("");
    let ways = [
        "SET token_auth.identity = '$'",
        "SELECT set_config('token_auth.identity', '$', false)",
        "BEGIN; SET LOCAL token_auth.identity = '$'",
        "BEGIN; SELECT set_config('token_auth.identity', '$', true)",
        "SET token_auth.identity = '$'; BEGIN; SET LOCAL token_auth.identity = '$'; SAVEPOINT s",
        "BEGIN; SAVEPOINT before; SET LOCAL token_auth.identity = '$'; SAVEPOINT s",
        "BEGIN; SET token_auth.identity = '$'; SAVEPOINT s; SET LOCAL token_auth.identity = '$'; RELEASE s",
    ];
    for role in [&*tenants.role, "postgres"] {
        for way in ways {
            for end in ["COMMIT", "ROLLBACK", "ROLLBACK TO s", "ROLLBACK TO before"] {
                let savepoint = end.strip_prefix("ROLLBACK TO ");
                if savepoint.is_some_and(|name| !way.contains(&format!("SAVEPOINT {name}")) || way.contains("RELEASE"))
                {
                    continue;
                }
                let mut session = tenants.cluster.connect(DATABASE, role);
                let way = way.replace('$', &tenants.ours.id.to_string());
                session.batch_execute(&way).expect("a placeholder can be set");
                assert_not_believed(&tenants, &mut session, &way);
                session.batch_execute(end).expect(end);
                assert_not_believed(&tenants, &mut session, &format!("{way}; {end}"));
            }
        }
    }
}

/// A session with a placeholder is not authenticated, and the placeholder is dropped.
fn assert_not_believed(tenants: &Tenants, session: &mut Client, why: &str) {
    assert_eq!(who(session), None, "{why}");
    assert!(!session.get::<bool>("SELECT token_auth.allows('email:read', 'ours.example')", &[]), "{why}");
    if session.get::<String>("SELECT current_user::text", &[]) == tenants.role {
        tenants.assert_nobody(session, why);
    }
    assert_eq!(session.get::<String>(SHOW, &[]), "", "{why}");
}

#[test]
fn a_policy_does_not_accept_a_placeholder() {
    let mut tenants = Tenants::preloading("");
    let forms = [
        "token_auth.allows('email:read', domain)",
        "domain = ANY (token_auth.allowed_domains('email:read'))",
        "account_id = (SELECT token_auth.current_account_id())",
        "token_auth.current_token_id() IS NOT NULL",
    ];
    for policy in forms {
        tenants.superuser.run(&format!("ALTER POLICY tenants ON {} USING ({policy})", tenants.messages), &[]);
        let mut session = tenants.session();
        session.run(&format!("SET token_auth.identity = '{}'", tenants.ours.id), &[]);
        let count = format!("SELECT count(*) FROM {}", tenants.messages);
        assert_eq!(session.get::<i64>(&count, &[]), 0, "{policy}");
        let mut work = session.transaction().expect("a transaction begins");
        authenticate(&mut work, &tenants.ours);
        assert!(work.get::<i64>(&count, &[]) >= MESSAGES, "{policy}: the table has messages");
    }
}

#[test]
fn a_stored_or_startup_setting_is_no_identity() {
    let mut tenants = Tenants::preloading("");
    let (role, id) = (tenants.role.clone(), tenants.ours.id);
    let options = format!("-c token_auth.identity={id}");
    let mut session = tenants.cluster.try_connect_with_options(DATABASE, &role, &options).expect("it is let in");
    assert_eq!(session.get::<String>(SHOW, &[]), id.to_string());
    assert_not_believed(&tenants, &mut session, &options);
    let options = format!("-c token_auth.identity={id} -c session_preload_libraries=token_auth");
    let mut session = tenants.cluster.try_connect_with_options(DATABASE, "postgres", &options).expect("it is let in");
    assert_not_believed(&tenants, &mut session, &options);

    // A superuser can store it before the library is loaded.
    let mut superuser = tenants.cluster.connect(DATABASE, "postgres");
    for object in [format!("ROLE {role}"), format!("ROLE {role} IN DATABASE {DATABASE}")] {
        superuser.run(&format!("ALTER {object} SET token_auth.identity = '{id}'"), &[]);
        let mut session = tenants.session();
        assert_eq!(session.get::<String>(SHOW, &[]), id.to_string(), "{object}");
        assert_not_believed(&tenants, &mut session, &object);
        superuser.run(&format!("ALTER {object} RESET token_auth.identity"), &[]);
    }
    superuser
        .batch_execute(&format!(
            "CREATE FUNCTION {role}.stored() RETURNS bigint LANGUAGE plpgsql SET token_auth.identity = '{id}'
             AS $$ BEGIN RETURN token_auth.current_token_id(); END $$;
             GRANT EXECUTE ON FUNCTION {role}.stored TO {role}"
        ))
        .expect("a function with the clause");
    // The library is loaded in the function, or was before.
    for loaded in [false, true] {
        let mut session = tenants.session();
        let before = loaded.then(|| who(&mut session));
        assert_eq!(before.flatten(), None);
        let answer = session.query_one(&format!("SELECT {role}.stored()"), &[]);
        match (loaded, answer) {
            (false, Ok(row)) => assert_eq!(row.get::<_, Option<i64>>(0), None),
            (true, Err(error)) => assert_eq!(cluster::refusal(&error).code, "42501"),
            (_, other) => panic!("loaded before: {loaded}: {other:?}"),
        }
        assert_not_believed(&tenants, &mut session, "after the function");
    }
    tenants.superuser.run(&format!("DROP FUNCTION {role}.stored"), &[]);
}

#[test]
fn a_parallel_worker_that_loads_the_library_drops_a_placeholder() {
    let tenants = Tenants::preloading("");
    let role = &tenants.role;
    let mut session = tenants.session();
    // Only workers run its body, so the leader never loads the library, and they start with its placeholder.
    session
        .batch_execute(&format!(
            "CREATE FUNCTION {role}.peek() RETURNS bigint LANGUAGE plpgsql PARALLEL SAFE
             AS $$ BEGIN RETURN coalesce(token_auth.current_token_id(), -1); END $$;
             CREATE TABLE {role}.many AS SELECT generate_series(1, 1000) AS i;
             SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
             SET parallel_leader_participation = off;
             SET token_auth.identity = '{}'",
            tenants.ours.id
        ))
        .expect("a function of one's own");
    let query = format!("SELECT min({role}.peek()), max({role}.peek()) FROM {role}.many");
    let plan: Vec<String> = session.list(&format!("EXPLAIN (ANALYZE) {query}"), &[]);
    assert!(plan.iter().any(|line| line.contains("Workers Launched: ") && !line.ends_with(" 0")), "{plan:#?}");
    let row = session.row(&query, &[]);
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (-1, -1));
    assert_eq!(session.get::<String>(SHOW, &[]), tenants.ours.id.to_string(), "the leader has not loaded it");
    assert_not_believed(&tenants, &mut session, "in the leader");

    // A real identity gets there.
    let mut work = session.transaction().expect("a transaction begins");
    authenticate(&mut work, &tenants.theirs);
    let row = work.row(&query, &[]);
    assert_eq!((row.get(0), row.get(1)), (tenants.theirs.id, tenants.theirs.id));
}

#[test]
fn load_by_hand_changes_nothing() {
    let tenants = Tenants::preloading("");
    let mut session = tenants.session();
    assert_eq!(session.refused("LOAD 'token_auth'", &[]).code, "42501");

    let forged = format!("SET token_auth.identity = '{}'", tenants.ours.id);
    let mut superuser = tenants.cluster.connect(DATABASE, "postgres");
    superuser.run(&forged, &[]);
    superuser.run("LOAD 'token_auth'", &[]);
    assert_not_believed(&tenants, &mut superuser, "LOAD after the placeholder");
    superuser.run("BEGIN", &[]);
    authenticate(&mut superuser, &tenants.ours);
    superuser.run("LOAD 'token_auth'", &[]);
    assert_eq!(who(&mut superuser), Some(tenants.ours.id));
    assert_eq!(superuser.refused(&forged, &[]).code, "42501");
    superuser.run("ROLLBACK", &[]);
    assert_not_believed(&tenants, &mut superuser, "after the transaction");
}

#[test]
fn the_first_call_of_a_session_authenticates() {
    let tenants = Tenants::preloading("");
    let forged = format!("SET token_auth.identity = '{}'", tenants.theirs.id);
    for before in ["BEGIN", &format!("{forged}; BEGIN"), &format!("BEGIN; {}", forged.replace("SET", "SET LOCAL"))] {
        let mut session = tenants.session();
        session.batch_execute(before).expect(before);
        authenticate(&mut session, &tenants.ours);
        session.run("COMMIT", &[]);
        assert_not_believed(&tenants, &mut session, before);
    }
}

#[test]
fn a_line_in_a_configuration_file_sets_no_identity() {
    let tenants = Tenants::preloading("");
    let id = tenants.ours.id.to_string();
    let mut superuser = tenants.cluster.connect(DATABASE, "postgres");
    let file = tenants.cluster.file("data/postgresql.auto.conf");
    let before = std::fs::read_to_string(&file).expect("a file of the cluster");
    std::fs::write(&file, format!("{before}token_auth.identity = '{id}'\n")).expect("a file of the cluster");
    superuser.run("SELECT pg_reload_conf()", &[]);
    wait_until("the line to be read", seconds(10), || {
        tenants.session().get::<Option<String>>(SHOW, &[]).as_deref() == Some(&*id)
    });
    assert_not_believed(&tenants, &mut tenants.session(), "a new session");
    assert_not_believed(&tenants, &mut superuser, "a session that was there");
    std::fs::write(&file, before).expect("a file of the cluster");
    superuser.run("SELECT pg_reload_conf()", &[]);
}
