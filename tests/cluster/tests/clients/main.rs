//! The clients of docs/clients.md: each example runs, prints what the page says, and puts the secret where the page says.

mod leaked;

use std::env;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::thread;

use cluster::{Cluster, Sql, shared};

/// Whether a client sends a secret in the text of the statement, which the server may log.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Secret {
    IsParameter,
    IsInText,
}
use Secret::{IsInText, IsParameter};

/// What the last line of an example says: the SQLSTATE of a NULL in `account_id`, and the word of the error if the client
/// has it.
const WITH_WORD: &str = "22004 null_argument";
const WITHOUT_WORD: &str = "22004";

const DATABASE: &str = "app";

#[test]
fn psycopg() {
    check(python("python_psycopg.py"), IsParameter, WITH_WORD);
}

#[test]
fn psycopg2() {
    check(python("python_psycopg2.py"), IsInText, WITH_WORD);
}

#[test]
fn asyncpg() {
    check(python("python_asyncpg.py"), IsParameter, WITH_WORD);
}

#[test]
fn sqlalchemy() {
    check(python("python_sqlalchemy.py"), IsInText, WITH_WORD);
}

#[test]
fn sqlalchemy_prints_parameters_in_exceptions_unless_they_are_hidden() {
    for (hides, shown) in [(true, "False"), (false, "True")] {
        let change = |text: String| {
            text.replace(
                "hide_parameters=True",
                if hides { "hide_parameters=bool(1)" } else { "hide_parameters=False" },
            )
            .replace(
                "print(error.orig.pgcode, error.orig.diag.constraint_name)",
                "print(\"'account': None\" in str(error))",
            )
        };
        let (output, _) = run(interpreter_of_changed("/usr/bin/python3", "python_sqlalchemy.py", change));
        assert_eq!(output, format!("ok pro\nmade\nok 1\n{shown}\n"));
    }
}

#[test]
fn django() {
    check(python("python_django.py"), IsInText, WITH_WORD);
}

#[test]
fn node_postgres() {
    check(node("node_pg.mjs"), IsParameter, WITH_WORD);
}

#[test]
fn postgres_js() {
    check(node("node_postgres.mjs"), IsParameter, WITH_WORD);
}

#[test]
fn drizzle() {
    check(node("node_drizzle.mjs"), IsParameter, WITH_WORD);
}

#[test]
fn typeorm() {
    check(node("node_typeorm.mjs"), IsParameter, WITH_WORD);
}

#[test]
fn prisma() {
    check(node("node_prisma.mjs"), IsParameter, WITHOUT_WORD);
}

#[test]
fn jdbc() {
    let mut java = Command::new("java");
    java.args(["-cp", "/usr/share/java/postgresql.jar"]).arg(example("Jdbc.java"));
    check(java, IsParameter, WITH_WORD);
}

/// A batch is a pipeline: its statements are sent before the first is answered.
#[test]
fn a_batch_of_jdbc_needs_a_transaction_block_for_authenticate() {
    let batch = |text: String| {
        text.replace(
            "            connection.setAutoCommit(false);\n",
            "            try (PreparedStatement batch = connection.prepareStatement(
                    \"SELECT code FROM token_auth.authenticate(?)\")) {
                for (int number = 0; number < 2; number++) {
                    batch.setString(1, secret);
                    batch.addBatch();
                }
                batch.executeBatch();
            } catch (BatchUpdateException error) {
                System.out.println(error.getSQLState());
            }
            connection.setAutoCommit(false);\n",
        )
    };
    let mut java = Command::new("java");
    java.args(["-cp", "/usr/share/java/postgresql.jar"]).arg(changed("Jdbc.java", batch));
    assert_eq!(run(java).0, format!("ok pro\nmade\n25P01\nok 1\n{WITH_WORD}\n"));
}

#[test]
fn perl_dbi() {
    check(interpreter("perl", "perl_dbi.pl"), IsParameter, WITH_WORD);
}

#[test]
fn php_pdo() {
    check(interpreter("php", "php_pdo.php"), IsParameter, WITHOUT_WORD);
}

#[test]
fn php_pdo_emulates_parameters_if_it_is_told_to() {
    let emulated = |text: String| text.replace("ATTR_EMULATE_PREPARES => false", "ATTR_EMULATE_PREPARES => true");
    check(interpreter_of_changed("php", "php_pdo.php", emulated), IsInText, WITHOUT_WORD);
}

#[test]
fn ruby_pg() {
    check(interpreter("ruby", "ruby_pg.rb"), IsParameter, WITH_WORD);
}

#[test]
fn active_record() {
    check(interpreter("ruby", "ruby_activerecord.rb"), IsParameter, WITH_WORD);
}

/// Its query cache outlives `authenticate`: it answers one token with the rows of another.
#[test]
fn the_query_cache_of_active_record_outlives_authenticate() {
    let cached = |text: String| {
        text.replace(
            "  code = row(\"SELECT code FROM token_auth.authenticate($1)\", bind(secret))[\"code\"]\n",
            "  ActiveRecord::Base.connection.enable_query_cache!\n  Message.count\n  \
             code = ActiveRecord::Base.connection.select_value(\n    \
             \"SELECT code FROM token_auth.authenticate($1)\", \"SQL\", [bind(secret)])\n",
        )
        .replace("Message.uncached { Message.count }", "Message.count")
    };
    let (output, _) = run(interpreter_of_changed("ruby", "ruby_activerecord.rb", cached));
    assert_eq!(output, format!("ok pro\nmade\nok 0\n{WITH_WORD}\n"), "the count of nobody");
}

#[test]
fn go_pgx() {
    check(go(&example("go_pgx.go")), IsParameter, WITH_WORD);
}

#[test]
fn go_pgx_puts_the_secret_into_the_text_with_the_simple_protocol() {
    let simple = |text: String| {
        text.replace("pgx.Connect(ctx, \"\")", "simple(ctx)").replace(
            "db.QueryRow(ctx, create, 1, []string{\"email:read\"}, map[string]string{\"plan\": \"free\"})",
            "db.QueryRow(ctx, create, 1, \"{email:read}\", \"{}\")",
        ) + "\nfunc simple(ctx context.Context) (*pgx.Conn, error) {\n\tconfig, err := pgx.ParseConfig(\"\")\n\t\
               check(err)\n\tconfig.PreferSimpleProtocol = true\n\treturn pgx.ConnectConfig(ctx, config)\n}\n"
    };
    check(go(&changed("go_pgx.go", simple)), IsInText, WITH_WORD);
}

#[test]
fn tokio_postgres() {
    check(Command::new(env!("CARGO_BIN_EXE_rust_tokio_postgres")), IsParameter, WITH_WORD);
}

#[test]
fn sqlx() {
    check(Command::new(env!("CARGO_BIN_EXE_rust_sqlx")), IsParameter, WITH_WORD);
}

#[test]
fn alembic_leaves_token_auth_alone_unless_it_is_told_to_look_at_all_schemas() {
    let mut alembic = Command::new("/usr/bin/python3");
    alembic.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/alembic_autogenerate.py"));
    assert_eq!(run_as("postgres", alembic).0, "0 7 0\n");
}

#[test]
fn drizzle_kit_pulls_the_schema_public_only() {
    let directory = scratch("clients");
    let out = directory.join("pulled");
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/drizzle.config.mjs"),
        directory.join("drizzle.config.mjs"),
    )
    .expect("a copy beside the packages");
    let mut pull = Command::new("npx");
    pull.current_dir(&directory).env("DRIZZLE_OUT", "pulled").args([
        "drizzle-kit",
        "pull",
        "--config=drizzle.config.mjs",
    ]);
    run_as("postgres", pull);
    let schema = fs::read_to_string(out.join("schema.ts")).expect("the pulled schema");
    assert!(schema.contains("pgTable(\"message\"") && !schema.contains("token_access"), "{schema}");
}

#[test]
fn structure_sql_of_rails_has_the_extension_and_not_its_tables() {
    let mut ruby = Command::new("ruby");
    ruby.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/rails_structure.rb"));
    ruby.arg(scratch("clients").join("structure.sql"));
    assert_eq!(run_as("postgres", ruby).0, "true false true\n");
}

#[test]
fn typeorm_synchronizes_the_tables_of_its_entities_only() {
    let synchronized = |text: String| {
        text.replace("import { DataSource }", "import { DataSource, EntitySchema }")
            .replace("synchronize: false", "synchronize: true, entities: [new EntitySchema({ name: \"thing\", columns: { id: { type: Number, primary: true } } })]")
    };
    let copy = changed("node_typeorm.mjs", synchronized);
    let mut node = Command::new("node");
    node.arg(copy);
    assert_eq!(run_as("postgres", node).0, format!("ok pro\nmade\nok 2\n{WITH_WORD}\n"), "a superuser sees all rows");
}

/// The page shows lines of the examples, so that it is tested with them.
#[test]
fn each_line_of_code_on_the_page_is_in_its_example() {
    let page = fs::read_to_string(root().join("docs/clients.md")).expect("the page");
    let mut shown = 0;
    for section in page.split("\n## ").skip(1) {
        let Some(name) = section.split("](../examples/clients/").nth(1).and_then(|rest| rest.split(')').next()) else {
            continue;
        };
        let text = fs::read_to_string(example(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let blocks = section.split("```").skip(1).step_by(2);
        for line in blocks.flat_map(|block| block.lines().skip(1)).map(str::trim).filter(|line| !line.is_empty()) {
            assert!(text.lines().any(|of_example| of_example.trim() == line), "{name} has no line {line}");
            shown += 1;
        }
    }
    assert!(shown > 50, "{shown} lines");
}

/// Runs an example and compares what it prints and where the secret is.
#[track_caller]
fn check(command: Command, expected: Secret, refusal: &str) {
    let (output, secret) = run(command);
    assert_eq!(output, format!("ok pro\nmade\nok 1\n{refusal}\n"));
    assert_eq!(secret, expected);
}

/// Runs an example with a token of its own. Returns what it printed, and where the secret was.
#[track_caller]
fn run(command: Command) -> (String, Secret) {
    run_as("backend", command)
}

#[track_caller]
fn run_as(user: &str, mut command: Command) -> (String, Secret) {
    let server = server();
    // A token of its own, so that the log shows which example wrote the secret.
    let create = "SELECT secret FROM token_auth.create_token(1, 'client', '{email:read}', 'acme.example',
                                                             metadata => '{\"plan\": \"pro\"}')";
    let secret: String = server.connect(DATABASE, "postgres").get(create, &[]);
    let port = forward(server.socket_directory());
    let variables = [
        ("PGHOST", server.socket_directory().display().to_string()),
        ("PGPORT", "5432".to_owned()),
        ("PGUSER", user.to_owned()),
        ("PGDATABASE", DATABASE.to_owned()),
        ("SECRET", secret.clone()),
        ("JDBC_URL", format!("jdbc:postgresql://127.0.0.1:{port}/{DATABASE}?user={user}")),
        ("DATABASE_URL", format!("postgresql://{user}@127.0.0.1:{port}/{DATABASE}")),
    ];
    let output = command.envs(variables).output().unwrap_or_else(|error| {
        panic!("{command:?} does not start: {error}; scripts/client_tools.sh gets what is missing")
    });
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{printed}{complaint}", output.status);
    let is_logged = server.log().text().contains(&secret);
    (printed, if is_logged { IsInText } else { IsParameter })
}

/// A server that logs all statements and no parameters, with a database as examples/clients/setup.sql makes it.
fn server() -> Arc<Cluster> {
    static SERVER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    shared(&SERVER, || {
        let cluster = Cluster::builder()
            .preload("token_auth")
            .setting("log_statement", "all")
            .setting("log_parameter_max_length", "0")
            .start();
        cluster.create_database(DATABASE);
        cluster.psql(DATABASE, &example("setup.sql"));
        cluster
    })
}

/// Forwards a TCP port to the server's socket, for clients that know no other. Returns the port.
fn forward(directory: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let socket = directory.join(".s.PGSQL.5432");
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.expect("a client"), UnixStream::connect(&socket).expect("the server"));
            let (mut from_client, mut to_server) = both(&client, &server);
            let (mut to_client, mut from_server) = both(&client, &server);
            thread::spawn(move || io::copy(&mut from_client, &mut to_server));
            thread::spawn(move || io::copy(&mut from_server, &mut to_client));
        }
    });
    port
}

fn both(client: &TcpStream, server: &UnixStream) -> (TcpStream, UnixStream) {
    (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"))
}

/// Debian's Python, which has Debian's packages.
fn python(name: &str) -> Command {
    interpreter("/usr/bin/python3", name)
}

/// The packages are beside the copies of the examples that scripts/client_tools.sh makes.
fn node(name: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(scratch("clients").join(name));
    node
}

fn interpreter(program: &str, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(example(name));
    command
}

/// Debian's Go, with Debian's packages.
fn go(program: &Path) -> Command {
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOCACHE", scratch("go-build"));
    go.arg("run").arg(program);
    go
}

/// Runs a changed copy of an example.
fn interpreter_of_changed(program: &str, name: &str, change: impl FnOnce(String) -> String) -> Command {
    let mut command = Command::new(program);
    command.arg(changed(name, change));
    command
}

/// Makes a changed copy of an example.
fn changed(name: &str, change: impl FnOnce(String) -> String) -> PathBuf {
    let text = fs::read_to_string(example(name)).expect("an example");
    let changed = change(text.clone());
    assert_ne!(changed, text, "{name} has nothing to change");
    let directory = scratch("clients");
    fs::create_dir_all(&directory).expect("a directory");
    let copy = directory.join(format!("changed_{name}"));
    fs::write(&copy, changed).expect("a copy");
    copy
}

fn example(name: &str) -> PathBuf {
    root().join("examples/clients").join(name)
}

/// A directory below the target directory.
fn scratch(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    target.join(name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
