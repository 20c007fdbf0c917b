//! The ways into a cluster: sessions, psql, dump and restore.

use super::Cluster;
use crate::{
    programs::{run, text, without_libpq_variables},
    sql::{Sql, describe},
};
use postgres::{Client, NoTls};
use std::{
    fs::File,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

/// The forms in which `pg_dump` writes a database.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// `--format=custom`, read by `pg_restore`.
    Custom,
    /// A script with COPY.
    Plain,
    /// A script with one INSERT a row.
    Inserts,
    /// `--format=custom`, read by `pg_restore` with several jobs, as the README says.
    Jobs,
}

impl Cluster {
    /// A session as `role` in `database`.
    pub fn connect(&self, database: &str, role: &str) -> Client {
        self.try_connect(database, role)
            .unwrap_or_else(|error| panic!("{role} cannot connect to {database}: {}", describe(&error)))
    }

    /// The same where a refusal is a possible answer.
    pub fn try_connect(&self, database: &str, role: &str) -> Result<Client, postgres::Error> {
        self.config(database, role).connect(NoTls)
    }

    /// A session with settings in its startup packet, as `PGOPTIONS` has libpq send them.
    pub fn try_connect_with_options(
        &self,
        database: &str,
        role: &str,
        options: &str,
    ) -> Result<Client, postgres::Error> {
        self.config(database, role).options(options).connect(NoTls)
    }

    /// A session, and the notices and warnings that it receives.
    pub fn connect_listening(&self, database: &str, role: &str) -> (Client, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        let client = self
            .config(database, role)
            .notice_callback(move |notice| {
                let line = format!("{}: {} {}", notice.severity(), notice.message(), notice.hint().unwrap_or_default());
                listener.lock().expect("no listener panics").push(line);
            })
            .connect(NoTls)
            .unwrap_or_else(|error| panic!("{role} cannot connect to {database}: {}", describe(&error)));
        (client, heard)
    }

    /// An empty database.
    pub fn create_database(&self, name: &str) {
        self.connect("postgres", "postgres").run(&format!("CREATE DATABASE \"{name}\""), &[]);
    }

    /// A database with the extension in it, and a superuser's session there.
    pub fn create_database_with_token_auth(&self, name: &str) -> Client {
        self.programs.require_extension("token_auth");
        self.create_database(name);
        let mut db = self.connect(name, "postgres");
        db.run("CREATE EXTENSION token_auth", &[]);
        db
    }

    /// Runs a script in psql, which stops at the first error; returns what psql printed.
    pub fn psql(&self, database: &str, script: &Path) -> String {
        let mut command = self.client_program("psql", database);
        command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"]).arg(script);
        text(&run(&mut command))
    }

    /// Runs a script in psql, which goes on after errors; returns all that a person at the terminal would see.
    pub fn psql_transcript(&self, database: &str, script: &Path) -> String {
        let psql = self.client_program("psql", database);
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(psql.get_program()).args(psql.get_args());
        // From standard input, so that an error is shown without the name of a file before it.
        command.args(["--no-psqlrc", "--quiet"]);
        let script = File::open(script).unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        text(&run(without_libpq_variables(&mut command).stdin(script)))
    }

    /// Writes a dump of a database to `file`.
    pub fn dump(&self, database: &str, format: Format, file: &Path) {
        let mut command = self.client_program("pg_dump", database);
        match format {
            Format::Custom | Format::Jobs => command.arg("--format=custom"),
            Format::Plain => command.arg("--format=plain"),
            Format::Inserts => command.args(["--format=plain", "--inserts"]),
        };
        run(command.arg("--file").arg(file));
    }

    /// Reads a dump back into a database that exists and is empty; any error panics.
    pub fn restore(&self, database: &str, format: Format, file: &Path) {
        match format {
            Format::Custom => {
                run(self.client_program("pg_restore", database).arg("--exit-on-error").arg(file));
            }
            Format::Jobs => {
                let mut command = self.client_program("pg_restore", database);
                command.env("PGOPTIONS", "-c session_replication_role=replica");
                run(command.args(["--exit-on-error", "--jobs=3"]).arg(file));
            }
            Format::Plain | Format::Inserts => {
                self.psql(database, file);
            }
        }
    }

    /// Reads a dump back in one transaction, over what is there.
    pub fn restore_clean(&self, database: &str, file: &Path) {
        let mut command = self.client_program("pg_restore", database);
        run(command.args(["--clean", "--if-exists", "--single-transaction"]).arg(file));
    }

    fn client_program(&self, program: &str, database: &str) -> Command {
        let mut command = self.programs.client(program);
        command.arg("--host").arg(self.socket_directory()).args(["--username=postgres", "--dbname", database]);
        command
    }

    fn config(&self, database: &str, role: &str) -> postgres::Config {
        let mut config = postgres::Config::new();
        config.host_path(self.socket_directory()).dbname(database).user(role);
        config
    }
}
