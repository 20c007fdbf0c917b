//! Code of other roles never runs with the privileges of the extension, whatever is on a referring table, in a caller's
//! `search_path`, or granted to a role.

use cluster::scene::{AttackScene, Installer, TARGETS, Victim};
use cluster::{Client, Cluster, Sql, TokenAuth, swept_every};

/// The functions that delete an object or change a referenced key, each for a victim of its own.
type Call = (&'static str, fn(&mut Client, &Victim));

const CALLS: [Call; 7] = [
    ("delete_token", |caller, victim| {
        caller.run("SELECT token_auth.delete_token($1)", &[&victim.token.id]);
    }),
    ("revoke_access", |caller, victim| {
        caller.run("SELECT token_auth.revoke_access($1, all_domains => true)", &[&victim.token.id]);
    }),
    ("delete_domain", |caller, victim| {
        caller.run("SELECT token_auth.delete_domain($1)", &[&victim.domain.id]);
    }),
    ("rename_account", |caller, victim| {
        caller.run("SELECT token_auth.rename_account($1, 'renamed ' || $1::bigint)", &[&victim.account]);
    }),
    ("delete_account", |caller, victim| {
        let name: String =
            caller.get("SELECT name FROM token_auth.account WHERE id OPERATOR(pg_catalog.=) $1", &[&victim.account]);
        caller.run("SELECT token_auth.delete_account($1, $2)", &[&victim.account, &name]);
    }),
    ("reset, pause, resume, rename, expiry, metadata, access, admin, profile", |caller, victim| {
        let id = victim.token.id;
        for sql in [
            "SELECT token_auth.pause_token($1)",
            "SELECT token_auth.resume_token($1)",
            "SELECT token_auth.rename_token($1, 'other')",
            "SELECT token_auth.set_token_expiry($1, clock_timestamp() + interval '1 day')",
            "SELECT token_auth.set_token_metadata($1, '{\"a\": 1}')",
            "SELECT token_auth.grant_access($1, '{email:read}', all_domains => true)",
            "SELECT token_auth.reset_token($1, interval '0')",
        ] {
            caller.run(sql, &[&id]);
        }
        for sql in [
            "SELECT token_auth.add_account_admin($1, 'caller')",
            "SELECT token_auth.set_account_profile($1, 'default')",
            "SELECT token_auth.pause_account($1)",
            "SELECT token_auth.create_token($1, 'new', '{*}', all_domains => true)",
            "SELECT token_auth.create_domain($1, 'new.example')",
        ] {
            caller.run(sql, &[&victim.account]);
        }
    }),
    ("sweep", |caller, victim| {
        caller.run(
            "SELECT token_auth.create_token($1, 'brief', '{*}', all_domains => true,
                        expires_at => clock_timestamp() + interval '200 milliseconds')",
            &[&victim.account],
        );
        std::thread::sleep(std::time::Duration::from_millis(250));
        caller.run("SELECT token_auth.sweep()", &[]);
    }),
];

const ACTIONS: [&str; 3] = [
    "ON DELETE CASCADE ON UPDATE CASCADE",
    "ON DELETE SET NULL ON UPDATE SET NULL",
    "ON DELETE SET DEFAULT ON UPDATE SET DEFAULT",
];

/// Creates a scene with a referring table for each key and each foreign-key action, and two rows for each victim.
fn scene_with_tables(builder: cluster::Builder, installer: Installer) -> (AttackScene, Vec<(String, usize)>) {
    let mut scene = AttackScene::start_installed_by(builder, installer);
    scene.db.own_profile("brief", r#"{"expired_retention": "0", "keeps_last_token": false, "can_reveal": true}"#);
    let mut tables = Vec::new();
    for (place, (target, columns, keys)) in TARGETS.iter().enumerate() {
        for (number, action) in ACTIONS.iter().enumerate() {
            let name = format!("t{place}_{number}");
            scene.attack_table(&name, columns, target, keys, action);
            tables.push((name, place));
        }
    }
    (scene, tables)
}

fn fill(scene: &mut AttackScene, tables: &[(String, usize)]) {
    for (name, place) in tables {
        scene.fill(name, TARGETS[*place].0, TARGETS[*place].2);
    }
}

#[test]
fn triggers_of_referring_tables_run_as_their_owner_or_the_caller() {
    referring_tables_are_harmless(Installer::Superuser);
}

#[test]
fn a_database_owner_who_created_the_extension_gains_nothing_by_referring_tables() {
    referring_tables_are_harmless(Installer::Mallory);
}

fn referring_tables_are_harmless(installer: Installer) {
    let (mut scene, tables) = scene_with_tables(Cluster::builder().preload("token_auth"), installer);
    for (name, call) in CALLS {
        let victim = scene.victim(name);
        fill(&mut scene, &tables);
        let mut caller = scene.as_caller();
        call(&mut caller, &victim);
        scene.check(&["mallory", "caller"], name);
        if name == "delete_account" {
            // The attacker's code did run.
            let kinds = scene.kinds();
            for kind in [
                "BEFORE ROW DELETE",
                "AFTER ROW DELETE",
                "BEFORE STATEMENT DELETE",
                "AFTER STATEMENT DELETE",
                "BEFORE ROW UPDATE",
                "AFTER ROW UPDATE",
                "AFTER STATEMENT UPDATE",
                "default",
                "check",
                "rule",
            ] {
                assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
            }
            assert_eq!(scene.ran_as().into_iter().collect::<Vec<_>>(), ["caller", "mallory"]);
        }
    }
}

/// Deferred triggers run at COMMIT, as after any DELETE of this session. Others must not run as its superuser.
#[test]
fn triggers_cannot_reset_the_role_to_the_session_user() {
    let mut scene = AttackScene::start(Cluster::builder().preload("token_auth"));
    scene.as_mallory(
        "CREATE TABLE mallory.reset (token_id bigint REFERENCES token_auth.token ON DELETE CASCADE);
         CREATE FUNCTION mallory.reset() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE attempt text;
         BEGIN
             FOREACH attempt IN ARRAY ARRAY['RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE postgres'] LOOP
                 BEGIN EXECUTE attempt; EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN NULL; END;
                 INSERT INTO spy.seen VALUES (current_user, session_user, attempt, '{}');
             END LOOP;
             RETURN NULL;
         END $$;
         CREATE TRIGGER reset AFTER DELETE ON mallory.reset FOR EACH ROW EXECUTE FUNCTION mallory.reset()",
    );
    scene.db.own_profile("brief", "{}");
    let victim = scene.victim("acme");
    scene.fill("reset", "token", "id");
    // A superuser's session that works as another role, as administrators and poolers do.
    let mut session = scene.cluster.connect("app", "postgres");
    session.run("SET ROLE caller", &[]);
    session.run("SELECT token_auth.delete_token($1)", &[&victim.token.id]);
    assert_eq!(scene.kinds().len(), 3);
    scene.check(&["mallory", "caller"], "SET ROLE");
    assert_eq!(session.get::<String>("SELECT current_user::text", &[]), "caller");
}

#[test]
fn triggers_of_referring_tables_have_no_privilege_in_the_worker() {
    the_worker_gives_referring_tables_nothing(Installer::Superuser);
}

#[test]
fn a_database_owner_who_created_the_extension_gains_nothing_in_the_worker() {
    the_worker_gives_referring_tables_nothing(Installer::Mallory);
}

fn the_worker_gives_referring_tables_nothing(installer: Installer) {
    let (mut scene, tables) = scene_with_tables(swept_every("1s"), installer);
    // A trigger that is deferred during a deletion delays the referenced tokens: see worker/held.rs.
    scene.without("SET CONSTRAINTS");
    let victim = scene.victim("acme");
    for _ in 0..3 {
        scene.db.run("SELECT token_auth.create_token($1, 'brief', '{*}', all_domains => true)", &[&victim.account]);
    }
    fill(&mut scene, &tables);
    scene.db.run("UPDATE token_auth.token SET expires_at = clock_timestamp() WHERE name = 'brief'", &[]);
    scene.wait_for_sweep("the sweep");
    scene.check(&["mallory", "token_auth_worker"], "worker");
    let kinds = scene.kinds();
    for kind in ["BEFORE ROW DELETE", "AFTER ROW DELETE", "AFTER STATEMENT DELETE", "default"] {
        assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }
    assert!(!kinds.contains("at COMMIT"), "a cursor outlived the worker's restricted operation");
    let (after, deferred): (i64, i64) = (
        scene.db.get(
            "SELECT count(*) FROM spy.seen WHERE what LIKE 'AFTER ROW DELETE%' AND who = 'token_auth_worker'",
            &[],
        ),
        scene.db.get("SELECT count(*) FROM pg_trigger WHERE tgname = 'deferred'", &[]),
    );
    // Before PostgreSQL 18 AFTER triggers run as the current user, deferred ones included; from 18 on as mallory.
    let version: i32 = scene.db.get("SELECT current_setting('server_version_num')::int", &[]);
    assert!(version >= 180_000 || after > 0, "{after} of {deferred}");
}

/// A superuser's migration has declared a foreign key for a role without privileges on the tables.
#[test]
fn a_foreign_key_by_a_migration_gives_the_owner_of_its_table_nothing() {
    let mut scene = AttackScene::start(swept_every("1s"));
    scene.db.own_profile("brief", r#"{"expired_retention": "0", "keeps_last_token": false}"#);
    scene.db.run("REVOKE ALL ON ALL TABLES IN SCHEMA token_auth FROM mallory", &[]);
    scene.as_mallory(
        "CREATE TABLE mallory.linked (token_id bigint);
         CREATE TRIGGER row_level AFTER DELETE ON mallory.linked FOR EACH ROW EXECUTE FUNCTION mallory.spy();
         CREATE TRIGGER statement_level AFTER DELETE ON mallory.linked FOR EACH STATEMENT EXECUTE FUNCTION mallory.spy();
         CREATE CONSTRAINT TRIGGER deferred AFTER DELETE ON mallory.linked DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION mallory.spy()",
    );
    scene.db.run(
        "ALTER TABLE mallory.linked ADD FOREIGN KEY (token_id) REFERENCES token_auth.token ON DELETE CASCADE",
        &[],
    );
    let victim = scene.victim("acme");
    scene.fill("linked", "token", "id");
    scene.as_caller().run("SELECT token_auth.delete_token($1)", &[&victim.token.id]);
    scene.check(&["mallory", "caller"], "delete_token");
    assert!(!scene.ran_as().is_empty());

    scene.forget();
    scene.db.run("UPDATE token_auth.token SET expires_at = clock_timestamp()", &[]);
    scene.wait_for_sweep("the worker");
    scene.check(&["mallory", "token_auth_worker"], "the worker");
    assert!(!scene.ran_as().is_empty());
}

#[test]
fn queries_do_not_use_the_callers_search_path_and_triggers_do() {
    let mut scene = AttackScene::start(Cluster::builder().preload("token_auth"));
    scene.db.own_profile("brief", r#"{"expired_retention": "0", "keeps_last_token": false, "can_reveal": true}"#);
    // Operators and functions that the caller's path finds before PostgreSQL's own.
    scene.as_mallory(
        "CREATE FUNCTION mallory.equal(bigint, bigint) RETURNS bool LANGUAGE plpgsql AS $$
         BEGIN PERFORM mallory.note('operator'); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
         CREATE OPERATOR mallory.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = mallory.equal);
         CREATE FUNCTION mallory.equal(text, text) RETURNS bool LANGUAGE plpgsql AS $$
         BEGIN PERFORM mallory.note('operator'); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
         CREATE OPERATOR mallory.= (LEFTARG = text, RIGHTARG = text, FUNCTION = mallory.equal);
         CREATE FUNCTION mallory.less(timestamptz, timestamptz) RETURNS bool LANGUAGE plpgsql AS $$
         BEGIN PERFORM mallory.note('operator'); RETURN $1 OPERATOR(pg_catalog.<=) $2; END $$;
         CREATE OPERATOR mallory.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = mallory.less);
         CREATE OPERATOR mallory.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = mallory.less);
         CREATE FUNCTION mallory.min(interval) RETURNS interval LANGUAGE plpgsql AS $$
         BEGIN PERFORM mallory.note('function'); RETURN $1; END $$;
         CREATE TABLE mallory.path (token_id bigint REFERENCES token_auth.token ON DELETE CASCADE);
         CREATE FUNCTION mallory.path() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO spy.seen VALUES (current_user, session_user, current_setting('search_path'), '{}'); RETURN NULL; END $$;
         CREATE TRIGGER path AFTER DELETE ON mallory.path FOR EACH ROW EXECUTE FUNCTION mallory.path()",
    );
    for (name, call) in CALLS {
        let victim = scene.victim(name);
        let mut caller = scene.as_caller();
        caller.run("SET search_path = mallory, pg_catalog", &[]);
        call(&mut caller, &victim);
        caller.run("SELECT count(*) FROM token_auth.health()", &[]);
        caller.run("SELECT code FROM token_auth.verify_token($1, 'email:send')", &[&victim.token.secret]);
        assert_eq!(scene.kinds().into_iter().collect::<Vec<_>>(), Vec::<String>::new(), "{name}");
    }
    let victim = scene.victim("last");
    scene.fill("path", "token", "id");
    let mut caller = scene.as_caller();
    caller.run("SET search_path = 'a path of its own', public", &[]);
    caller.run("SELECT token_auth.delete_token($1)", &[&victim.token.id]);
    assert_eq!(scene.kinds().into_iter().collect::<Vec<_>>(), ["\"a path of its own\", public"]);
    assert_eq!(caller.get::<String>("SHOW search_path", &[]), "\"a path of its own\", public");
    assert_eq!(caller.get::<String>("SELECT current_user::text", &[]), "caller");
}

/// A role with EXECUTE on a trigger function could put it on its own table.
#[test]
fn trigger_functions_work_only_on_the_tables_of_the_extension() {
    let scene = AttackScene::start(Cluster::builder().preload("token_auth"));
    let mut caller = scene.as_caller();
    let mut functions: Vec<String> = caller.list(
        "SELECT proname::text FROM pg_proc
          WHERE pronamespace = 'token_auth'::regnamespace AND prorettype = 'trigger'::regtype ORDER BY 1",
        &[],
    );
    functions.retain(|name| name != "keep_last_tokens_on_truncate");
    assert!(functions.len() > 8, "{functions:?}");
    for function in functions {
        caller
            .batch_execute(&format!(
                "CREATE TEMP TABLE mine (id bigint, account_id bigint, domain_id bigint, token_id bigint, name text, profile text, builtin bool);
                 CREATE TRIGGER t BEFORE UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION token_auth.{function}('id');
                 INSERT INTO mine VALUES (1, 1, 1, 1, 'default', 'default', false)"
            ))
            .unwrap_or_else(|error| panic!("{function}: {error:?}"));
        assert_eq!(caller.refused("UPDATE mine SET profile = 'other'", &[]).code, "39P01", "{function}");
        caller.run("DROP TABLE mine", &[]);
    }
}

/// PostgreSQL does not let an extension prevent these two: they give the privileges of the owner of the tables, and no more.
#[test]
fn a_cast_in_a_foreign_key_gives_the_privileges_of_the_owner_role_and_no_more() {
    let mut scene = AttackScene::start(swept_every("1s"));
    scene.db.own_profile("brief", r#"{"expired_retention": "0", "keeps_last_token": false}"#);
    // The owner of the tables may do that, and the check of a row that was just changed finds another one.
    scene.without("token_auth.token");
    scene.as_mallory(
        "CREATE TYPE mallory.wrapped AS (id bigint);
         CREATE FUNCTION mallory.unwrap(mallory.wrapped) RETURNS bigint LANGUAGE plpgsql AS $$
         BEGIN PERFORM mallory.note('cast'); RETURN ($1).id; END $$;
         CREATE CAST (mallory.wrapped AS bigint) WITH FUNCTION mallory.unwrap AS IMPLICIT;
         CREATE TABLE mallory.casting (token_id mallory.wrapped REFERENCES token_auth.token ON DELETE CASCADE)",
    );
    let victim = scene.victim("acme");
    let id = victim.token.id;
    scene.as_mallory(&format!("INSERT INTO mallory.casting VALUES (ROW({id})::mallory.wrapped)"));
    assert!(scene.ran_as().contains("token_auth_owner"), "PostgreSQL has become better here: {:?}", scene.ran_as());
    let bad: String =
        scene.db.get("SELECT detail FROM token_auth.health() WHERE name = 'foreign_keys' AND NOT ok", &[]);
    assert!(bad.contains("mallory.casting"), "{bad}");

    scene.as_caller().run("SELECT token_auth.delete_token($1)", &[&id]);
    let second = scene.db.account_token(victim.account, "second", &["*"]);
    scene.as_mallory(&format!("INSERT INTO mallory.casting VALUES (ROW({})::mallory.wrapped)", second.id));
    scene.db.run("UPDATE token_auth.token SET expires_at = clock_timestamp() WHERE id = $1", &[&second.id]);
    scene.wait_for_sweep("the worker");
    nothing_beyond_the_owner_role(&mut scene);
}

#[test]
fn grant_trigger_gives_the_privileges_of_the_owner_role_and_no_more() {
    let mut scene = AttackScene::start(swept_every("1s"));
    scene.db.own_profile("brief", r#"{"expired_retention": "0", "keeps_last_token": false, "can_reveal": true}"#);
    // The owner of the tables may do that, and its triggers would fire again.
    scene.without("token_auth.token");
    scene.db.run("GRANT TRIGGER ON ALL TABLES IN SCHEMA token_auth TO mallory", &[]);
    for table in ["token", "token_access", "domain", "account"] {
        for (name, when) in [("b", "BEFORE"), ("a", "AFTER")] {
            scene.as_mallory(&format!(
                "CREATE TRIGGER spy_{name} {when} INSERT OR UPDATE OR DELETE ON token_auth.{table}
                     FOR EACH ROW EXECUTE FUNCTION mallory.spy();
                 CREATE TRIGGER spy_{name}s {when} INSERT OR UPDATE OR DELETE OR TRUNCATE ON token_auth.{table}
                     FOR EACH STATEMENT EXECUTE FUNCTION mallory.spy()"
            ));
        }
    }
    let mut caller = scene.as_caller();
    let account: i64 = caller.get("SELECT token_auth.create_account('acme', 'brief')", &[]);
    for sql in [
        "SELECT token_auth.create_domain($1, 'acme.example')",
        "SELECT token_auth.create_token($1, 'brief', '{*}', all_domains => true, expires_at => clock_timestamp() + interval '10 milliseconds')",
        "SELECT token_auth.rename_account($1, 'other')",
    ] {
        caller.run(sql, &[&account]);
    }
    scene.wait_for_sweep("the worker");
    assert!(scene.kinds().contains("BEFORE ROW DELETE"), "{:?}", scene.kinds());
    // Through a trigger of the extension: plain DML that erases sealed copies.
    scene.forget();
    scene.db.run("GRANT UPDATE, SELECT ON token_auth.account TO caller", &[]);
    caller.run("SELECT token_auth.create_token($1, 'sealed', '{*}', all_domains => true)", &[&account]);
    caller.run("UPDATE token_auth.account SET profile = 'default' WHERE id = $1", &[&account]);
    let updated: Vec<String> =
        scene.db.list("SELECT what FROM spy.seen WHERE what = 'BEFORE ROW UPDATE on token'", &[]);
    assert!(!updated.is_empty());
    caller.run("SELECT token_auth.delete_account($1, 'other')", &[&account]);
    nothing_beyond_the_owner_role(&mut scene);
    let bad: String = scene.db.get("SELECT detail FROM token_auth.health() WHERE name = 'triggers' AND NOT ok", &[]);
    assert!(bad.contains("spy_b on token_auth.token runs a function of mallory"), "{bad}");
}

fn nothing_beyond_the_owner_role(scene: &mut AttackScene) {
    let ran_as = scene.ran_as();
    let allowed = ["mallory", "caller", "token_auth_worker", "token_auth_owner"];
    assert!(ran_as.iter().all(|role| allowed.contains(&&**role)), "{ran_as:?}");
    let gains: Vec<String> = scene.db.list("SELECT DISTINCT who || ': ' || g FROM spy.seen, unnest(gains) g", &[]);
    assert_eq!(gains, Vec::<String>::new());
    scene.check_roles("beyond the owner role");
}
