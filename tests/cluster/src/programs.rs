//! PostgreSQL's programs: where they are, and as whom the server's own ones run.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The programs of one PostgreSQL installation.
pub struct Programs {
    pg_config: PathBuf,
    bindir: PathBuf,
    /// PostgreSQL refuses to run as root; root runs the server as this user.
    server_user: Option<&'static str>,
}

impl Programs {
    /// Those of `$PG_CONFIG`, else of the newest installed version.
    pub fn installed() -> &'static Programs {
        static INSTALLED: OnceLock<Programs> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            let pg_config = find_pg_config();
            let bindir = ask(&pg_config, "--bindir");
            let is_root = text(&run(Command::new("id").arg("-u"))).trim() == "0";
            Programs { pg_config, bindir, server_user: is_root.then(|| "postgres") }
        })
    }

    /// A client program (`psql`, `pg_dump`): runs as whoever runs the tests.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bindir.join(program));
        without_libpq_variables(&mut command);
        command
    }

    /// A program that owns a data directory (`initdb`, `pg_ctl`, `pg_basebackup`): never runs as root.
    pub fn server(&self, program: &str) -> Command {
        let path = self.bindir.join(program);
        let mut command = match self.server_user {
            None => Command::new(path),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(path);
                command
            }
        };
        without_libpq_variables(&mut command);
        command
    }

    /// As whom root runs the server; `None` where it runs as whoever runs the tests.
    pub fn server_user(&self) -> Option<&'static str> {
        self.server_user
    }

    /// Hands a directory over to the user that the server runs as.
    pub fn give_to_server(&self, directory: &Path) {
        if let Some(user) = self.server_user {
            run(Command::new("chown").arg(user).arg(directory));
        }
    }

    /// Panics with advice where the extension under test is not installed.
    pub fn require_extension(&self, name: &str) {
        let control = ask(&self.pg_config, "--sharedir").join("extension").join(format!("{name}.control"));
        assert!(control.is_file(), "{} does not exist: run `make install` first", control.display());
    }
}

/// Runs a program to its end and returns its output; panics with its command line and what it said when it fails.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What a program printed.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ask(pg_config: &Path, question: &str) -> PathBuf {
    PathBuf::from(text(&run(Command::new(pg_config).arg(question))).trim())
}

fn find_pg_config() -> PathBuf {
    if let Some(named) = env::var_os("PG_CONFIG") {
        return named.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin/pg_config")))
        })
        .filter(|(_, program)| program.is_file())
        .max()
        .map_or_else(|| "pg_config".into(), |(_, program)| program)
}

/// Keeps a developer's `PGHOST` or `PGOPTIONS` out of the tests.
pub fn without_libpq_variables(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
}
