//! A database owner who is no superuser creates the extension: he can hand out what docs/privileges.md grants, and nothing more.

use cluster::{Client, Cluster, Format, Sql, TokenAuth, readme, refusal, seconds, swept_every, wait_until};

/// Creates a database of `shop_owner`, and the extension as him. Returns his session.
fn installed(cluster: &Cluster, database: &str) -> Client {
    let mut admin = cluster.connect("postgres", "postgres");
    if admin.list::<String>("SELECT rolname::text FROM pg_roles WHERE rolname = 'shop_owner'", &[]).is_empty() {
        admin
            .batch_execute(
                "CREATE ROLE shop_owner LOGIN; CREATE ROLE token_verifier LOGIN; CREATE ROLE token_manager LOGIN;
                 CREATE ROLE token_revealer LOGIN; CREATE ROLE token_importer LOGIN; CREATE ROLE leak_reporter LOGIN",
            )
            .expect("roles");
    }
    admin.run(&format!("CREATE DATABASE {database} OWNER shop_owner"), &[]);
    let mut owner = cluster.connect(database, "shop_owner");
    owner.run("CREATE EXTENSION token_auth", &[]);
    owner
}

/// Gives an account three expired tokens, and a profile that does not keep them.
fn expire_at_once(cluster: &Cluster, database: &str, account: i64) {
    let mut admin = cluster.connect(database, "postgres");
    admin.own_profile("brief", r#"{"expired_retention": "0"}"#);
    admin.run("UPDATE token_auth.account SET profile = 'brief' WHERE id = $1", &[&account]);
    admin.expired_tokens(account, 3);
}

/// The GRANTs of docs/privileges.md. The roles exist already: a database owner need not be allowed to create any.
fn grants() -> String {
    readme::grants().lines().filter(|line| !line.starts_with("CREATE ROLE")).collect::<Vec<_>>().join("\n")
}

#[test]
fn he_hands_out_the_roles_of_the_documentation() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut owner = installed(&cluster, "shop");
    owner.batch_execute(&grants()).expect("the GRANTs of docs/privileges.md");

    let mut manager = cluster.connect("shop", "token_manager");
    let account = manager.account("acme");
    let domain = manager.domain(account, "mail.example");
    let mut verifier = cluster.connect("shop", "token_verifier");
    assert!(verifier.is_good(&domain.token.secret));
    assert_eq!(verifier.refused("SELECT token_auth.create_account('other')", &[]).code, "42501");
    // What is for superusers only elsewhere is for him, and he can grant it on.
    owner.batch_execute("BEGIN").expect("a transaction");
    assert!(owner.get::<bool>("SELECT (token_auth.authenticate($1)).valid", &[&domain.token.secret]));
    owner.batch_execute("COMMIT").expect("it commits");
    owner.run("GRANT EXECUTE ON FUNCTION token_auth.authenticate, token_auth.health TO token_verifier", &[]);
    let not_ok = "SELECT string_agg(name, ' ') FROM token_auth.health() WHERE NOT ok";
    assert_eq!(verifier.get::<Option<String>>(not_ok, &[]), None);
}

#[test]
fn he_has_every_function_that_a_superuser_could_grant_and_no_other() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut owner = installed(&cluster, "shop");
    let missing: Vec<String> = owner.list(
        "SELECT oid::regprocedure::text FROM pg_proc
          WHERE pronamespace = 'token_auth'::regnamespace
            AND has_function_privilege(oid, 'EXECUTE WITH GRANT OPTION')
                <> (prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
                    AND NOT has_function_privilege('token_auth_owner', oid, 'EXECUTE'))",
        &[],
    );
    assert_eq!(missing, Vec::<String>::new());
    let relations: Vec<String> = owner.list(
        "SELECT c.oid::regclass || ' ' || privilege
           FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
          WHERE relnamespace = 'token_auth'::regnamespace AND relkind IN ('r', 'v')
            AND has_table_privilege(c.oid, privilege) ORDER BY 1",
        &[],
    );
    let readable = ["account", "domain", "profile", "token_access", "tokens"];
    assert_eq!(relations, readable.map(|name| format!("token_auth.{name} SELECT")));
    let of_columns: Vec<String> = owner.list(
        "SELECT c.oid::regclass || ' ' || privilege
           FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS privilege
          WHERE relnamespace = 'token_auth'::regnamespace AND relkind IN ('r', 'v')
            AND has_any_column_privilege(c.oid, privilege) ORDER BY 1",
        &[],
    );
    assert_eq!(of_columns, relations);
    let sequences: i64 = owner.get(
        "SELECT count(*) FROM pg_class c, unnest('{USAGE,SELECT,UPDATE}'::text[]) AS privilege
          WHERE relnamespace = 'token_auth'::regnamespace AND relkind = 'S' AND has_sequence_privilege(c.oid, privilege)",
        &[],
    );
    assert_eq!(sequences, 0);
    assert!(!owner.get::<bool>("SELECT has_schema_privilege('token_auth', 'CREATE')", &[]));
}

#[test]
fn two_owners_have_nothing_of_each_other_and_both_databases_are_swept() {
    let cluster = swept_every("1s").start();
    let mut admin = cluster.connect("postgres", "postgres");
    let mut tokens = Vec::new();
    for name in ["one", "two"] {
        admin.run(&format!("CREATE ROLE owner_of_{name} LOGIN"), &[]);
        admin.run(&format!("CREATE DATABASE {name} OWNER owner_of_{name}"), &[]);
        let mut owner = cluster.connect(name, &format!("owner_of_{name}"));
        owner.run("CREATE EXTENSION token_auth", &[]);
        let account = owner.account("acme");
        tokens.push(owner.account_token(account, "kept", &["*"]));
        expire_at_once(&cluster, name, account);
    }
    let mut other = cluster.connect("two", "owner_of_one");
    assert_eq!(other.refused("SELECT token_auth.verify_token($1)", &[&tokens[1].secret]).code, "42501");
    assert_eq!(other.refused("SELECT FROM token_auth.tokens", &[]).code, "42501");
    assert_eq!(other.refused("DROP EXTENSION token_auth", &[]).code, "42501");
    for name in ["one", "two"] {
        let mut owner = cluster.connect(name, &format!("owner_of_{name}"));
        let count = "SELECT count(*) FROM token_auth.tokens";
        wait_until("the sweep", seconds(30), || owner.get::<i64>(count, &[]) == 1);
    }
}

/// As docs/privileges.md says.
#[test]
fn a_new_owner_of_the_database_has_nothing_and_the_old_one_keeps_what_he_had() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut old = installed(&cluster, "shop");
    old.account("acme");
    let mut admin = cluster.connect("shop", "postgres");
    admin.batch_execute("CREATE ROLE heir LOGIN; ALTER DATABASE shop OWNER TO heir").expect("a new owner");
    let mut heir = cluster.connect("shop", "heir");
    assert_eq!(heir.refused("SELECT FROM token_auth.tokens", &[]).code, "42501");
    assert_eq!(heir.refused("SELECT token_auth.create_account('other')", &[]).code, "42501");
    assert_eq!(heir.refused("DROP EXTENSION token_auth", &[]).code, "42501");
    old.run("GRANT SELECT ON token_auth.tokens TO heir", &[]);
    assert_eq!(heir.get::<i64>("SELECT count(*) FROM token_auth.tokens", &[]), 0);
    old.account("his still");
}

#[test]
fn drop_owned_by_the_creator_drops_the_extension() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut owner = installed(&cluster, "shop");
    owner.account("acme");
    owner.run("DROP OWNED BY shop_owner", &[]);
    assert_eq!(owner.get::<i64>("SELECT count(*) FROM pg_extension WHERE extname = 'token_auth'", &[]), 0);
    owner.run("CREATE EXTENSION token_auth", &[]);
    owner.account("acme");
}

#[test]
fn without_preloading_he_does_everything_by_hand() {
    let cluster = Cluster::builder().start();
    let mut owner = installed(&cluster, "shop");
    let account = owner.account("acme");
    let token = owner.account_token(account, "kept", &["*"]);
    assert!(owner.is_good(&token.secret));
    expire_at_once(&cluster, "shop", account);
    assert_eq!(owner.get::<i64>("SELECT token_auth.sweep()", &[]), 3);
    assert_eq!(owner.get::<i64>("SELECT count(*) FROM token_auth.tokens", &[]), 1);
}

/// The script runs as the bootstrap superuser, so his default privileges would count, and are taken back.
#[test]
fn default_privileges_give_nobody_anything_on_his_extension() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut admin = cluster.connect("postgres", "postgres");
    admin.batch_execute("CREATE ROLE shop_owner LOGIN; CREATE ROLE reporting LOGIN").expect("roles");
    admin.run("CREATE DATABASE shop OWNER shop_owner", &[]);
    let grants = "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reporting;
                  ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO reporting;
                  ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO reporting";
    cluster.connect("shop", "postgres").batch_execute(grants).expect("default privileges");
    let mut owner = cluster.connect("shop", "shop_owner");
    owner.batch_execute(grants).expect("default privileges of his own");
    owner.run("CREATE EXTENSION token_auth", &[]);
    let mut reporting = cluster.connect("shop", "reporting");
    for statement in [
        "SELECT FROM token_auth.tokens",
        "SELECT digest FROM token_auth.token",
        "SELECT token_auth.verify_token('x')",
        "CREATE FUNCTION token_auth.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ] {
        assert_eq!(reporting.refused(statement, &[]).code, "42501", "{statement}");
    }
    owner.account("acme");
}

#[test]
fn he_cannot_change_the_tables_or_what_is_in_the_schema() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut owner = installed(&cluster, "shop");
    let account = owner.account("acme");
    owner.domain(account, "mail.example");
    for statement in [
        "SELECT digest FROM token_auth.token",
        "INSERT INTO token_auth.account (name) VALUES ('other')",
        "UPDATE token_auth.token SET paused_at = NULL",
        "UPDATE token_auth.profile SET keeps_last_token = false",
        "DELETE FROM token_auth.token",
        "TRUNCATE token_auth.token CASCADE",
        "CREATE TABLE linked (id bigint REFERENCES token_auth.token)",
        "CREATE TRIGGER own BEFORE UPDATE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER TABLE token_auth.token DISABLE TRIGGER USER",
        "ALTER TABLE token_auth.token ENABLE ROW LEVEL SECURITY",
        "CREATE INDEX ON token_auth.token (name)",
        "CREATE PUBLICATION own FOR TABLE token_auth.token",
        "CREATE FUNCTION token_auth.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION token_auth.any_account() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "ALTER FUNCTION token_auth.any_account() OWNER TO shop_owner",
        "ALTER SCHEMA token_auth RENAME TO own",
        "DROP SCHEMA token_auth CASCADE",
        "ALTER EXTENSION token_auth DROP TABLE token_auth.token",
        "ALTER EXTENSION token_auth SET SCHEMA public",
        "SET ROLE token_auth_owner",
        "GRANT token_auth_owner TO shop_owner",
        "GRANT token_auth_worker TO shop_owner",
        "REASSIGN OWNED BY token_auth_owner TO shop_owner",
        "SET token_auth.actor = 'somebody else'",
        "ALTER DATABASE shop SET token_auth.cache_size = 0",
        "GRANT EXECUTE ON FUNCTION token_auth.is_name TO shop_owner",
    ] {
        // A GRANT without the right to grant only warns.
        let refusal = owner.batch_execute(statement).err().map(|error| refusal(&error).code);
        assert!(
            matches!(refusal.as_deref(), Some("42501" | "0A000")) || statement.starts_with("GRANT EXECUTE"),
            "{statement}: {refusal:?}"
        );
    }
    assert_eq!(owner.get::<i64>("SELECT count(*) FROM token_auth.tokens", &[]), 1);
    assert!(!owner.get::<bool>("SELECT has_function_privilege('token_auth.is_name(text)', 'EXECUTE')", &[]));
}

#[test]
fn he_drops_it_again_and_the_roles_stay() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut owner = installed(&cluster, "shop");
    owner.account("acme");
    owner.run("DROP EXTENSION token_auth", &[]);
    let left: i64 = owner.get("SELECT count(*) FROM pg_namespace WHERE nspname = 'token_auth'", &[]);
    let roles: i64 = owner.get("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token\\_auth\\_%'", &[]);
    assert_eq!((left, roles), (0, 2));
    owner.run("CREATE EXTENSION token_auth", &[]);
    owner.account("acme");
}

#[test]
fn a_superusers_extension_gives_the_owner_of_the_database_nothing() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut admin = cluster.connect("postgres", "postgres");
    admin.run("CREATE ROLE shop_owner LOGIN", &[]);
    admin.run("CREATE DATABASE shop OWNER shop_owner", &[]);
    cluster.connect("shop", "postgres").run("CREATE EXTENSION token_auth", &[]);
    let mut owner = cluster.connect("shop", "shop_owner");
    assert_eq!(owner.refused("SELECT token_auth.create_account('acme')", &[]).code, "42501");
    assert_eq!(owner.refused("SELECT FROM token_auth.tokens", &[]).code, "42501");
}

#[test]
fn who_may_only_connect_cannot_create_it() {
    let cluster = Cluster::builder().preload("token_auth").start();
    cluster.connect("postgres", "postgres").run("CREATE ROLE visitor LOGIN", &[]);
    let refusal = cluster.connect("postgres", "visitor").refused("CREATE EXTENSION token_auth", &[]);
    assert_eq!(refusal.code, "42501");
}

/// He could drop it, with all tokens.
#[test]
fn a_role_that_may_create_schemas_and_does_not_own_the_database_cannot_create_it() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut admin = cluster.connect("postgres", "postgres");
    admin
        .batch_execute(
            "CREATE ROLE shop_owner LOGIN; CREATE ROLE developer LOGIN; CREATE ROLE partner LOGIN IN ROLE shop_owner;
             CREATE ROLE heir LOGIN NOINHERIT IN ROLE shop_owner",
        )
        .expect("roles");
    admin.run("CREATE DATABASE shop OWNER shop_owner", &[]);
    admin.run("GRANT CREATE ON DATABASE shop TO developer, heir", &[]);
    for role in ["developer", "heir"] {
        let refusal = cluster.connect("shop", role).refused("CREATE EXTENSION token_auth", &[]);
        assert_eq!(refusal.code, "42501", "{role}");
        assert!(refusal.message.contains("must be the owner of the database"), "{refusal:?}");
        assert!(refusal.hint.contains("can drop it"), "{refusal:?}");
    }
    // What is refused leaves nothing behind.
    assert_eq!(admin.get::<i64>("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'token\\_auth\\_%'", &[]), 0);
    let mut partner = cluster.connect("shop", "partner");
    partner.run("CREATE EXTENSION token_auth", &[]);
    partner.account("acme");
}

#[test]
fn a_schema_that_is_there_already_is_an_error_that_says_what_to_do() {
    let cluster = Cluster::builder().preload("token_auth").start();
    cluster.connect("postgres", "postgres").batch_execute("CREATE ROLE shop_owner LOGIN").expect("a role");
    cluster.connect("postgres", "postgres").batch_execute("CREATE DATABASE shop OWNER shop_owner").expect("a database");
    let mut owner = cluster.connect("shop", "shop_owner");
    owner.run("CREATE SCHEMA token_auth", &[]);
    let refusal = owner.refused("CREATE EXTENSION token_auth", &[]);
    assert_eq!(refusal.code, "42P06");
    assert!(refusal.hint.contains("DROP SCHEMA token_auth"), "{refusal:?}");
    let refusal = owner.refused("CREATE EXTENSION token_auth SCHEMA token_auth", &[]);
    assert_eq!(refusal.code, "0A000", "{refusal:?}");
    owner.run("DROP SCHEMA token_auth", &[]);
    owner.run("CREATE EXTENSION token_auth", &[]);
}

#[test]
fn a_dump_restores_his_privileges_and_those_that_he_granted() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut owner = installed(&cluster, "shop");
    owner.batch_execute(&grants()).expect("the GRANTs of docs/privileges.md");
    let account = owner.account("acme");
    let secret = owner.domain(account, "mail.example").token.secret;
    let may = |db: &mut Client| -> Vec<String> {
        db.list(
            "SELECT role || ' ' || oid::regprocedure || ' ' || has_function_privilege(role, oid, 'EXECUTE WITH GRANT OPTION')
               FROM pg_proc, unnest('{shop_owner,token_verifier,token_manager,token_revealer,token_importer,leak_reporter}'::text[]) AS role
              WHERE pronamespace = 'token_auth'::regnamespace AND has_function_privilege(role, oid, 'EXECUTE')
              UNION ALL
             SELECT role || ' ' || oid::regclass || ' ' || has_table_privilege(role, oid, 'SELECT WITH GRANT OPTION')
               FROM pg_class, unnest('{shop_owner,token_verifier,token_manager,token_revealer,token_importer,leak_reporter}'::text[]) AS role
              WHERE relnamespace = 'token_auth'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege(role, oid, 'SELECT')
              ORDER BY 1",
            &[],
        )
    };
    let before = may(&mut owner);
    let mut admin = cluster.connect("postgres", "postgres");

    // By a superuser, who then owns the extension, in each format, into a database of the owner and into one of his own.
    for format in [Format::Custom, Format::Plain] {
        let file = cluster.file("shop.dump");
        cluster.dump("shop", format, &file);
        for new_owner in ["shop_owner", "postgres"] {
            admin.run(&format!("CREATE DATABASE restored OWNER {new_owner}"), &[]);
            cluster.restore("restored", format, &file);
            assert_eq!(may(&mut cluster.connect("restored", "postgres")), before, "{format:?} {new_owner}");
            assert!(cluster.connect("restored", "token_verifier").is_good(&secret));
            admin.run("DROP DATABASE restored WITH (FORCE)", &[]);
        }
    }

    // By the owner: he needs the rights to read and to write all data.
    let file = cluster.file("by_owner.dump");
    let refused = cluster.try_dump_as("shop_owner", "shop", &file).expect_err("no right to read the digests");
    // Where pg_dump reads sequences before tables, it does not show the server's words.
    assert!(
        refused.contains("permission denied for ") || refused.contains("user may lack SELECT privilege"),
        "{refused}"
    );
    admin.run("GRANT pg_read_all_data, pg_write_all_data TO shop_owner", &[]);
    cluster.try_dump_as("shop_owner", "shop", &file).expect("with pg_read_all_data");
    admin.run("CREATE DATABASE restored OWNER shop_owner", &[]);
    let errors = cluster.restore_as("shop_owner", "restored", &file);
    // He has his privileges by CREATE EXTENSION, and PostgreSQL refuses to grant them once more. With that statement it skips what he
    // had granted: docs/privileges.md says so.
    let others: Vec<&str> = errors
        .lines()
        .filter(|line| {
            line.contains("error: ") && !line.contains("grant options cannot be granted back to your own grantor")
        })
        .collect();
    assert_eq!(others, Vec::<&str>::new(), "{errors}");
    let mut again = cluster.connect("restored", "shop_owner");
    again.batch_execute(&grants()).expect("the GRANTs of docs/privileges.md");
    admin.run("REVOKE pg_read_all_data, pg_write_all_data FROM shop_owner", &[]);
    assert_eq!(may(&mut cluster.connect("restored", "postgres")), before);
    assert!(cluster.connect("restored", "token_verifier").is_good(&secret));
}
