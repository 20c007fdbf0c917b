//! PostgreSQL's programs: their location, and the user that the server runs as.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The programs of one PostgreSQL installation.
pub struct Programs {
    pg_config: PathBuf,
    major: u32,
    bindir: PathBuf,
    /// PostgreSQL refuses to run as root; root runs the server as this user.
    server_user: Option<&'static str>,
}

impl Programs {
    /// Returns the programs of `$PG_CONFIG`, or otherwise of the newest installed version.
    pub fn installed() -> &'static Programs {
        static INSTALLED: OnceLock<Programs> = OnceLock::new();
        INSTALLED.get_or_init(|| Programs::at(find_pg_config()))
    }

    /// Returns the programs of the installation that has this `pg_config`.
    pub fn of(pg_config: PathBuf) -> &'static Programs {
        Box::leak(Box::new(Programs::at(pg_config)))
    }

    fn at(pg_config: PathBuf) -> Programs {
        let bindir = ask(&pg_config, "--bindir");
        let version = text(&run(Command::new(&pg_config).arg("--version")));
        let digits: String =
            version.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        let major = digits.parse().unwrap_or_else(|_| panic!("no version: {version}"));
        let is_root = text(&run(Command::new("id").arg("-u"))).trim() == "0";
        Programs { pg_config, major, bindir, server_user: is_root.then(|| "postgres") }
    }

    /// Returns the major version of the server.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Returns the directory of the server's headers.
    pub fn include_directory(&self) -> PathBuf {
        ask(&self.pg_config, "--includedir-server")
    }

    /// Returns the directory of the programs.
    pub fn bindir(&self) -> &Path {
        &self.bindir
    }

    /// Returns a client program (`psql`, `pg_dump`), which runs as the user of the tests.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bindir.join(program));
        without_libpq_variables(&mut command);
        command
    }

    /// Returns a program that owns a data directory (`initdb`, `pg_ctl`, `pg_basebackup`), which never runs as root.
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

    /// Returns the user as which root runs the server. `None` if it runs as the user of the tests.
    pub fn server_user(&self) -> Option<&'static str> {
        self.server_user
    }

    /// Gives a directory to the user that the server runs as.
    pub fn give_to_server(&self, directory: &Path) {
        if let Some(user) = self.server_user {
            run(Command::new("chown").arg(user).arg(directory));
        }
    }

    /// Panics with advice if the extension is not installed.
    pub fn require_extension(&self, name: &str) {
        let control = ask(&self.pg_config, "--sharedir").join("extension").join(format!("{name}.control"));
        assert!(control.is_file(), "{} does not exist: run `make install` first", control.display());
    }
}

/// Runs a program and returns its output. If it fails, panics with its command line and its output.
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

/// Returns what a program printed.
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
