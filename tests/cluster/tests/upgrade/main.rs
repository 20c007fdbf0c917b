//! From one version of PostgreSQL to a later one, by pg_upgrade and by dump and restore: every token verifies alike.
//!
//! scripts/upgrade_servers.sh installs the servers. `SERVERS` has the paths of their pg_config.

use std::env;

use cluster::scene::every_state::{EveryState, everything};
use cluster::{Client, Cluster, Format, NewToken, Programs, Sql, Stop, TokenAuth, readme, seconds, wait_until};

const KEYS: &str = "5ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea1";

/// What the rows of our tables do not show: how triggers fire, settings, privileges, and own objects on our tables.
const SURROUNDINGS: &str = "
    SELECT 'trigger ' || tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text
      FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'token_auth.%' AND NOT tgisinternal
    UNION ALL
    SELECT 'setting ' || (setdatabase <> 0)::text || ' ' || setrole::regrole || ' ' || setconfig::text FROM pg_db_role_setting
    UNION ALL
    SELECT 'privilege ' || oid::regprocedure || ' ' || role
      FROM pg_proc, unnest('{public,token_verifier,token_manager,token_revealer,token_importer,leak_reporter}'::text[]) AS role
     WHERE pronamespace = 'token_auth'::regnamespace AND has_function_privilege(role, oid, 'EXECUTE')
    UNION ALL
    SELECT 'privilege ' || oid::regclass || ' ' || grantee::regrole || ' ' || privilege_type || is_grantable::text
      FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'token_auth'::regnamespace AND grantee <> relowner
    UNION ALL
    SELECT 'privilege schema ' || grantee::regrole || ' ' || privilege_type FROM pg_namespace, aclexplode(nspacl)
     WHERE nspname = 'token_auth'
    UNION ALL
    SELECT 'privilege parameter ' || parname || ' ' || grantee::regrole || ' ' || privilege_type
      FROM pg_parameter_acl, aclexplode(paracl)
    UNION ALL
    SELECT 'owner of ' || oid::regclass || ' ' || relowner::regrole
      FROM pg_class WHERE relnamespace = 'token_auth'::regnamespace
    UNION ALL
    SELECT 'index ' || indexrelid::regclass || ' ' || indisvalid::text
      FROM pg_index WHERE indrelid::regclass::text LIKE 'token_auth.%'
     ORDER BY 1";

/// Objects of the application on our tables. pg_upgrade keeps them, and a dump does not have them (docs/operations.md). No table is
/// among them: see [`no_later_server_accepts_tables_of`].
const OWN_OBJECTS: &str = "
    CREATE INDEX own_index ON token_auth.token (created_by);
    CREATE FUNCTION public.do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER own_trigger AFTER UPDATE OF name ON token_auth.token FOR EACH ROW EXECUTE FUNCTION public.do_nothing()";

#[test]
fn pg_upgrade_keeps_every_state() {
    let mut upgraded_from_15 = 0;
    for (old, new) in upgrades() {
        if no_later_server_accepts_tables_of(old) {
            // A line of its own: the test may have begun one.
            println!(
                "\nskipped: pg_upgrade from {} to {}, see no_later_server_accepts_tables_of",
                old.major(),
                new.major()
            );
            continue;
        }
        upgraded_from_15 += u32::from(old.major() == 15);
        for options in [&[][..], &["--link"]] {
            let case = format!("{} to {} {options:?}", old.major(), new.major());
            let source = Source::start(old);
            let mut db = source.connect();
            let (rows, answers, surroundings) = source.observed(&mut db);
            for part in [
                "trigger token_auth.token _invalidate_cache A",
                "trigger token_auth.token own_trigger O",
                "index token_auth.own_index true",
                "privilege token_auth.tokens token_manager SELECT",
                "privilege parameter token_auth.actor token_manager SET",
            ] {
                assert!(surroundings.iter().any(|line| line.starts_with(part)), "{part}: {surroundings:#?}");
            }
            drop(db);
            source.cluster.stop(Stop::Fast);

            let upgraded = Cluster::builder()
                .programs(new)
                .preload("token_auth")
                .setting("token_auth.databases", "none")
                .sealing_keys(KEYS)
                .without_data_checksums()
                .create();
            upgraded.upgrade_from(&source.cluster, options);
            upgraded.start();
            let mut db = upgraded.connect("source", "postgres");
            let after = source.observed(&mut db);
            assert_eq!(after.0, rows, "{case}");
            assert_eq!(after.1, answers, "{case}");
            assert_eq!(after.2, surroundings, "{case}");
            assert_eq!(source.revealed(&mut db), source.sealed.secret, "{case}");
            println!("{case}: {} answers alike", answers.len());
            goes_on(&upgraded, &mut db, &source);
        }
    }
    assert_eq!(upgraded_from_15, 2, "from 15 to 17, and from 15 to 18");
}

/// Debian's PostgreSQL 17.12 writes an option `pg_attver` to every column of every new table, which no other server knows, so that
/// pg_upgrade fails for any table at all.
fn no_later_server_accepts_tables_of(old: &'static Programs) -> bool {
    let cluster = Cluster::builder().programs(old).start();
    let mut db = cluster.connect("postgres", "postgres");
    db.batch_execute("CREATE TABLE plain (id int)").expect("a table");
    db.get(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attoptions::text LIKE '%pg_attver%')",
        &[],
    )
}

/// Tokens are made, revoked and removed as before.
fn goes_on(cluster: &Cluster, db: &mut Client, source: &Source) {
    let account = db.account("made after the upgrade");
    let domain = db.domain(account, "new.example");
    let mut verifier = cluster.connect("source", "postgres");
    assert!(verifier.is_good(&domain.token.secret));
    db.run("SELECT token_auth.pause_account($1)", &[&account]);
    assert_eq!(verifier.verify(&domain.token.secret, None, None).code, "paused");
    let expired = "SELECT count(*) FROM token_auth.token WHERE name = 'expired, not swept'";
    assert_eq!(db.get::<i64>(expired, &[]), 1);
    db.run("UPDATE token_auth.profile SET expired_retention = '0' WHERE name = 'own'", &[]);
    db.run("UPDATE token_auth.account SET profile = 'own' WHERE id = (SELECT account_id FROM token_auth.token WHERE name = 'expired, not swept')", &[]);
    cluster.reload_with("token_auth.sweep_interval", "1s");
    cluster.reload_with("token_auth.databases", "source");
    wait_until("the worker removes the expired token", seconds(30), || db.get::<i64>(expired, &[]) == 0);
    assert_eq!(source.revealed(db), source.sealed.secret);
}

#[test]
fn a_dump_restores_into_every_later_version() {
    for (old, new) in upgrades() {
        let source = Source::start(old);
        let mut db = source.connect();
        let (rows, answers, _) = source.observed(&mut db);
        let later = Cluster::builder()
            .programs(new)
            .preload("token_auth")
            .setting("token_auth.databases", "none")
            .sealing_keys(KEYS)
            .start();
        later
            .connect("postgres", "postgres")
            .batch_execute(
                "CREATE ROLE token_verifier; CREATE ROLE token_manager; CREATE ROLE token_revealer;
                 CREATE ROLE token_importer; CREATE ROLE leak_reporter",
            )
            .expect("the roles, which are in no dump of a database");
        for format in [Format::Custom, Format::Plain, Format::Inserts, Format::Jobs] {
            let case = format!("{} to {} {format:?}", old.major(), new.major());
            let name = format!("{format:?}").to_lowercase();
            let file = later.file(&name);
            // As pg_dump's documentation advises, that of the later version.
            later.dump_of(&source.cluster, "source", format, &file);
            later.create_database(&name);
            later.restore(&name, format, &file);
            let mut restored = later.connect(&name, "postgres");
            let after = source.observed(&mut restored);
            assert_eq!(after.0, rows, "{case}");
            assert_eq!(after.1, answers, "{case}");
            assert_eq!(source.revealed(&mut restored), source.sealed.secret, "{case}");
        }
    }
}

/// A cluster whose database `source` holds every kind of state.
struct Source {
    cluster: Cluster,
    state: EveryState,
    sealed: NewToken,
}

impl Source {
    fn start(programs: &'static Programs) -> Source {
        // Nothing is removed before it is compared. What pg_upgrade compares is the same in both.
        let cluster = Cluster::builder()
            .programs(programs)
            .preload("token_auth")
            .setting("token_auth.databases", "none")
            .sealing_keys(KEYS)
            .without_data_checksums()
            .start();
        let mut db = cluster.create_database_with_token_auth("source");
        db.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
        db.batch_execute(&readme::actor_grant()).expect("the GRANT of docs/privileges.md");
        db.batch_execute(OWN_OBJECTS).expect("objects on our tables");
        db.batch_execute(
            "ALTER DATABASE source SET token_auth.cache_size = '1MB';
             ALTER ROLE token_manager SET token_auth.actor = 'ops'",
        )
        .expect("settings");
        let state = EveryState::create(&mut db);
        db.own_profile("reveals", r#"{"can_reveal": true}"#);
        let account = db.get("SELECT token_auth.create_account('reveals', 'reveals')", &[]);
        let sealed = db.account_token(account, "sealed", &["email:send"]);
        Source { cluster, state, sealed }
    }

    fn connect(&self) -> Client {
        self.cluster.connect("source", "postgres")
    }

    fn observed(&self, db: &mut Client) -> (Vec<String>, Vec<String>, Vec<String>) {
        (everything(db), self.state.answers(db), db.list(SURROUNDINGS, &[]))
    }

    fn revealed(&self, db: &mut Client) -> String {
        db.get("SELECT token_auth.reveal_token($1)", &[&self.sealed.id])
    }
}

/// Each server with each later one.
fn upgrades() -> Vec<(&'static Programs, &'static Programs)> {
    let named = env::var("SERVERS").unwrap_or_else(|_| panic!("SERVERS is not set: run SUITE=upgrade make test"));
    let mut servers: Vec<_> = named.split_whitespace().map(|path| Programs::of(path.into())).collect();
    servers.sort_by_key(|server| server.major());
    let mut pairs = Vec::new();
    for (place, old) in servers.iter().enumerate() {
        pairs.extend(servers[place + 1..].iter().map(|new| (*old, *new)));
    }
    assert!(!pairs.is_empty(), "{named}: one server has no later one");
    pairs
}
