//! pg_dump and restore, in every format, restore exactly what was there, in every state of a token.

use cluster::scene::every_state::{EveryState, everything};
use cluster::{Client, Cluster, Format, Sql, TokenAuth, random_part};

const FORMATS: [Format; 4] = [Format::Custom, Format::Plain, Format::Inserts, Format::Jobs];

#[test]
fn a_restored_database_holds_the_same_rows_and_answers_alike() {
    let source = Source::start();
    let mut original = source.connect("source");
    let rows = everything(&mut original);
    let answers = source.state.answers(&mut original);

    for format in FORMATS {
        let mut restored = source.restored(format);
        assert_eq!(everything(&mut restored), rows, "{format:?}");
        assert_eq!(source.state.answers(&mut restored), answers, "{format:?}");
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
    let answers = source.state.answers(&mut source.connect("source"));
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
            assert_eq!(source.state.answers(&mut restored), answers);
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
        for token in &source.state.tokens {
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
    state: EveryState,
}

impl Source {
    fn start() -> Source {
        let cluster = Cluster::builder().start();
        let mut db = cluster.create_database_with_token_auth("source");
        let state = EveryState::create(&mut db);
        Source { cluster, state }
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
