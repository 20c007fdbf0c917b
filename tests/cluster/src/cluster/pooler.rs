//! A pgbouncer in transaction mode: many clients share one connection to the server.

use super::Cluster;
use crate::{
    clock::wait_for,
    programs::{run, text},
    sql::describe,
};
use postgres::{Client, NoTls};
use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};
use tempfile::TempDir;

/// Drop ends the process and removes its files.
pub struct Pooler {
    process: Child,
    /// The directory of the configuration, the log and the socket.
    home: TempDir,
    database: String,
}

impl Cluster {
    /// Starts a pooler with one connection, as `role`, to `database`, with more settings.
    pub fn pooler(&self, database: &str, role: &str, settings: &[(&str, &str)]) -> Pooler {
        let home = TempDir::with_prefix_in("token_auth.", "/tmp").expect("a directory under /tmp");
        self.programs.give_to_server(home.path());
        let configuration = home.path().join("pgbouncer.ini");
        let mut lines = format!(
            "[databases]
             {database} = host={} dbname={database} user={role}
             [pgbouncer]
             pool_mode = transaction
             default_pool_size = 1
             max_db_connections = 1
             auth_type = any
             unix_socket_dir = {}
             listen_port = {PORT}
             query_wait_timeout = 30\n",
            self.socket_directory().display(),
            home.path().display()
        );
        for (name, value) in prepared_statements().iter().chain(settings) {
            lines += &format!("{name} = {value}\n");
        }
        std::fs::write(&configuration, lines).expect("a file of ours");

        let log = File::create(home.path().join("log")).expect("a file of ours");
        let mut command = Command::new(program());
        // It refuses to stay root, and becomes somebody else without another process between us and it.
        command.args(self.programs.server_user().iter().flat_map(|user| ["-u", user])).arg(configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut pooler = Pooler { process, home, database: database.to_owned() };
        pooler.wait_until_it_answers();
        pooler
    }
}

impl Pooler {
    /// A client of the pooler.
    pub fn connect(&self) -> Client {
        self.try_connect(None).unwrap_or_else(|error| panic!("the pooler: {}", describe(&error)))
    }

    /// The same with command-line options for the server, as `PGOPTIONS` has them.
    pub fn try_connect(&self, options: Option<&str>) -> Result<Client, postgres::Error> {
        let mut config = postgres::Config::new();
        config.host_path(self.home.path()).port(PORT).dbname(&self.database).user("client");
        options.map(|options| config.options(options));
        config.connect(NoTls)
    }

    fn wait_until_it_answers(&mut self) {
        wait_for("the pooler", Duration::from_secs(20), || {
            let ended = self.process.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "the pooler ended:\n{}", self.log());
            self.try_connect(None).ok()
        });
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the pooler's log\n{}\n---", self.log());
        }
        // Already ended is fine, and there is nothing to be done about a failure here: no panic in a panic.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A part of the socket's name only.
const PORT: u16 = 6432;

/// `$TOKEN_AUTH_PGBOUNCER`, else the system's, else what scripts/test_tools.sh put into the target directory.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = env::var_os("TOKEN_AUTH_PGBOUNCER") {
            return named.into();
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let installed =
            env::split_paths(&path).chain(["/usr/sbin".into()]).map(|directory| directory.join("pgbouncer"));
        let test = env::current_exe().expect("this test is a file");
        let unpacked = test.ancestors().map(|directory| directory.join("tools/pgbouncer"));
        installed.chain(unpacked).find(|program| program.is_file()).unwrap_or_else(|| {
            panic!(
                "There is no pgbouncer here. `make test` gets one where there is an apt-get; \
                 otherwise install it, or set TOKEN_AUTH_PGBOUNCER to where it is."
            )
        })
    })
}

/// Since 1.21 a pooler knows which statements each client has prepared. Before that it passes on what it is sent, so
/// statements that a client has prepared are there for it as long as the one connection to the server is.
fn prepared_statements() -> &'static [(&'static str, &'static str)] {
    let printed = text(&run(Command::new(program()).arg("--version")));
    let version = printed.split_whitespace().find_map(|word| {
        let mut numbers = word.split('.').map(|number| number.parse::<u32>().ok());
        Some((numbers.next()??, numbers.next()??))
    });
    let version = version.unwrap_or_else(|| panic!("not a version of pgbouncer: {printed}"));
    if version >= (1, 21) { &[("max_prepared_statements", "100")] } else { &[] }
}
