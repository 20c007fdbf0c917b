//! The cluster that scripts/bench.sh has started: its sessions, and the programs of its PostgreSQL.

use cluster::Sql as _;
use postgres::{Client, Config, NoTls};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub struct Server {
    socket: PathBuf,
    pg_config: PathBuf,
    bindir: PathBuf,
}

impl Server {
    pub fn from_environment() -> Server {
        let variable =
            |name: &str| env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/bench.sh"));
        let pg_config = PathBuf::from(variable("PG_CONFIG"));
        let bindir = ask(&pg_config, "--bindir").into();
        Server { socket: variable("PGHOST").into(), pg_config, bindir }
    }

    /// Opens a session of a superuser.
    pub fn connect(&self, database: &str) -> Client {
        self.connect_with(database, "")
    }

    /// Opens a session of a superuser with settings, as libpq sends those of PGOPTIONS.
    pub fn connect_with(&self, database: &str, options: &str) -> Client {
        let mut config = Config::new();
        config.host_path(&self.socket).dbname(database).user("postgres").options(options);
        config.connect(NoTls).unwrap_or_else(|error| panic!("no connection to {database}: {error:?}"))
    }

    /// Opens a session of a superuser in the database `postgres`.
    pub fn admin(&self) -> Client {
        self.connect("postgres")
    }

    /// Returns a client program. It finds the cluster by the variables that scripts/bench.sh sets.
    pub fn program(&self, name: &str, options: &str) -> Command {
        let mut command = Command::new(self.bindir.join(name));
        command.env("PGOPTIONS", options);
        command
    }

    pub fn pg_config(&self, question: &str) -> String {
        ask(&self.pg_config, question)
    }

    /// Changes a setting of the running server.
    pub fn reload_with(&self, setting: &str, value: &str) {
        let mut admin = self.admin();
        admin.run(&format!("ALTER SYSTEM SET {setting} = '{value}'"), &[]);
        admin.run("SELECT pg_reload_conf()", &[]);
    }

    /// Returns a file beside the socket, which the server can read, and which is removed with the cluster.
    pub fn scratch_file(&self, name: &str) -> PathBuf {
        self.socket.join(name)
    }
}

fn ask(pg_config: &Path, question: &str) -> String {
    let output = run(Command::new(pg_config).arg(question));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a program. If it fails, the benchmark ends with its output.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    check(command, output)
}

pub fn check(command: &Command, output: Output) -> Output {
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
