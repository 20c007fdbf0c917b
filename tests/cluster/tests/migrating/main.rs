//! docs/migrating.md: keys that the libraries of other systems made, in the tables that these made, verify after the import that the
//! page shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::{Client, Cluster, Sql, TokenAuth, Verification};

const DATABASE: &str = "app";

/// A database with an account and the function of the page, and a role that may import and can do nothing else.
struct Migration {
    cluster: Cluster,
    account: i64,
    /// The keys that the other system made, by their labels.
    keys: BTreeMap<String, String>,
}

impl Migration {
    /// Lets another system make its tables and keys. It prints a label and a key on each line.
    fn from(make: impl FnOnce(&Cluster) -> String) -> Self {
        let cluster = Cluster::builder().preload("token_auth").start();
        let mut db = cluster.create_database_with_token_auth(DATABASE);
        let account = db.account("our customers");
        db.batch_execute(&example("scopes.sql")).expect("a function of the application");
        let printed = make(&cluster);
        let keys = printed.lines().filter_map(|line| line.split_once(' '));
        let keys: BTreeMap<_, _> = keys.map(|(label, key)| (label.to_owned(), key.to_owned())).collect();
        db.batch_execute(
            "CREATE ROLE importer LOGIN;
             GRANT EXECUTE ON FUNCTION token_auth.import_token TO importer;
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO importer;
             CREATE ROLE backend LOGIN;
             GRANT EXECUTE ON FUNCTION token_auth.verify_token, token_auth.verify_token_digest TO backend",
        )
        .expect("roles");
        Self { cluster, account, keys }
    }

    /// Runs the import of the page. Returns the number of imported tokens.
    fn import(&self, file: &str) -> i64 {
        let mut importer = self.cluster.connect(DATABASE, "importer");
        importer.get(&example(file).replace(":app", &self.account.to_string()).replace(";\n", "\n"), &[])
    }

    fn verify(&self, label: &str, scope: Option<&str>) -> Verification {
        self.cluster.connect(DATABASE, "backend").verify(&self.keys[label], scope, None)
    }

    /// Asserts that these keys verify and a changed one does not, that the others are unknown, and that a digest is no key.
    fn assert_only(&self, imported: &[&str]) {
        let mut backend = self.cluster.connect(DATABASE, "backend");
        for (label, key) in self.keys.iter().filter(|(label, _)| *label != "user") {
            let is_imported = imported.contains(&label.as_str());
            let code = backend.verify(key, None, None).code;
            assert_eq!(code, if is_imported { "ok" } else { "not_found" }, "{label}");
            let last = if key.ends_with('0') { '1' } else { '0' };
            let changed = format!("{}{last}", &key[..key.len() - 1]);
            assert_eq!(backend.verify(&changed, None, None).code, "not_found", "{label}, changed");
        }
        let mut db = self.superuser();
        let stored: Vec<String> =
            db.list("SELECT encode(digest, form) FROM token_auth.token, unnest('{hex,base64}'::text[]) form", &[]);
        assert_eq!(stored.len(), 2 * imported.len());
        for digest in stored {
            assert_eq!(backend.verify(&digest, None, None).code, "not_found");
        }
    }

    fn superuser(&self) -> Client {
        self.cluster.connect(DATABASE, "postgres")
    }
}

#[test]
fn tokens_of_laravel_sanctum_keep_working() {
    let migration = Migration::from(|cluster| run(cluster, Command::new("php").arg(path("make_sanctum.php"))));
    assert_eq!(migration.import("sanctum.sql"), 2);
    migration.assert_only(&["good", "all"]);
    for (scope, code) in [("posts-write:use", "ok"), ("mail:read", "ok"), ("mail:send", "insufficient_scope")] {
        assert_eq!(migration.verify("good", Some(scope)).code, code, "{scope}");
    }
    assert_eq!(migration.verify("all", Some("any:thing")).code, "ok");
    let mut db = migration.superuser();
    let row =
        db.row("SELECT owner, expires_at::text, created_at::text FROM token_auth.tokens WHERE name = 'laptop'", &[]);
    let columns: [String; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(columns, ["7", "2099-01-01 00:00:00+00", "2025-01-02 03:04:05+00"]);
}

#[test]
fn tokens_of_django_rest_knox_and_keys_of_djangorestframework_api_key_keep_working() {
    let migration = Migration::from(|cluster| run(cluster, python().arg(path("make_django.py"))));
    assert_eq!(migration.import("knox.sql"), 1);
    assert_eq!(migration.import("api_key.sql"), 1);
    migration.assert_only(&["knox", "key"]);
    let mut db = migration.superuser();
    let owner: String = db.get("SELECT owner FROM token_auth.tokens WHERE expires_at IS NOT NULL", &[]);
    assert_eq!(owner, "1");

    // A key with a slow hash is imported at its first use, once, and then is found like the others.
    db.batch_execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO backend;
         GRANT EXECUTE ON FUNCTION token_auth.import_token TO backend",
    )
    .expect("grants");
    let use_key = |key: &str| {
        let mut first_use = python();
        first_use.arg(path("first_use.py")).arg(migration.account.to_string()).arg(key);
        run_as(&migration.cluster, "backend", &mut first_use).trim().to_owned()
    };
    let key = &migration.keys["key_pbkdf2"];
    assert_eq!(use_key(&format!("{key}x")), "not_found");
    assert_eq!(use_key(&migration.keys["key_revoked"]), "not_found");
    assert_eq!(use_key(&migration.keys["key_expired"]), "not_found");
    let codes: Vec<String> = std::thread::scope(|threads| {
        let uses: Vec<_> = (0..3).map(|_| threads.spawn(|| use_key(key))).collect();
        uses.into_iter().map(|used| used.join().expect("it ends")).collect()
    });
    assert_eq!(codes, ["ok"; 3]);
    migration.assert_only(&["knox", "key", "key_pbkdf2"]);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM rest_framework_api_key_apikey WHERE name = 'from before'", &[]), 0);
}

#[test]
fn keys_of_better_auth_keep_working() {
    let migration = Migration::from(|cluster| {
        fs::copy(path("make_better_auth.mjs"), scratch().join("make_better_auth.mjs"))
            .expect("a copy beside the packages");
        run(cluster, Command::new("node").arg(scratch().join("make_better_auth.mjs")))
    });
    assert_eq!(migration.import("better_auth.sql"), 2);
    migration.assert_only(&["good", "all"]);
    for (scope, code) in [("mail:send", "ok"), ("mail:read", "ok"), ("mail:delete", "insufficient_scope")] {
        assert_eq!(migration.verify("good", Some(scope)).code, code, "{scope}");
    }
    let mut db = migration.superuser();
    let row = db
        .row("SELECT owner, expires_at > now() + interval '29 days' FROM token_auth.tokens WHERE name = 'build'", &[]);
    assert_eq!((row.get::<_, String>(0), row.get::<_, bool>(1)), (migration.keys["user"].clone(), true));
}

#[test]
fn plain_keys_of_a_table_of_users_keep_working() {
    let migration = Migration::from(|cluster| {
        cluster
            .connect(DATABASE, "postgres")
            .batch_execute(
                "CREATE TABLE users (id serial PRIMARY KEY, email text, api_key text, created_at timestamptz DEFAULT now());
                 INSERT INTO users (email, api_key) VALUES ('ann@example.org', 'k_0123456789abcdef0123'), ('bob@example.org', NULL)",
            )
            .expect("a table");
        "ann k_0123456789abcdef0123\n".to_owned()
    });
    assert_eq!(migration.import("plain.sql"), 1);
    migration.assert_only(&["ann"]);
    let hint: String = migration.superuser().get("SELECT hint FROM token_auth.tokens", &[]);
    assert_eq!(hint, "k_0...3");
}

#[test]
fn exported_keys_of_unkey_keep_working() {
    let migration = Migration::from(|cluster| {
        // 1767225600000 is 2026-01-01.
        cluster
            .connect(DATABASE, "postgres")
            .batch_execute(
                "CREATE TABLE unkey_keys (hash text, start text, name text, external_id text, permissions text[], expires bigint,
                                          enabled bool, created_at bigint);
                 INSERT INTO unkey_keys VALUES
                     (encode(sha256('uk_3ZhKp6sLm9Qw2rTy'), 'base64'), 'uk_3Zh', 'ci', 'org_1', '{mail.send}', NULL, true, 1767225600000),
                     (encode(sha256('uk_8YgNc4vBx7Pd1kFj'), 'base64'), 'uk_8Yg', 'off', 'org_1', '{}', NULL, false, 1767225600000),
                     (encode(sha256('uk_5RtHz0aWe2Uo6iMn'), 'base64'), 'uk_5Rt', 'late', 'org_1', '{}', 1767225600000, true, 1767225600000)",
            )
            .expect("a table");
        "ci uk_3ZhKp6sLm9Qw2rTy\noff uk_8YgNc4vBx7Pd1kFj\nlate uk_5RtHz0aWe2Uo6iMn\n".to_owned()
    });
    assert_eq!(migration.import("unkey.sql"), 1);
    migration.assert_only(&["ci"]);
    assert_eq!(migration.verify("ci", Some("mail:send")).code, "ok");
    let created: String = migration.superuser().get("SELECT created_at::text FROM token_auth.tokens", &[]);
    assert_eq!(created, "2026-01-01 00:00:00+00");
}

#[test]
fn abilities_become_scopes_and_never_wider_ones() {
    let migration = Migration::from(|_| String::new());
    let mut db = migration.superuser();
    for (ability, scope) in [
        ("*", "*"),
        ("repo", "repo:use"),
        ("posts-write", "posts-write:use"),
        ("Read Users", "read-users:use"),
        ("admin.audit", "admin.audit:use"),
        ("email", "email:use"),
        ("mail:read", "mail:read"),
        ("Mail:Read", "mail:read"),
        ("mail:*", "mail:*"),
    ] {
        assert_eq!(db.get::<String>("SELECT scope_of($1)", &[&ability]), scope);
    }
    let import =
        "SELECT token_auth.import_token($1, 'x', ARRAY[scope_of($2)], all_domains => true, digest => sha256('x'))";
    for (unmappable, word) in [
        (Some("a:b:c"), "bad_scope"),
        (Some(""), "bad_scope"),
        (Some("-x"), "bad_scope"),
        (Some("é:ü"), "bad_scope"),
        (None, "no_scopes"),
    ] {
        let refusal = db.refused(import, &[&migration.account, &unmappable]);
        assert_eq!((&*refusal.code, &*refusal.constraint), ("22023", word), "{unmappable:?}: {refusal:?}");
    }
}

#[test]
fn the_page_shows_the_statements_that_are_tested() {
    let page = fs::read_to_string(root().join("docs/migrating.md")).expect("the page");
    for file in ["scopes.sql", "sanctum.sql", "knox.sql", "api_key.sql", "better_auth.sql", "plain.sql", "unkey.sql"] {
        assert!(page.contains(example(file).trim_end()), "the page does not show {file}");
    }
    let first_use = example("first_use.py");
    let function =
        first_use.split("def verify").nth(1).and_then(|rest| rest.split("\n\n\n").next()).expect("the function");
    assert!(page.contains(function), "the page does not show first_use.py");
}

fn run(cluster: &Cluster, command: &mut Command) -> String {
    run_as(cluster, "postgres", command)
}

/// Returns what a program prints.
fn run_as(cluster: &Cluster, user: &str, command: &mut Command) -> String {
    let socket = cluster.socket_directory().display().to_string();
    command.envs([("PGHOST", socket.as_str()), ("PGPORT", "5432"), ("PGUSER", user), ("PGDATABASE", DATABASE)]);
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} does not start: {error}; scripts/client_tools.sh gets what is missing")
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The Python with the packages of examples/migrating/requirements.txt.
fn python() -> Command {
    Command::new(scratch().join("venv/bin/python3"))
}

/// Where scripts/client_tools.sh puts the packages, below the target directory.
fn scratch() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    target.join("migrating")
}

fn example(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn path(file: &str) -> PathBuf {
    root().join("examples/migrating").join(file)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
