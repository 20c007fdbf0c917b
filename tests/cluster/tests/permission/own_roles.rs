//! The roles of the extension: created if they do not exist, refused if they have more privileges, and what `health()` reports about
//! them and of the rest.

use cluster::{Client, Cluster, Sql, TokenAuth, launcher, swept_every, wait_until};
use std::time::Duration;

const SOON: Duration = cluster::seconds(30);

/// Returns the failed checks: name, detail and hint.
fn unwell(db: &mut Client) -> Vec<(String, String, String)> {
    let rows = db.rows("SELECT name, detail, hint FROM token_auth.health() WHERE NOT ok ORDER BY name", &[]);
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[test]
fn create_extension_refuses_roles_with_attributes_or_memberships() {
    let cluster = Cluster::builder().start();
    cluster.create_database("app");
    let mut db = cluster.connect("app", "postgres");
    db.batch_execute("CREATE ROLE other; CREATE ROLE token_auth_owner; CREATE ROLE token_auth_worker").expect("roles");
    for role in ["token_auth_owner", "token_auth_worker"] {
        for (give, what, take) in [
            ("ALTER ROLE {} SUPERUSER", "SUPERUSER", "ALTER ROLE {} NOSUPERUSER"),
            ("ALTER ROLE {} CREATEROLE", "CREATEROLE", "ALTER ROLE {} NOCREATEROLE"),
            ("ALTER ROLE {} CREATEDB", "CREATEDB", "ALTER ROLE {} NOCREATEDB"),
            ("ALTER ROLE {} LOGIN", "LOGIN", "ALTER ROLE {} NOLOGIN"),
            ("ALTER ROLE {} REPLICATION", "REPLICATION", "ALTER ROLE {} NOREPLICATION"),
            ("ALTER ROLE {} BYPASSRLS", "BYPASSRLS", "ALTER ROLE {} NOBYPASSRLS"),
            ("GRANT other TO {}", "membership in other", "REVOKE other FROM {}"),
            ("GRANT {} TO other", "the member other", "REVOKE {} FROM other"),
            ("GRANT {} TO other WITH ADMIN OPTION", "the member other", "REVOKE {} FROM other"),
            ("GRANT pg_read_all_data TO {}", "membership in pg_read_all_data", "REVOKE pg_read_all_data FROM {}"),
        ] {
            db.run(&give.replace("{}", role), &[]);
            let refusal = db.refused("CREATE EXTENSION token_auth", &[]);
            assert_eq!(refusal.code, "55000", "{give}");
            assert!(refusal.message.contains(role) && refusal.message.contains(what), "{refusal:?}");
            assert!(refusal.hint.contains("ALTER ROLE"), "{refusal:?}");
            db.run(&take.replace("{}", role), &[]);
        }
    }
    db.run("CREATE EXTENSION token_auth", &[]);
    // A later grant is reported.
    db.run("GRANT token_auth_owner TO other", &[]);
    db.run("ALTER ROLE token_auth_worker CREATEDB", &[]);
    let unwell = unwell(&mut db);
    let details: Vec<&str> = unwell.iter().map(|(_, detail, _)| detail.as_str()).collect();
    assert!(details.contains(&"token_auth_owner has the member other"), "{details:?}");
    assert!(details.contains(&"token_auth_worker has CREATEDB"), "{details:?}");
}

#[test]
fn two_databases_get_the_extension_at_once() {
    let cluster = Cluster::builder().start();
    let databases = ["one", "two", "three", "four"];
    databases.iter().for_each(|name| cluster.create_database(name));
    std::thread::scope(|threads| {
        for name in databases {
            let cluster = &cluster;
            threads.spawn(move || cluster.connect(name, "postgres").run("CREATE EXTENSION token_auth", &[]));
        }
    });
    let mut db = cluster.connect("one", "postgres");
    assert_eq!(db.get::<i64>("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token_auth%'", &[]), 2);
    for name in databases {
        let mut db = cluster.connect(name, "postgres");
        db.account("acme");
    }
}

#[test]
fn health_reports_nothing_on_a_preloaded_primary_and_its_standby() {
    let cluster = swept_every("1s").start();
    let mut db = cluster.create_database_with_token_auth("app");
    wait_until("the launcher", SOON, || launcher(&cluster).is_some());
    assert_eq!(unwell(&mut db), []);
    let names: Vec<String> = db.list("SELECT name FROM token_auth.health()", &[]);
    assert_eq!(names, ["preloaded", "worker", "owner_role", "worker_role", "owner", "triggers", "foreign_keys"]);

    let standby = Cluster::builder().preload("token_auth").start_standby_of(&cluster);
    let mut there = standby.connect("app", "postgres");
    assert_eq!(unwell(&mut there), []);
    let detail: String = there.get("SELECT detail FROM token_auth.health() WHERE name = 'worker'", &[]);
    assert!(detail.contains("standby"), "{detail}");
}

#[test]
fn health_reports_a_library_that_is_not_preloaded() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.create_database_with_token_auth("app");
    let names: Vec<String> = unwell(&mut db).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["preloaded", "worker"]);
}

/// PostgreSQL's own launcher of logical replication takes the only place.
#[test]
fn health_and_a_warning_report_that_no_launcher_can_run() {
    let cluster = Cluster::builder().preload("token_auth").setting("max_worker_processes", "1").start();
    cluster.create_database("app");
    let (mut db, heard) = cluster.connect_listening("app", "postgres");
    db.run("CREATE EXTENSION token_auth", &[]);
    let heard = heard.lock().expect("no listener panics").join("\n");
    assert!(heard.contains("WARNING") && heard.contains("max_worker_processes, which is 1"), "{heard}");
    let unwell = unwell(&mut db);
    assert_eq!(unwell.len(), 1, "{unwell:?}");
    assert!(unwell[0].0 == "worker" && unwell[0].2.contains("max_worker_processes"), "{unwell:?}");
}

#[test]
fn tables_of_a_superuser_are_refused_and_reported() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    let token = db.account_token(account, "kept", &["*"]);
    db.run("ALTER TABLE token_auth.token OWNER TO postgres", &[]);
    let refusal = db.refused("SELECT token_auth.delete_token($1)", &[&token.id]);
    assert_eq!(refusal.code, "55000");
    assert!(refusal.message.contains("superuser") && refusal.hint.contains("OWNER TO token_auth_owner"), "{refusal:?}");
    // Verification runs no other code, and continues.
    assert!(db.is_good(&token.secret));
    assert_eq!(unwell(&mut db)[0].1, "token_auth.token of postgres, token_auth.token_id_seq of postgres");
    db.run("ALTER TABLE token_auth.token OWNER TO token_auth_owner", &[]);
    db.run("SELECT token_auth.delete_token($1)", &[&token.id]);
}

#[test]
fn a_worker_without_its_role_warns_and_removes_nothing() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = cluster::database_to_sweep(&cluster, "app");
    db.run("ALTER ROLE token_auth_worker SUPERUSER", &[]);
    db.expired_tokens(account, 3);
    wait_until("a warning", SOON, || {
        !cluster.log().lines_with("the role token_auth_worker is missing, or has rights").is_empty()
    });
    assert_eq!(db.token_count(), 3);
    db.run("ALTER ROLE token_auth_worker NOSUPERUSER", &[]);
    wait_until("the sweep", SOON, || db.token_count() == 0);
}

#[test]
fn the_schema_may_be_closed_to_public() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = cluster::database_to_sweep(&cluster, "app");
    db.batch_execute(
        "REVOKE USAGE ON SCHEMA token_auth FROM PUBLIC;
         CREATE ROLE manager LOGIN;
         GRANT USAGE ON SCHEMA token_auth TO manager;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA token_auth TO manager",
    )
    .expect("a role");
    let mut manager = cluster.connect("app", "manager");
    let token = manager.account_token(account, "made", &["*"]);
    assert!(manager.is_good(&token.secret));
    manager.run("SELECT token_auth.delete_token($1)", &[&token.id]);
    db.expired_tokens(account, 3);
    wait_until("the sweep", SOON, || db.token_count() == 0);
}

#[test]
fn the_roles_can_be_dropped_after_the_last_extension() {
    let cluster = Cluster::builder().start();
    let mut one = cluster.create_database_with_token_auth("one");
    let mut two = cluster.create_database_with_token_auth("two");
    one.run("DROP EXTENSION token_auth", &[]);
    // Another database uses them.
    assert_eq!(one.refused("DROP ROLE token_auth_owner", &[]).code, "2BP01");
    two.account("acme");
    two.run("DROP EXTENSION token_auth", &[]);
    one.run("DROP ROLE token_auth_owner, token_auth_worker", &[]);
    one.run("CREATE EXTENSION token_auth", &[]);
    one.account("acme");
}
