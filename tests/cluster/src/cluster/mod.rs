//! A cluster and its life: built, started, stopped, crashed, promoted, removed.

mod builder;
mod clients;
pub mod log;
mod pooler;
mod shared;

pub use builder::Builder;
pub use clients::Format;
pub use pooler::Pooler;
pub use shared::shared;

use crate::{
    programs::{Programs, run, text, without_libpq_variables},
    sql::Sql,
};
use log::Log;
use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// In the data directory, to which a relative path refers.
const SEALING_KEY_FILE: &str = "sealing.keys";

/// A cluster of the test's own. Dropping it stops the server and removes its files.
pub struct Cluster {
    programs: &'static Programs,
    /// Holds the data directory, the log and the socket; removed after `Drop` has stopped the server.
    home: TempDir,
    environment: Vec<(String, String)>,
    memory_limit: Option<u64>,
}

/// How `pg_ctl stop` goes about it.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// Everything is dropped on the spot: the next start is a crash recovery.
    Immediate,
}

impl Cluster {
    /// A cluster to be described and then started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts the server and waits until it takes connections.
    pub fn start(&self) {
        let mut command = self.limited(self.pg_ctl("start"));
        command.arg("-l").arg(self.log_path()).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        assert!(output.status.success(), "the server does not start:\n{}", self.log().tail(40));
    }

    /// The command, under the limit of memory where there is one.
    fn limited(&self, command: Command) -> Command {
        let Some(kilobytes) = self.memory_limit else { return command };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {kilobytes} && exec \"$0\" \"$@\"")]);
        shell.arg(command.get_program()).args(command.get_args());
        without_libpq_variables(&mut shell);
        shell
    }

    /// Stops the server, waits until it has gone, and returns how long that took.
    pub fn stop(&self, how: Stop) -> Duration {
        let began = Instant::now();
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        run(self.pg_ctl("stop").args(["-m", mode]));
        began.elapsed()
    }

    /// A clean stop and a new start.
    pub fn restart(&self) {
        self.stop(Stop::Fast);
        self.start();
    }

    /// Pulls the plug: no session is ended in order, nothing is written. [`Cluster::start`] recovers from the WAL.
    pub fn crash(&self) {
        self.stop(Stop::Immediate);
    }

    /// Ends a standby's recovery and waits until it is a primary.
    pub fn promote(&self) {
        run(&mut self.pg_ctl("promote"));
    }

    /// Upgrades a stopped cluster into this new one, which is stopped, too. A cluster without checksums needs one without.
    pub fn upgrade_from(&self, old: &Cluster, options: &[&str]) {
        let mut command = self.programs.server("pg_upgrade");
        command.current_dir(self.home.path()).args(["--username=postgres", "--socketdir"]).arg(self.socket_directory());
        command.arg("--old-bindir").arg(old.programs.bindir()).arg("--old-datadir").arg(old.data_directory());
        command.arg("--new-bindir").arg(self.programs.bindir()).arg("--new-datadir").arg(self.data_directory());
        let output = command.args(options).output().expect("pg_upgrade starts");
        if !output.status.success() {
            let logs = run(Command::new("sh")
                .args(["-c", "grep -rhi -B3 -A5 'error' \"$0\" | tail -n 40"])
                .arg(self.data_directory().join("pg_upgrade_output.d")));
            panic!("pg_upgrade:\n{}\n{}", text(&output), text(&logs));
        }
    }

    /// Changes a setting in the configuration and has the server read it again.
    pub fn reload_with(&self, setting: &str, value: &str) {
        let mut admin = self.connect("postgres", "postgres");
        admin.run(&format!("ALTER SYSTEM SET {setting} = '{value}'"), &[]);
        admin.run("SELECT pg_reload_conf()", &[]);
    }

    /// Takes back what [`Cluster::reload_with`] changed.
    pub fn reload_without(&self, setting: &str) {
        let mut admin = self.connect("postgres", "postgres");
        admin.run(&format!("ALTER SYSTEM RESET {setting}"), &[]);
        admin.run("SELECT pg_reload_conf()", &[]);
    }

    /// Sends SIGKILL to the processes of one kind, as `pg_stat_activity` of this very server lists them.
    pub fn kill_9(&self, backend_type: &str) {
        let pids: Vec<i32> = self
            .connect("postgres", "postgres")
            .list("SELECT pid FROM pg_stat_activity WHERE backend_type = $1", &[&backend_type]);
        assert!(!pids.is_empty(), "no {backend_type} runs");
        for pid in pids {
            run(Command::new("sh").args(["-c", "kill -s KILL \"$0\""]).arg(pid.to_string()));
        }
    }

    /// The server's log as it is now.
    pub fn log(&self) -> Log {
        Log::read(&self.log_path())
    }

    /// Writes the key file of [`Builder::sealing_keys`] anew: in one step, and with these permissions.
    pub fn write_sealing_keys(&self, keys: &str, mode: u32) {
        let path = self.data_directory().join(SEALING_KEY_FILE);
        let new = path.with_extension("new");
        std::fs::write(&new, keys).expect("a file in the data directory");
        std::fs::set_permissions(&new, Permissions::from_mode(mode)).expect("a file of ours");
        self.programs.give_to_server(&new);
        std::fs::rename(&new, &path).expect("a file in the data directory");
    }

    /// The key file of [`Builder::sealing_keys`].
    pub fn sealing_key_file(&self) -> PathBuf {
        self.data_directory().join(SEALING_KEY_FILE)
    }

    /// A path for a file of the test's own (a dump, a script) that goes away with the cluster.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn pg_ctl(&self, what: &str) -> Command {
        let mut command = self.programs.server("pg_ctl");
        command.arg(what).args(["--wait", "--timeout=60", "--silent", "--pgdata"]).arg(self.data_directory());
        command
    }

    /// The directory of the server's socket, as in `PGHOST`.
    pub fn socket_directory(&self) -> &Path {
        self.home.path()
    }

    fn data_directory(&self) -> PathBuf {
        self.file("data")
    }

    fn log_path(&self) -> PathBuf {
        self.file("log")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- end of the server's log\n{}\n---", self.log().tail(40));
        }
        // Already stopped is fine, and there is nothing to be done about a failure here: no panic in a panic.
        let _ = self.pg_ctl("stop").args(["-m", "immediate"]).output();
    }
}
