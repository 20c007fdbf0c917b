//! No input ends the server or makes a session ignore a cancellation: every argument that can be long is tried at its longest, by its type, so a
//! new function is tried, too.

use cluster::{Client, Cluster, Sql, TokenAuth};
use std::time::{Duration, Instant};

/// The length of a text: PostgreSQL accepts no value of more than a gigabyte.
const HUGE: &[(&str, &[&str])] = &[
    ("text", &["huge('a', 1000000000)", "huge('é' || ' ', 330000000)", "huge('a b' || ' ', 250000000)"]),
    ("bytea", &["convert_to(huge('a', 400000000), 'UTF8')"]),
    ("jsonb", &["jsonb_build_object('a', huge('x', 200000000))", "to_jsonb(huge_array(1, ARRAY[6000000]))"]),
    (
        "text[]",
        &[
            "ARRAY[huge('a', 300000000)]",
            "huge_array('email:send'::text, ARRAY[15000000])",
            "huge_array(NULL::text, ARRAY[100000000])",
        ],
    ),
    ("cidr[]", &["huge_array('192.0.2.0/24'::cidr, ARRAY[10000000])", "huge_array(NULL::cidr, ARRAY[100000000])"]),
];

/// A value for an argument that is not tried.
fn usual(argument_type: &str) -> &'static str {
    match argument_type {
        "bigint" => "1",
        "text" => "'x'",
        "text[]" => "'{email:send}'",
        "boolean" => "true",
        "jsonb" => "'{}'",
        "bytea" => "sha256('x')",
        "inet" => "'192.0.2.1'",
        "cidr[]" => "'{192.0.2.0/24}'",
        "interval" => "'1 hour'",
        "timestamp with time zone" => "NULL",
        other => panic!("what is a usual {other}?"),
    }
}

struct Call {
    function: String,
    sql: String,
    /// With the argument as $1, to be measured.
    measured: String,
    value: &'static str,
}

/// Each function with each of its long arguments.
fn calls(db: &mut Client) -> Vec<Call> {
    let functions = db.rows(
        "SELECT p.proname::text, array_agg(format_type(a.type, NULL) ORDER BY a.place)
           FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY a (type, place)
          WHERE p.pronamespace = 'token_auth'::regnamespace GROUP BY p.oid ORDER BY 1",
        &[],
    );
    let mut calls = Vec::new();
    for row in &functions {
        let (function, types): (String, Vec<String>) = (row.get(0), row.get(1));
        for (place, tried) in types.iter().enumerate() {
            let Some((_, values)) = HUGE.iter().find(|(name, _)| name == tried) else { continue };
            for value in *values {
                let with = |value: &str| {
                    let arguments: Vec<&str> = types
                        .iter()
                        .enumerate()
                        .map(|(at, kind)| if at == place { value } else { usual(kind) })
                        .collect();
                    format!("SELECT token_auth.{function}({})", arguments.join(", "))
                };
                calls.push(Call { function: function.clone(), sql: with(value), measured: with("$1"), value });
            }
        }
    }
    assert!(calls.len() > 60, "{} calls", calls.len());
    calls
}

fn scene(db: &mut Client) {
    // A constant would be computed and copied when the statement is planned, and would not reach the call.
    db.batch_execute(
        "CREATE FUNCTION huge(text, int) RETURNS text LANGUAGE internal VOLATILE STRICT AS 'repeat';
         CREATE FUNCTION huge_array(anyelement, int[]) RETURNS anyarray LANGUAGE internal VOLATILE AS 'array_fill'",
    )
    .expect("functions");
    let account = db.account("acme");
    let domain = db.domain(account, "mail.example");
    assert_eq!((account, domain.token.id), (1, 1));
}

/// Plain DML, and settings.
const STATEMENTS: [&str; 14] = [
    "INSERT INTO token_auth.profile (name) VALUES (huge('a', 1000000000))",
    "INSERT INTO token_auth.profile_resource VALUES ('default', huge('a', 1000000000), '{read}')",
    "INSERT INTO token_auth.profile_resource VALUES ('own', 'email', huge_array('a'::text, ARRAY[15000000]))",
    "INSERT INTO token_auth.profile_resource
     SELECT 'own', 'email', array_agg('a' || i) FROM generate_series(1, 2000000) i",
    "INSERT INTO token_auth.account (name) VALUES (huge('a', 1000000000))",
    "UPDATE token_auth.account SET name = huge('a', 1000000000)",
    "INSERT INTO token_auth.account_admin VALUES (1, huge('a', 1000000000))",
    "UPDATE token_auth.domain SET name = huge('a', 1000000000)",
    "UPDATE token_auth.token SET name = huge('a', 1000000000)",
    "UPDATE token_auth.token SET owner = huge('a', 1000000000)",
    "UPDATE token_auth.token SET networks = huge_array('192.0.2.0/24'::cidr, ARRAY[10000000])",
    "UPDATE token_auth.token_access SET scopes = huge_array('email:send'::text, ARRAY[15000000])",
    "SELECT set_config('token_auth.actor', huge('a', 1000000000), false)",
    "SELECT set_config('token_auth.identity', huge('a', 1000000000), false)",
];

#[test]
fn no_argument_of_a_gigabyte_stops_a_server_with_little_more() {
    let cluster = Cluster::builder().preload("token_auth").memory_limit(1_300_000).start();
    let mut db = cluster.create_database_with_token_auth("app");
    scene(&mut db);
    db.own_profile("own", "{}");
    let started: String = db.get("SELECT pg_postmaster_start_time()::text", &[]);
    let mut answered = 0;
    let statements = STATEMENTS.iter().map(|sql| sql.to_string());
    // One text is enough here; no_argument_delays_a_call() has all.
    let calls = calls(&mut db).into_iter().filter(|call| !call.value.contains("' "));
    for sql in calls.map(|call| call.sql).chain(statements) {
        // A result is as good as an error. A lost session is neither.
        match db.simple_query(&sql) {
            Ok(_) => answered += 1,
            Err(error) => {
                let refusal = cluster::refusal(&error);
                assert!(refusal.text().len() < 2_000, "{sql}: {} bytes", refusal.text().len());
                assert!(!["XX000", "57P02"].contains(&&*refusal.code), "{sql}: {refusal:?}");
            }
        }
        assert_eq!(db.get::<i32>("SELECT 1", &[]), 1, "{sql}");
    }
    assert!(answered > 10, "{answered} answers");
    // Triggers that a query sets off cannot end the server either.
    db.batch_execute(
        "CREATE TABLE loud (token_id bigint REFERENCES token_auth.token ON DELETE CASCADE);
         CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION '%', repeat('x', 300000000) USING DETAIL = repeat('y', 200000000); END $$;
         CREATE TRIGGER loud AFTER DELETE ON loud FOR EACH ROW EXECUTE FUNCTION loud()",
    )
    .expect("a table");
    let token = db.account_token(1, "loud", &["*"]);
    db.run("INSERT INTO loud VALUES ($1)", &[&token.id]);
    let refusal = db.refused("SELECT token_auth.delete_token($1)", &[&token.id]);
    assert!(["P0001", "53200"].contains(&&*refusal.code), "{refusal:?}");
    assert!(refusal.text().len() < 20_000);

    assert_eq!(db.get::<String>("SELECT pg_postmaster_start_time()::text", &[]), started);
    let log = cluster.log();
    assert_eq!(log.lines_with("was terminated by signal"), Vec::<&str>::new());
}

#[test]
fn no_argument_delays_a_call() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    scene(&mut db);
    // The value is computed first, and the call is measured without it.
    db.batch_execute(
        "CREATE FUNCTION measure(call text, value text, type text) RETURNS float8 LANGUAGE plpgsql AS $$
         DECLARE began timestamptz; took float8; best float8 := 1e9;
         BEGIN
             FOR time IN 1 .. 3 LOOP
                 EXECUTE format(
                     'DO $do$ DECLARE a %s := %s; began timestamptz := clock_timestamp();
                      BEGIN
                          BEGIN PERFORM %s; EXCEPTION WHEN OTHERS THEN NULL; END;
                          PERFORM set_config(''measured.took'', extract(epoch FROM clock_timestamp() - began)::text, false);
                      END $do$', type, value, call);
                 best := least(best, current_setting('measured.took')::float8);
                 EXIT WHEN best < 0.1;
             END LOOP;
             RETURN best;
         END $$",
    )
    .expect("a function");
    // A plan for this very value would copy it.
    db.run("SET plan_cache_mode = force_generic_plan", &[]);
    for call in calls(&mut db) {
        let (kind, _) = HUGE.iter().find(|(_, values)| values.contains(&call.value)).expect("a value of the list");
        // A tenth of the longest.
        let value = call.value.replace("000000)", "00000)").replace("000000]", "00000]");
        let body = call.measured.replace("SELECT ", "").replace("$1", "a");
        let took: f64 = db.get("SELECT measure($1, $2, $3)", &[&body, &value, &kind]);
        assert!(took < 0.1, "{} with {}: {took} s", call.function, call.value);
    }
}

/// A token with as much access as can be granted manages another one.
#[test]
fn much_access_is_compared_quickly_and_can_be_cancelled() {
    const DOMAINS: i32 = 3_000;
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.own_profile("managed", r#"{"tokens_manage_tokens": true, "creates_domain_token": false}"#);
    let account = db.account_under("acme", "managed");
    let manager = db.account_token(account, "manager", &["tokens:full"]);
    let managed = db.account_token(account, "managed", &["tokens:full"]);
    db.run(
        "WITH d AS (INSERT INTO token_auth.domain (account_id, name) SELECT $1, 'd' || i FROM generate_series(1, $2) i RETURNING id)
         INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes)
         SELECT $1, t, d.id, (SELECT array_agg('resource' || i || '.part:action' || i) FROM generate_series(1, 256) i)
           FROM d, unnest(ARRAY[$3, $4]::bigint[]) t",
        &[&account, &DOMAINS, &manager.id, &managed.id],
    );
    let mut session = cluster.connect("app", "postgres");
    let mut took = Duration::MAX;
    for _ in 0..3 {
        let mut work = session.transaction().expect("a transaction");
        assert_eq!(work.get::<String>("SELECT code FROM token_auth.authenticate($1)", &[&manager.secret]), "ok");
        let began = Instant::now();
        work.run("SELECT token_auth.rename_token($1, 'other')", &[&managed.id]);
        took = took.min(began.elapsed());
    }
    println!("access of {DOMAINS} domains with 256 scopes each, compared in {took:?}");
    // Most of it is reading 1.5 million scopes.
    assert!(took < Duration::from_millis(1500), "{took:?}");

    let mut work = session.transaction().expect("a transaction");
    work.run("SELECT code FROM token_auth.authenticate($1)", &[&manager.secret]);
    work.run("SET LOCAL statement_timeout = '50ms'", &[]);
    let began = Instant::now();
    assert_eq!(work.refused("SELECT token_auth.rename_token($1, 'other')", &[&managed.id]).code, "57014");
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
}

/// The planner looks at each call that creates something, and at the rest of the query for it.
#[test]
fn a_query_with_thousands_of_calls_can_be_cancelled_while_it_is_planned() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let explain = |calls: usize| {
        let row = "((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).token_id)";
        format!("EXPLAIN VALUES {}", vec![row; calls].join(", "))
    };
    db.batch_execute(&explain(500)).expect("a plan");
    db.batch_execute("SET statement_timeout = '1s'").expect("a setting");
    let began = Instant::now();
    let error = db.batch_execute(&explain(50_000)).expect_err("it takes longer");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
