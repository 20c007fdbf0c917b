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

/// Somebody who may create roles makes one before the first CREATE EXTENSION, with code of it that he can call.
#[test]
fn create_extension_refuses_roles_that_own_objects_of_this_database() {
    let cluster = Cluster::builder().start();
    for name in ["app", "other"] {
        cluster.create_database(name);
    }
    cluster
        .connect("app", "postgres")
        .batch_execute("CREATE ROLE mallory LOGIN CREATEROLE; GRANT CREATE ON SCHEMA public TO mallory")
        .expect("a role");
    let mut db = cluster.connect("app", "postgres");
    for role in ["token_auth_owner", "token_auth_worker"] {
        for (make, what) in [
            (
                "CREATE FUNCTION public.steal() RETURNS void SECURITY DEFINER LANGUAGE sql AS ''",
                "function public.steal() of its own",
            ),
            ("CREATE TABLE public.his ()", "table public.his of its own"),
            ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO mallory", "default privileges on new relations"),
        ] {
            let mut mallory = cluster.connect("app", "mallory");
            mallory.run(&format!("CREATE ROLE {role}"), &[]);
            // On 15 membership is not his by itself. From 16 on he gives himself more than ADMIN.
            mallory.run(&format!("GRANT {role} TO mallory"), &[]);
            db.run(&format!("GRANT CREATE ON SCHEMA public TO {role}"), &[]);
            mallory.batch_execute(&format!("SET ROLE {role}; {make}; RESET ROLE")).expect("an object of the role");
            db.run(&format!("REVOKE CREATE ON SCHEMA public FROM {role}"), &[]);
            let members = "SELECT format('REVOKE %I FROM mallory GRANTED BY %I', roleid::regrole, grantor::regrole)
                             FROM pg_auth_members WHERE member = 'mallory'::regrole ORDER BY grantor DESC";
            for revoke in db.list::<String>(members, &[]) {
                db.run(&revoke, &[]);
            }
            let refusal = db.refused("CREATE EXTENSION token_auth", &[]);
            assert_eq!(refusal.code, "55000", "{make}");
            assert!(refusal.message.contains(role) && refusal.message.contains(what), "{refusal:?}");
            assert!(refusal.hint.contains("DROP OWNED BY"), "{refusal:?}");
            // What is in another database harms nobody here.
            cluster
                .connect("other", "postgres")
                .batch_execute("CREATE EXTENSION token_auth; DROP EXTENSION token_auth")
                .expect("there");
            db.run(&format!("DROP OWNED BY {role}"), &[]);
            db.batch_execute("CREATE EXTENSION token_auth; DROP EXTENSION token_auth").expect("no object is left");
            db.run("DROP ROLE token_auth_owner, token_auth_worker", &[]);
        }
    }
    // A later one is reported.
    db.run("CREATE EXTENSION token_auth", &[]);
    db.batch_execute("CREATE TABLE public.later (); ALTER TABLE public.later OWNER TO token_auth_owner")
        .expect("a table");
    assert_eq!(unwell(&mut db)[0].1, "token_auth_owner has table public.later of its own");
}

/// CREATE ROLE takes no lock that others wait for, and a role that another transaction has made and not committed is waited for.
#[test]
fn create_extension_waits_for_no_other_change_of_roles() {
    let cluster = Cluster::builder().start();
    for name in ["one", "two"] {
        cluster.create_database(name);
    }
    let mut one = cluster.connect("one", "postgres");
    let mut other = cluster.connect("one", "postgres");
    let mut open = one.transaction().expect("a transaction");
    open.run("CREATE EXTENSION token_auth", &[]);
    other.run("SET statement_timeout = '5s'", &[]);
    other
        .batch_execute("CREATE ROLE somebody; ALTER ROLE somebody LOGIN; DROP ROLE somebody")
        .expect("no lock on all roles");
    std::thread::scope(|threads| {
        let second = threads.spawn(|| cluster.connect("two", "postgres").run("CREATE EXTENSION token_auth", &[]));
        wait_until("the second to wait for the first", SOON, || {
            other.get::<i64>(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = 'two' AND wait_event_type = 'Lock'",
                &[],
            ) == 1
        });
        open.commit().expect("the first commits");
        second.join().expect("the second goes on");
    });
    cluster.connect("two", "postgres").account("acme");
}

#[test]
fn default_privileges_give_nothing_on_the_objects_of_the_extension() {
    let cluster = Cluster::builder().start();
    cluster.create_database("app");
    let mut db = cluster.connect("app", "postgres");
    db.batch_execute(
        "CREATE ROLE reporting LOGIN;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reporting WITH GRANT OPTION;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO reporting, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO reporting;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO reporting, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO reporting;
         CREATE TABLE public.by_default ();
         CREATE EXTENSION token_auth",
    )
    .expect("an installation");
    assert!(db.get::<bool>("SELECT has_table_privilege('reporting', 'public.by_default', 'DELETE')", &[]));
    let has: Vec<String> = db.list(
        "SELECT kind || ' ' || name
           FROM (SELECT 'relation', relname::text, relacl FROM pg_class WHERE relnamespace = 'token_auth'::regnamespace
                 UNION ALL
                 SELECT 'function', oid::regprocedure::text, proacl FROM pg_proc WHERE pronamespace = 'token_auth'::regnamespace
                 UNION ALL
                 SELECT 'type', typname::text, typacl FROM pg_type WHERE typnamespace = 'token_auth'::regnamespace
                 UNION ALL
                 SELECT 'schema', nspname::text, nspacl FROM pg_namespace WHERE nspname = 'token_auth') all_objects (kind, name, acl)
          WHERE EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 'reporting'::regrole)
             OR kind = 'schema' AND EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 0 AND privilege_type = 'CREATE')
             OR kind = 'relation' AND EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 0)",
        &[],
    );
    assert_eq!(has, Vec::<String>::new());
    assert_eq!(cluster.connect("app", "reporting").refused("SELECT FROM token_auth.tokens", &[]).code, "42501");
}

#[test]
fn the_creators_settings_do_not_decide_how_tables_are_stored() {
    let cluster = Cluster::builder().start();
    cluster.create_database("app");
    let mut db = cluster.connect("app", "postgres");
    db.run("SET allow_in_place_tablespaces = on", &[]);
    db.run("CREATE TABLESPACE slow LOCATION ''", &[]);
    db.batch_execute("CREATE ACCESS METHOD own_heap TYPE TABLE HANDLER heap_tableam_handler").expect("a method");
    db.batch_execute(
        "SET default_tablespace = slow; SET default_table_access_method = own_heap; CREATE EXTENSION token_auth",
    )
    .expect("as usual");
    let elsewhere: Vec<String> = db.list(
        "SELECT c.oid::regclass::text FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam
          WHERE relnamespace = 'token_auth'::regnamespace AND (reltablespace <> 0 OR relkind = 'r' AND amname <> 'heap')",
        &[],
    );
    assert_eq!(elsewhere, Vec::<String>::new());
    assert_eq!(db.get::<String>("SHOW default_tablespace", &[]), "slow");
}

#[test]
fn health_reports_triggers_that_are_not_enabled_as_they_were_and_its_statements_repair_them() {
    let cluster = swept_every("1s").start();
    let mut db = cluster.create_database_with_token_auth("app");
    wait_until("the launcher", SOON, || launcher(&cluster).is_some());
    let states = "SELECT string_agg(tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text, E'\n' ORDER BY tgrelid, tgname)
                    FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
                   WHERE relnamespace = 'token_auth'::regnamespace";
    let before: String = db.get(states, &[]);
    for table in ["token", "token_access", "account", "domain", "profile", "profile_resource"] {
        for change in ["ENABLE TRIGGER ALL", "DISABLE TRIGGER USER", "DISABLE TRIGGER ALL"] {
            db.run(&format!("ALTER TABLE token_auth.{table} {change}"), &[]);
            let unwell = unwell(&mut db);
            let [(name, detail, hint)] = unwell.as_slice() else { panic!("{table} {change}: {unwell:?}") };
            assert_eq!(name, "trigger_states");
            assert!(hint.contains("pg_restore --disable-triggers"), "{hint}");
            let (_, repair) = detail.split_once("this repairs it: ").expect("the statements");
            db.batch_execute(repair).expect("the statements of health()");
            assert_eq!(db.get::<String>(states, &[]), before, "{table} {change}");
        }
    }
    assert_eq!(unwell(&mut db), []);
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
    assert_eq!(
        names,
        ["preloaded", "worker", "owner_role", "worker_role", "owner", "triggers", "trigger_states", "foreign_keys"]
    );

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

/// Whoever may grant some role could otherwise stop the sweep of every database.
#[test]
fn a_worker_whose_role_is_granted_another_goes_on_and_health_reports_it() {
    let cluster = swept_every("1s").start();
    let (mut db, account) = cluster::database_to_sweep(&cluster, "app");
    db.batch_execute("CREATE ROLE team; CREATE ROLE lead LOGIN; GRANT team TO lead WITH ADMIN OPTION").expect("roles");
    cluster.connect("app", "lead").run("GRANT team TO token_auth_worker", &[]);
    db.expired_tokens(account, 3);
    wait_until("the sweep", SOON, || db.token_count() == 0);
    assert_eq!(unwell(&mut db)[0].1, "token_auth_worker has membership in team");
    // A superuser's rights would be those of everybody's triggers.
    db.batch_execute("CREATE ROLE boss SUPERUSER; GRANT boss TO token_auth_worker").expect("a mistake");
    db.expired_tokens(account, 3);
    wait_until("a warning", SOON, || {
        !cluster.log().lines_with("the role token_auth_worker is missing, or has rights").is_empty()
    });
    assert_eq!(db.token_count(), 3);
    db.run("REVOKE boss FROM token_auth_worker", &[]);
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
