//! How often a policy calls its functions: once or for each row, as documented, and also in parallel plans.

use cluster::{Client, Cluster, Sql, TokenAuth, plan_in_current_words};

const ROWS: i64 = 20_000;

#[test]
fn each_form_of_policy_calls_its_functions_as_often_as_documented() {
    let (_cluster, mut db, secret) = start();
    // The planner calls it once more, for an estimate.
    assert!((1..=3).contains(&asked(
        &mut db,
        &secret,
        "by_domain",
        "allowed_domains",
        "SET LOCAL enable_seqscan = off"
    )));
    assert_eq!(asked(&mut db, &secret, "by_account", "current_account_id", ""), 1);
    assert_eq!(asked(&mut db, &secret, "by_row", "allows", ""), ROWS);
}

#[test]
fn policies_run_in_parallel_plans_with_the_same_results() {
    let (_cluster, mut db, secret) = start();
    let settings = "SET LOCAL max_parallel_workers_per_gather = 2; SET LOCAL parallel_setup_cost = 0;
                    SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0";
    for (table, filter) in [("by_account", "account_id = (InitPlan 1).col1"), ("by_row", "token_auth.allows(")] {
        let count = format!("SELECT count(*) FROM app.{table}");
        let mut work = db.transaction().expect("it begins");
        work.batch_execute(settings).expect("settings");
        work.run("SELECT token_auth.authenticate($1)", &[&secret]);
        work.batch_execute("SET LOCAL ROLE reader").expect("a role");
        let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {count}");
        let plan = plan_in_current_words(&work.list::<String>(&explain, &[]).join("\n"));
        assert!(plan.contains("Workers Launched: 2") && plan.contains(filter), "{plan}");
        if table == "by_account" {
            let once = plan.lines().skip_while(|line| !line.contains("InitPlan 1")).nth(1);
            assert!(once.is_some_and(|line| line.contains("loops=1)")), "{plan}");
        }
        let seen: i64 = work.get(&count, &[]);
        work.batch_execute("SET LOCAL max_parallel_workers_per_gather = 0").expect("a setting");
        assert_eq!(seen, work.get::<i64>(&count, &[]), "{plan}");
        assert!(seen > 0 && seen < ROWS, "{seen}");
    }
}

/// Returns the number of calls of a function by a query with a policy.
fn asked(db: &mut Client, secret: &str, table: &str, function: &str, settings: &str) -> i64 {
    let mut work = db.transaction().expect("it begins");
    work.run("SELECT token_auth.authenticate($1)", &[&secret]);
    work.batch_execute(&format!(
        "SET LOCAL track_functions = 'all'; SET LOCAL max_parallel_workers_per_gather = 0; {settings}"
    ))
    .expect("settings");
    let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_xact_user_functions WHERE funcname = $1";
    let before: i64 = work.get(calls, &[&function]);
    work.batch_execute(&format!("SET LOCAL ROLE reader; SELECT count(*) FROM app.{table}; RESET ROLE"))
        .expect("a query");
    work.get::<i64>(calls, &[&function]) - before
}

/// Creates a table for each form of policy, and returns the secret of a token that sees a tenth of the rows.
fn start() -> (Cluster, Client, String) {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    db.domain(account, "domain-1.example");
    let secret = db.token(account, "reader", &["email:read"], "domain-1.example").secret;
    db.batch_execute("CREATE ROLE reader; CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO reader").expect("a schema");
    for (table, policy) in [
        ("by_domain", "domain = ANY (token_auth.allowed_domains('email:read'))"),
        ("by_account", "account_id = (SELECT token_auth.current_account_id())"),
        ("by_row", "token_auth.allows('email:read', domain)"),
    ] {
        db.batch_execute(&format!(
            "CREATE TABLE app.{table} AS
             SELECT nr % 10 + {account} AS account_id, 'domain-' || nr % 10 || '.example' AS domain
               FROM generate_series(1, {ROWS}) AS nr;
             CREATE INDEX ON app.{table} (domain);
             ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY;
             CREATE POLICY {table} ON app.{table} USING ({policy});
             GRANT SELECT ON app.{table} TO reader;
             ANALYZE app.{table}"
        ))
        .expect("a table with a policy");
    }
    (cluster, db, secret)
}
