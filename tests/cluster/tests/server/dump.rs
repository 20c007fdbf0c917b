//! pg_dump and restore, in every format, restore exactly what was there, in every state of a token.

use cluster::{Client, Cluster, Format, NewToken, Sql, TokenAuth, random_part};

const FORMATS: [Format; 4] = [Format::Custom, Format::Plain, Format::Inserts, Format::Jobs];

/// More digits than a float or a bigint holds.
const BIG_NUMBERS: &str = r#"{"big": 123456789012345678901234567890.000000000123456789, "int": 9223372036854775808}"#;

#[test]
fn a_restored_database_holds_the_same_rows_and_answers_alike() {
    let source = Source::start();
    let mut original = source.connect("source");
    let rows = everything(&mut original);
    let answers = source.answers(&mut original);
    assert!(cover_every_code(&answers), "{answers:#?}");

    for format in FORMATS {
        let mut restored = source.restored(format);
        assert_eq!(everything(&mut restored), rows, "{format:?}");
        assert_eq!(source.answers(&mut restored), answers, "{format:?}");
    }
}

#[test]
fn a_dump_of_a_restored_database_is_the_same_dump() {
    let source = Source::start();
    source.restored(Format::Plain);
    let file = source.cluster.file("again.sql");
    source.cluster.dump("plain", Format::Plain, &file);
    assert_eq!(data_lines(&file), data_lines(&source.cluster.file("plain.dump")));
}

#[test]
fn a_dump_of_one_schema_has_the_tokens_only_if_it_names_the_extension() {
    let source = Source::start();
    let answers = source.answers(&mut source.connect("source"));
    for (name, options, has_tokens) in
        [("without", &["--schema=public"][..], false), ("with", &["--schema=public", "--extension=token_auth"], true)]
    {
        let file = source.cluster.file(name);
        source.cluster.dump_script("source", options, &file);
        source.cluster.create_database(name);
        let mut restored = source.connect(name);
        // A new database has the schema already.
        restored.batch_execute("DROP SCHEMA public").expect("an empty schema");
        source.cluster.psql(name, &file);
        let installed = "SELECT count(*) = 1 FROM pg_extension WHERE extname = 'token_auth'";
        assert_eq!(restored.get::<bool>(installed, &[]), has_tokens, "{name}");
        if has_tokens {
            assert_eq!(source.answers(&mut restored), answers);
        }
    }
}

#[test]
fn a_dump_has_none_of_your_own_indexes_and_triggers_on_the_tables() {
    let source = Source::start();
    source
        .connect("source")
        .batch_execute(
            "CREATE INDEX own_index ON token_auth.token (name);
             CREATE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER own_trigger AFTER UPDATE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION public.own()",
        )
        .expect("an index and a trigger");
    let found =
        "SELECT count(*) FROM (SELECT relname FROM pg_class UNION ALL SELECT tgname FROM pg_trigger) AS named (name)
                  WHERE name IN ('own_index', 'own_trigger')";
    assert_eq!(source.connect("source").get::<i64>(found, &[]), 2);
    for format in FORMATS {
        assert_eq!(source.restored(format).get::<i64>(found, &[]), 0, "{format:?}");
    }
}

#[test]
fn ids_go_on_after_a_restore() {
    let source = Source::start();
    for format in FORMATS {
        let mut restored = source.restored(format);
        let [accounts, domains, tokens, accesses] =
            ["account", "domain", "token", "token_access"].map(|table| highest_id(&mut restored, table));
        let account = restored.account("made after the restore");
        let domain = restored.domain(account, "new.example");
        assert!(account > accounts && domain.id > domains && domain.token.id > tokens, "{format:?}");
        assert!(highest_id(&mut restored, "token_access") > accesses, "{format:?}");
        assert!(restored.is_good(&domain.token.secret));
    }
}

#[test]
fn the_presets_come_with_the_extension_and_not_with_the_dump() {
    let source = Source::start();
    let file = source.cluster.file("plain.dump");
    source.cluster.dump("source", Format::Plain, &file);
    let data = data_lines(&file);
    assert!(data.iter().any(|line| line.starts_with("own\t")), "{data:#?}");
    assert!(!data.iter().any(|line| line.starts_with("default\t")), "{data:#?}");
}

#[test]
fn a_restored_database_keeps_guarding_the_last_token() {
    let source = Source::start();
    for format in FORMATS {
        let mut restored = source.restored(format);
        let last: i64 = restored.get("SELECT id FROM token_auth.token WHERE name = 'the last one'", &[]);
        assert_eq!(restored.refused("SELECT token_auth.delete_token($1)", &[&last]).code, "23001", "{format:?}");
    }
}

#[test]
fn no_secret_is_in_a_dump() {
    let source = Source::start();
    let file = source.cluster.file("plain.dump");
    for format in [Format::Plain, Format::Inserts] {
        source.cluster.dump("source", format, &file);
        let dump = std::fs::read_to_string(&file).expect("the dump");
        for token in &source.tokens {
            assert!(!dump.contains(random_part(&token.secret)), "{format:?}: the secret of token {}", token.id);
        }
    }
}

#[test]
fn every_table_and_sequence_is_marked_to_be_dumped() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.create_database_with_token_auth("app");
    let forgotten: Vec<String> = db.list(
        "SELECT c.oid::regclass::text
         FROM pg_class c, pg_extension e
         WHERE e.extname = 'token_auth' AND c.relnamespace = 'token_auth'::regnamespace AND c.relkind IN ('r', 'p', 'S')
           AND c.oid <> ALL (e.extconfig)",
        &[],
    );
    assert_eq!(forgotten, Vec::<String>::new());
}

/// A database with every kind of state, and the secrets of its tokens.
struct Source {
    cluster: Cluster,
    tokens: Vec<NewToken>,
}

impl Source {
    fn start() -> Source {
        let cluster = Cluster::builder().start();
        let mut db = cluster.create_database_with_token_auth("source");
        db.own_profile("own", r#"{"secret_prefix": "own_", "reset_grace": "90 minutes", "keeps_last_token": false}"#);
        db.run(
            "INSERT INTO token_auth.profile_resource (profile, resource, actions)
             VALUES ('own', 'email', '{read,send}'), ('own', 'stats', '{read}')",
            &[],
        );
        let mut tokens = tokens_of_a_busy_account(&mut db);
        tokens.extend(tokens_of_a_paused_account(&mut db));
        tokens.extend(tokens_of_an_account_under_its_own_profile(&mut db));
        Source { cluster, tokens }
    }

    fn connect(&self, database: &str) -> Client {
        self.cluster.connect(database, "postgres")
    }

    /// The database, dumped in a format and restored under that format's name.
    fn restored(&self, format: Format) -> Client {
        let name = format!("{format:?}").to_lowercase();
        let file = self.cluster.file(&format!("{name}.dump"));
        self.cluster.dump("source", format, &file);
        self.cluster.create_database(&name);
        self.cluster.restore(&name, format, &file);
        self.connect(&name)
    }

    /// Returns the verification of each secret for each scope and domain.
    fn answers(&self, db: &mut Client) -> Vec<String> {
        let mut answers = Vec::new();
        for token in &self.tokens {
            for scope in [None, Some("email:send"), Some("email:read"), Some("stats:read"), Some("billing:read")] {
                for domain in
                    [None, Some("mail.example"), Some("SHOP.example"), Some("bare.example"), Some("none.example")]
                {
                    let answer = db.verify(&token.secret, scope, domain);
                    answers.push(format!("token {} {scope:?} {domain:?}: {}", token.id, answer.row));
                }
            }
        }
        answers
    }
}

fn cover_every_code(answers: &[String]) -> bool {
    ["not_found", "paused", "expired", "domain_not_allowed", "insufficient_scope", "ok"]
        .iter()
        .all(|code| answers.iter().any(|answer| answer.contains(&format!(",{code},"))))
}

fn tokens_of_a_busy_account(db: &mut Client) -> Vec<NewToken> {
    let account = db.account("Busy \"quoted\", \\ and näïve; 漢字");
    db.run("SELECT token_auth.add_account_admin($1, 'alice')", &[&account]);
    db.run("SELECT token_auth.add_account_admin($1, 'bob@example.org')", &[&account]);
    let mail = db.domain(account, "mail.example");
    let shop = db.domain(account, "Shop.Example");
    let last = db.domain(account, "last.example");
    db.run("SELECT token_auth.rename_token($1, 'the last one')", &[&last.token.id]);
    db.run("SELECT token_auth.set_domain_verified($1, true)", &[&mail.id]);

    let paused = db.token(account, "paused", &["email:send"], "mail.example");
    db.run("SELECT token_auth.pause_token($1)", &[&paused.id]);

    let retiring = db.token(account, "retiring", &["email:*"], "mail.example");
    let successor = reset(db, &retiring);

    let orphan = db.token(account, "replaced by a token that is gone", &["email:*"], "mail.example");
    let gone = reset(db, &orphan);
    db.run("SELECT token_auth.delete_token($1)", &[&gone.id]);

    let expired = db.token(account, "expired, not swept", &["email:*"], "mail.example");
    db.run("UPDATE token_auth.token SET expires_at = now() - interval '1 hour' WHERE id = $1", &[&expired.id]);

    let several = db.token(account, "on several domains", &["email:send"], "mail.example");
    db.run("SELECT token_auth.grant_access($1, '{email:read,stats:*}', domain => 'shop.example')", &[&several.id]);
    let everywhere = db.account_token(account, "everywhere", &["email:full", "*:read"]);
    let big = db.account_token(account, "with big numbers", &["*"]);
    db.run("SELECT token_auth.set_token_metadata($1, $2::text::jsonb)", &[&big.id, &BIG_NUMBERS]);
    db.run("SELECT token_auth.set_token_expiry($1, '2200-01-01')", &[&big.id]);

    let ended = domain_without_a_live_token(db, account);
    vec![
        mail.token, shop.token, last.token, paused, retiring, successor, orphan, gone, expired, several, everywhere,
        big, ended,
    ]
}

fn tokens_of_a_paused_account(db: &mut Client) -> Vec<NewToken> {
    let account = db.account("paused");
    let mail = db.domain(account, "mail.example");
    db.run("SELECT token_auth.pause_account($1)", &[&account]);
    vec![mail.token]
}

fn tokens_of_an_account_under_its_own_profile(db: &mut Client) -> Vec<NewToken> {
    let account: i64 = db.get(
        "SELECT token_auth.create_account(name => 'own rules', profile => 'own', metadata => $1::text::jsonb)",
        &[&BIG_NUMBERS],
    );
    let mail = db.domain(account, "mail.example");
    let limited = db.token(account, "limited", &["stats:read"], "mail.example");
    // Its domain has no live token: this profile has no keeps_last_token, and the next one has.
    db.run("SELECT token_auth.delete_token($1)", &[&limited.id]);
    db.run("SELECT token_auth.delete_token($1)", &[&mail.token.id]);
    db.run("SELECT token_auth.set_account_profile($1, 'default')", &[&account]);
    db.run("SELECT token_auth.set_account_profile($1, 'own')", &[&account]);
    let everywhere = db.account_token(account, "everywhere", &["email:send"]);
    vec![mail.token, limited, everywhere]
}

/// A state that no function creates: the profile has keeps_last_token, and the domain has no live token.
fn domain_without_a_live_token(db: &mut Client, account: i64) -> NewToken {
    let bare = db.domain(account, "bare.example");
    db.run("ALTER TABLE token_auth.token DISABLE TRIGGER ALL", &[]);
    db.run("UPDATE token_auth.token SET expires_at = now() - interval '2 days' WHERE id = $1", &[&bare.token.id]);
    db.run("ALTER TABLE token_auth.token ENABLE TRIGGER ALL", &[]);
    bare.token
}

fn reset(db: &mut Client, token: &NewToken) -> NewToken {
    let row = db.row("SELECT token_id, secret FROM token_auth.reset_token(id => $1)", &[&token.id]);
    NewToken { id: row.get(0), secret: row.get(1) }
}

/// Every row of every table, and the state of every sequence, as the extension marks them to be dumped.
fn everything(db: &mut Client) -> Vec<String> {
    let relations: Vec<String> = db.list(
        "SELECT config::regclass::text
         FROM pg_extension, unnest(extconfig) config
         WHERE extname = 'token_auth'
         ORDER BY 1",
        &[],
    );
    assert!(relations.len() > 6, "{relations:?}");
    let mut rows = Vec::new();
    for relation in relations {
        // A sequence's log_cnt counts what the WAL has ahead, which is no part of its state.
        let columns = if relation.ends_with("_seq") { "(last_value, is_called)::text" } else { "r::text" };
        let of_relation: Vec<String> = db.list(&format!("SELECT {columns} AS row FROM {relation} r ORDER BY row"), &[]);
        rows.extend(of_relation.iter().map(|row| format!("{relation}: {row}")));
    }
    rows
}

fn highest_id(db: &mut Client, table: &str) -> i64 {
    db.get(&format!("SELECT max(id) FROM token_auth.{table}"), &[])
}

/// The lines of a plain dump that are rows or set a sequence, sorted.
fn data_lines(file: &std::path::Path) -> Vec<String> {
    let dump = std::fs::read_to_string(file).expect("the dump");
    let mut lines: Vec<String> = dump
        .lines()
        .filter(|line| line.contains('\t') || line.starts_with("SELECT pg_catalog.setval"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}
