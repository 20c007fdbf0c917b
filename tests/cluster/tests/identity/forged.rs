//! The identity cannot be forged: only `authenticate` sets it, for roles with EXECUTE, and an error leaves no permission behind.

use cluster::scene::tenants::{DATABASE, HOLDERS, MESSAGES, POLICY, SETTERS, Tenants, authenticate, who};
use cluster::{Client, NewToken, Sql, refusal, seconds, wait_until};
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
};

/// Ways to set a setting that every role has. `$id` is the token to be forged.
const WAYS: [&str; 18] = [
    "SET token_auth.identity = '$id'",
    "SET SESSION token_auth.identity = '$id'",
    "SET LOCAL token_auth.identity = '$id'",
    "SET Token_Auth.IDENTITY TO $id",
    "SET LOCAL token_auth.identity = ' $id'",
    "SELECT set_config('token_auth.identity', '$id', true)",
    "SELECT set_config('token_auth.identity', '$id', false)",
    "SELECT set_config('TOKEN_AUTH.identity', '+$id', true)",
    "UPDATE pg_settings SET setting = '$id' WHERE name = 'token_auth.identity'",
    "DO $$ BEGIN PERFORM set_config('token_auth.identity', '$id', true); END $$",
    "DO $$ BEGIN SET LOCAL token_auth.identity = '$id'; END $$",
    "ALTER ROLE $role SET token_auth.identity = '$id'",
    "ALTER ROLE $role IN DATABASE app SET token_auth.identity = '$id'",
    "ALTER ROLE $role SET token_auth.identity FROM CURRENT",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET token_auth.identity = '$id' RETURN 1",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET token_auth.identity FROM CURRENT RETURN 1",
    "CREATE PROCEDURE pg_temp.p() LANGUAGE sql SET token_auth.identity TO '$id' AS 'SELECT 1'",
    "ALTER FUNCTION pg_temp.ready() SET token_auth.identity FROM CURRENT",
];
/// More ways that superusers have.
const WAYS_OF_SUPERUSERS: [&str; 4] = [
    "ALTER ROLE ALL SET token_auth.identity = '$id'",
    "ALTER DATABASE app SET token_auth.identity = '$id'",
    "ALTER DATABASE app SET token_auth.identity FROM CURRENT",
    "ALTER ROLE $role IN DATABASE app SET token_auth.identity FROM CURRENT",
];

#[test]
fn identity_guc_cannot_be_set_even_by_superuser() {
    let tenants = Tenants::preloading("token_auth");
    for role in [&*tenants.role, "postgres"] {
        let mut session = tenants.cluster.connect(DATABASE, role);
        session.run("CREATE FUNCTION pg_temp.ready() RETURNS int LANGUAGE sql RETURN 1", &[]);
        let more = if role == "postgres" { &WAYS_OF_SUPERUSERS[..] } else { &[] };
        for way in WAYS.iter().chain(more) {
            let way = way.replace("$role", role);
            // Neither without an identity, nor to the same one, nor to another one.
            for (acting, wanted) in
                [(None, &tenants.ours), (Some(&tenants.ours), &tenants.ours), (Some(&tenants.ours), &tenants.theirs)]
            {
                if acting.is_none() && way.contains("FROM CURRENT") {
                    continue;
                }
                attempt(&mut session, &way.replace("$id", &wanted.id.to_string()), acting, role);
            }
        }
        tenants.assert_nobody(&mut tenants.session(), "a new session after all that");
    }
}

/// A way is refused, and the identity does not change.
fn attempt(session: &mut Client, way: &str, acting: Option<&NewToken>, role: &str) {
    let mut work = session.transaction().expect("a transaction begins");
    if let Some(token) = acting {
        authenticate(&mut work, token);
    }
    let refusal = refusal(
        &work.savepoint("attempt").expect("a savepoint").batch_execute(way).expect_err(&format!("{role}: {way}")),
    );
    assert_eq!(refusal.code, "42501", "{role}: {way}: {refusal:?}");
    assert_eq!(who(&mut work), acting.map(|token| token.id), "{role}: {way}");
    drop(work);
    // A value that authenticate has set cannot be set again.
    assert_eq!(who(session), None, "{role}: {way}");
    if let Some(token) = acting {
        let again = format!("SET token_auth.identity = '{}'", token.id);
        assert_eq!(session.refused(&again, &[]).code, "42501", "{role}: after {way}");
    }
}

#[test]
fn a_grant_of_the_parameter_does_not_allow_to_set_it() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = &tenants.role;
    tenants.superuser.run(&format!("GRANT {SETTERS} TO {role}"), &[]);
    let mut session = tenants.session();
    for value in [tenants.ours.id.to_string(), "0".into(), "nobody".into(), " ".into()] {
        let refusal = session.refused(&format!("SET token_auth.identity = '{value}'"), &[]);
        assert_eq!(refusal.code, "42501", "{value}: {refusal:?}");
        let refusal = session.refused(&format!("ALTER SYSTEM SET token_auth.identity = '{value}'"), &[]);
        assert!(["42501", "55P02"].contains(&&*refusal.code), "{value}: {refusal:?}");
    }
    session.run("SET token_auth.identity = ''", &[]);
    tenants.assert_nobody(&mut session, "empty is nobody");
    let mut work = session.transaction().expect("a transaction begins");
    authenticate(&mut work, &tenants.ours);
    work.run("SET LOCAL token_auth.identity = ''", &[]);
    tenants.assert_nobody(&mut work, "empty is nobody");
}

#[test]
fn authenticate_needs_execute() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = &tenants.role;
    tenants.superuser.run(&format!("REVOKE {HOLDERS} FROM {role}"), &[]);
    let mut session = tenants.session();
    session
        .batch_execute(&format!(
            "CREATE FUNCTION {role}.mine(secret text) RETURNS token_auth.verification LANGUAGE sql
             RETURN token_auth.authenticate(secret)"
        ))
        .expect("a function of one's own");
    for call in ["token_auth.authenticate", &format!("{role}.mine")] {
        let refusal = session.refused(&format!("SELECT {call}($1)"), &[&tenants.ours.secret]);
        assert_eq!(refusal.code, "42501", "{call}: {refusal:?}");
    }
    // Nor can it create a function on the library, which takes a superuser.
    let library = session.refused(
        &format!(
            "CREATE FUNCTION {role}.stolen(text) RETURNS token_auth.verification LANGUAGE c
                  AS '$libdir/token_auth', 'authenticate_wrapper'"
        ),
        &[],
    );
    assert_eq!(library.code, "42501", "{library:?}");
    tenants.assert_nobody(&mut session, "nothing was called");
}

#[test]
fn neither_a_startup_packet_nor_pgoptions_sets_the_identity() {
    let tenants = Tenants::preloading("token_auth");
    let (role, id) = (&*tenants.role, tenants.ours.id);
    for role in [role, "postgres"] {
        for options in [format!("-c token_auth.identity={id}"), format!("--token_auth.identity={id}")] {
            let refused = tenants.cluster.try_connect_with_options(DATABASE, role, &options);
            let Err(refused) = refused.map(|_| ()) else { panic!("{role}: {options} is let in") };
            assert_eq!(refusal(&refused).code, "42501", "{role}: {options}");
        }
        let answer = start_session(&tenants, role, &[("token_auth.identity", &id.to_string())]);
        assert!(answer.contains("C42501\0") && !answer.contains(READY), "{role}: {answer}");
        assert!(start_session(&tenants, role, &[("application_name", "x")]).contains(READY), "{role} is let in else");
    }
}

/// ReadyForQuery, outside a transaction.
const READY: &str = "Z\0\0\0\x05I";

/// Returns the answer to a startup packet, until the server is ready or closes the connection.
fn start_session(tenants: &Tenants, role: &str, settings: &[(&str, &str)]) -> String {
    let mut packet = 196_608_i32.to_be_bytes().to_vec();
    for (name, value) in [("user", role), ("database", DATABASE)].iter().chain(settings) {
        packet.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    packet.push(0);
    let length = i32::try_from(packet.len() + 4).expect("a short packet").to_be_bytes();
    let mut socket = UnixStream::connect(tenants.cluster.file(".s.PGSQL.5432")).expect("the server listens");
    socket.write_all(&[&length[..], &packet].concat()).expect("the packet is sent");
    let (mut answer, mut part) = (String::new(), [0; 1024]);
    while !answer.ends_with(READY) {
        let count = socket.read(&mut part).expect("the server answers");
        if count == 0 {
            break;
        }
        answer += &String::from_utf8_lossy(&part[..count]);
    }
    answer
}

#[test]
fn a_line_in_a_configuration_file_sets_no_identity() {
    let mut tenants = Tenants::preloading("token_auth");
    let id = tenants.ours.id.to_string();
    let refusal = tenants.superuser.refused(&format!("ALTER SYSTEM SET token_auth.identity = '{id}'"), &[]);
    assert!(["42501", "55P02"].contains(&&*refusal.code), "{refusal:?}");

    let mut session = tenants.session();
    let file = tenants.cluster.file("data/postgresql.auto.conf");
    let before = std::fs::read_to_string(&file).expect("a file of the cluster");
    std::fs::write(&file, format!("{before}token_auth.identity = '{id}'\n")).expect("a file of the cluster");
    tenants.superuser.run("SELECT pg_reload_conf()", &[]);
    wait_until("the line to be refused", seconds(10), || {
        !tenants.cluster.log().lines_with("token_auth.identity\" cannot be").is_empty()
            || !tenants.cluster.log().lines_with("token_auth.identity cannot be set").is_empty()
    });
    tenants.assert_nobody(&mut session, "a session that was there");
    tenants.assert_nobody(&mut tenants.session(), "a new session");
    std::fs::write(&file, before).expect("a file of the cluster");
    tenants.superuser.run("SELECT pg_reload_conf()", &[]);
}

#[test]
fn roles_and_session_authorizations_set_no_identity() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = tenants.role.clone();
    tenants
        .superuser
        .batch_execute(&format!("CREATE ROLE {role}_friend; GRANT {role}_friend TO {role}"))
        .expect("roles");
    let mut superuser = tenants.cluster.connect(DATABASE, "postgres");
    for change in [
        format!("SET ROLE {role}"),
        format!("SET SESSION AUTHORIZATION {role}"),
        format!("SET LOCAL ROLE {role}"),
        format!("SET LOCAL SESSION AUTHORIZATION {role}"),
    ] {
        superuser.batch_execute(&format!("BEGIN; {change}")).expect("a superuser becomes anybody");
        tenants.assert_nobody(&mut superuser, &change);
        let refused = superuser.refused(&format!("SET token_auth.identity = '{}'", tenants.ours.id), &[]);
        assert_eq!(refused.code, "42501", "{change}");
        superuser.batch_execute("ROLLBACK; RESET ROLE; RESET SESSION AUTHORIZATION").expect("back again");
    }
    // The transaction is authenticated, whichever role it has.
    let mut session = tenants.session();
    let mut work = session.transaction().expect("a transaction begins");
    authenticate(&mut work, &tenants.ours);
    for change in [&*format!("SET ROLE {role}_friend"), "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT"] {
        work.batch_execute(change).expect(change);
        assert_eq!(who(&mut work), Some(tenants.ours.id), "{change}");
    }
    work.commit().expect("it commits");
    tenants.assert_nobody(&mut session, "after COMMIT");
}

#[test]
fn an_error_in_parallel_mode_leaves_no_permission_standing() {
    let mut tenants = Tenants::preloading("token_auth");
    let role = tenants.role.clone();
    let mut session = tenants.session();
    // Otherwise the privilege on the parameter would hide the effect of the hook.
    tenants.superuser.run(&format!("GRANT {SETTERS} TO {role}"), &[]);
    // Declared PARALLEL SAFE falsely, so that it is called within a parallel query, by a worker or by the leader.
    session
        .batch_execute(&format!(
            "CREATE FUNCTION {role}.sly(secret text) RETURNS text LANGUAGE plpgsql PARALLEL SAFE
             AS $$ BEGIN RETURN (token_auth.authenticate(secret)).code; END $$;
             CREATE FUNCTION {role}.leave(i int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE
             AS $$ BEGIN PERFORM token_auth.deauthenticate(); RETURN i; END $$;
             CREATE TABLE {role}.many AS SELECT generate_series(1, 1000) AS i;
             SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
        ))
        .expect("functions of one's own");
    // Without workers the leader runs the parallel plan alone. Or it leaves the work to the workers.
    for leader in
        ["max_parallel_workers = 0", "parallel_leader_participation = off", "parallel_leader_participation = on"]
    {
        session.batch_execute(&format!("RESET max_parallel_workers; SET {leader}")).expect(leader);
        for acting in [false, true] {
            let mut work = session.transaction().expect("a transaction begins");
            if acting {
                authenticate(&mut work, &tenants.theirs);
            }
            let secret = &tenants.ours.secret;
            for query in [
                format!("SELECT count(*) FROM {role}.many WHERE {role}.sly('{secret}') <> i::text"),
                format!("SELECT count(*) FROM {role}.many WHERE {role}.leave(i) > 0"),
            ] {
                let plan: Vec<String> = work.list(&format!("EXPLAIN {query}"), &[]);
                assert!(plan.iter().any(|line| line.contains("Workers Planned")), "{plan:#?}");
                let refusal = work.savepoint("attempt").expect("a savepoint").refused(&query, &[]);
                assert_eq!(refusal.code, "25000", "{leader}: {refusal:?}");
                assert_eq!(who(&mut work), acting.then(|| tenants.theirs.id), "{leader}");
                for id in [tenants.ours.id, tenants.theirs.id] {
                    let forged = format!("SET token_auth.identity = '{id}'");
                    let refusal = work.savepoint("attempt").expect("a savepoint").refused(&forged, &[]);
                    assert_eq!(refusal.code, "42501", "{leader}: {refusal:?}");
                }
            }
        }
        tenants.assert_nobody(&mut session, leader);
    }
}

#[test]
fn a_timeout_or_cancel_leaves_no_identity() {
    let mut tenants = Tenants::preloading("token_auth");
    tenants.superuser.run(&format!("GRANT {SETTERS} TO {}", tenants.role), &[]);
    let mut session = tenants.session();
    let pid: i32 = session.get("SELECT pg_backend_pid()", &[]);
    for cancel in [false, true] {
        // It waits for the lock while it reads.
        let mut lock = tenants.superuser.transaction().expect("a transaction begins");
        lock.run("LOCK TABLE token_auth.token", &[]);
        let timeout = if cancel { "0" } else { "100ms" };
        session
            .batch_execute(&format!("BEGIN; SET LOCAL statement_timeout = '{timeout}'; SAVEPOINT before"))
            .expect("ready");
        let refusal = std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| session.refused("SELECT token_auth.authenticate($1)", &[&tenants.ours.secret]));
            if cancel {
                let is_waiting = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
                wait_until("a wait for the lock", seconds(10), || {
                    lock.get::<Option<bool>>(is_waiting, &[&pid]) == Some(true)
                });
                lock.run("SELECT pg_cancel_backend($1)", &[&pid]);
            }
            waiting.join().expect("it ends")
        });
        assert_eq!(refusal.code, "57014", "{refusal:?}");
        lock.rollback().expect("it ends");
        session.batch_execute("ROLLBACK TO before; SET LOCAL statement_timeout = 0").expect("the savepoint is there");
        tenants.assert_nobody(&mut session, "after a timeout");
        assert_eq!(session.refused(&format!("SET token_auth.identity = '{}'", tenants.ours.id), &[]).code, "42501");
        session.run("ROLLBACK", &[]);
    }
}

#[test]
fn a_policy_lets_a_session_token_see_its_rows() {
    let mut tenants = Tenants::preloading("token_auth");
    let mut session = tenants.session();
    tenants.assert_nobody(&mut session, "before");
    let mut work = session.transaction().expect("a transaction begins");
    for token in [&tenants.ours, &tenants.theirs] {
        authenticate(&mut work, token);
        let seen = format!(
            "SELECT count(*), count(DISTINCT domain), count(*) FILTER (WHERE {POLICY}) FROM {}",
            tenants.messages
        );
        let row = work.row(&seen, &[]);
        assert_eq!((row.get(0), row.get(1), row.get(2)), (MESSAGES, 1_i64, MESSAGES), "token {}", token.id);
    }
    drop(work);
    tenants.superuser.run(&format!("DROP TABLE {}", tenants.messages), &[]);
}
