//! The clients of a cluster: sessions, psql, dump and restore.

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

/// The formats of `pg_dump`.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// `--format=custom`, read by `pg_restore`.
    Custom,
    /// A script with COPY.
    Plain,
    /// A script with one INSERT a row.
    Inserts,
    /// `--format=custom`, read by `pg_restore` with several jobs, as documented.
    Jobs,
}

impl Cluster {
    /// Opens a session of `role` in `database`.
    pub fn connect(&self, database: &str, role: &str) -> Client {
        self.try_connect(database, role)
            .unwrap_or_else(|error| panic!("{role} cannot connect to {database}: {}", describe(&error)))
    }

    /// Opens a session that may be refused.
    pub fn try_connect(&self, database: &str, role: &str) -> Result<Client, postgres::Error> {
        self.config(database, role).connect(NoTls)
    }

    /// Opens a session with settings in its startup packet, as libpq sends those of `PGOPTIONS`.
    pub fn try_connect_with_options(
        &self,
        database: &str,
        role: &str,
        options: &str,
    ) -> Result<Client, postgres::Error> {
        self.config(database, role).options(options).connect(NoTls)
    }

    /// Opens a session, and returns the notices and warnings that it receives, too.
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

    /// Creates an empty database.
    pub fn create_database(&self, name: &str) {
        self.connect("postgres", "postgres").run(&format!("CREATE DATABASE \"{name}\""), &[]);
    }

    /// Creates a database with the extension, and opens a session of a superuser.
    pub fn create_database_with_token_auth(&self, name: &str) -> Client {
        self.programs.require_extension("token_auth");
        self.create_database(name);
        let mut db = self.connect(name, "postgres");
        db.run("CREATE EXTENSION token_auth", &[]);
        db
    }

    /// Runs a script in psql, which stops at the first error. Returns the output.
    pub fn psql(&self, database: &str, script: &Path) -> String {
        let mut command = self.client_program("psql", database);
        command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file"]).arg(script);
        text(&run(&mut command))
    }

    /// Runs a script in psql, which continues after errors. Returns everything that a terminal would show.
    pub fn psql_transcript(&self, database: &str, script: &Path) -> String {
        let psql = self.client_program("psql", database);
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(psql.get_program()).args(psql.get_args());
        // From standard input, so that errors do not begin with the name of a file.
        command.args(["--no-psqlrc", "--quiet"]);
        let script = File::open(script).unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        text(&run(without_libpq_variables(&mut command).stdin(script)))
    }

    /// Writes a dump of a database to `file`.
    pub fn dump(&self, database: &str, format: Format, file: &Path) {
        self.dump_of(self, database, format, file);
    }

    /// Writes a dump of a database of another cluster to `file`, by the program of this one.
    pub fn dump_of(&self, other: &Cluster, database: &str, format: Format, file: &Path) {
        let mut command = self.programs.client("pg_dump");
        command.arg("--host").arg(other.socket_directory()).args(["--username=postgres", "--dbname", database]);
        match format {
            Format::Custom | Format::Jobs => command.arg("--format=custom"),
            Format::Plain => command.arg("--format=plain"),
            Format::Inserts => command.args(["--format=plain", "--inserts"]),
        };
        run(command.arg("--file").arg(file));
    }

    /// Writes a script that dumps what the options of pg_dump choose.
    pub fn dump_script(&self, database: &str, options: &[&str], file: &Path) {
        run(self.client_program("pg_dump", database).arg("--format=plain").args(options).arg("--file").arg(file));
    }

    /// Restores a dump into an empty database. Any error panics.
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

    /// Writes a dump as another role, in the format "custom". Returns what pg_dump says if it fails.
    pub fn try_dump_as(&self, role: &str, database: &str, file: &Path) -> Result<(), String> {
        let mut command = self.programs.client("pg_dump");
        command
            .arg("--host")
            .arg(self.socket_directory())
            .args(["--username", role, "--format=custom", "--file"])
            .arg(file);
        let output = command.arg(database).output().expect("pg_dump starts");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Restores a dump as another role, and continues after errors. Returns what pg_restore says about them.
    pub fn restore_as(&self, role: &str, database: &str, file: &Path) -> String {
        let mut command = self.programs.client("pg_restore");
        command.arg("--host").arg(self.socket_directory()).args(["--username", role, "--dbname", database]).arg(file);
        String::from_utf8_lossy(&command.output().expect("pg_restore starts").stderr).into_owned()
    }

    /// Restores a dump in one transaction, with --clean.
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
