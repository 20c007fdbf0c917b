//! The description of a cluster: settings, environment, and whether it starts empty or as a copy of another.

use super::{Cluster, SEALING_KEY_FILE};
use crate::programs::{Programs, run};
use std::{fs::OpenOptions, io::Write, path::Path};
use tempfile::TempDir;

/// Settings of every cluster: small, reachable by its own socket only, quick to make and to throw away.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("max_connections", "40"),
    ("shared_buffers", "32MB"),
    ("fsync", "off"),
    ("log_line_prefix", "%m [%p] %b "),
    ("log_timezone", "UTC"),
    ("timezone", "UTC"),
];

/// Collects what a [`Cluster`] should be like.
#[derive(Default)]
pub struct Builder {
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    sealing_keys: Option<String>,
    memory_limit: Option<u64>,
    data_checksums: Option<bool>,
    programs: Option<&'static Programs>,
}

impl Builder {
    /// A line of `postgresql.conf`. The last one of a name wins.
    pub fn setting(mut self, name: &str, value: &str) -> Builder {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Loads a library when the server starts; may be called for several.
    pub fn preload(self, library: &str) -> Builder {
        let before = self.settings.iter().rev().find(|(name, _)| name == "shared_preload_libraries");
        let libraries = before.map_or_else(|| library.to_owned(), |(_, before)| format!("{before}, {library}"));
        self.setting("shared_preload_libraries", &libraries)
    }

    /// Seals secrets under these keys: the text of a key file, which the server's user owns and nobody else can read.
    pub fn sealing_keys(mut self, keys: &str) -> Builder {
        self.sealing_keys = Some(keys.to_owned());
        self.setting("token_auth.sealing_key_file", SEALING_KEY_FILE)
    }

    /// The most memory that each process of the server can have, in kilobytes (`ulimit -v`).
    pub fn memory_limit(mut self, kilobytes: u64) -> Builder {
        self.memory_limit = Some(kilobytes);
        self
    }

    /// Pages have checksums, as from PostgreSQL 18 on by default.
    pub fn data_checksums(mut self) -> Builder {
        self.data_checksums = Some(true);
        self
    }

    /// Pages have no checksums, as up to PostgreSQL 17 by default.
    pub fn without_data_checksums(mut self) -> Builder {
        self.data_checksums = Some(false);
        self
    }

    /// Another installation than that of `$PG_CONFIG`.
    pub fn programs(mut self, programs: &'static Programs) -> Builder {
        self.programs = Some(programs);
        self
    }

    /// A variable in the server's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the cluster (UTF-8, C locale, everybody trusted) and starts it.
    pub fn start(self) -> Cluster {
        let cluster = self.create();
        cluster.start();
        cluster
    }

    /// Makes the cluster, and leaves it stopped.
    pub fn create(self) -> Cluster {
        let checksums = self.data_checksums;
        self.make(|programs, data| {
            // Before version 18 there is no word for having none.
            let checksums = match checksums {
                Some(true) => Some("--data-checksums"),
                Some(false) if programs.major() >= 18 => Some("--no-data-checksums"),
                _ => None,
            };
            run(programs
                .server("initdb")
                .args(["--encoding=UTF8", "--no-locale", "--auth=trust", "--username=postgres", "--no-sync"])
                .args(checksums)
                .arg("--pgdata")
                .arg(data));
        })
    }

    /// Makes a hot standby of a running cluster and starts it. It has the primary's settings, and on top the ones here.
    pub fn start_standby_of(self, primary: &Cluster) -> Cluster {
        let standby = self.make(|programs, data| {
            run(programs
                .server("pg_basebackup")
                .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--username=postgres", "--host"])
                .arg(primary.socket_directory())
                .arg("--pgdata")
                .arg(data));
        });
        standby.start();
        standby
    }

    fn make(self, make_data: impl FnOnce(&Programs, &Path)) -> Cluster {
        let programs = self.programs.unwrap_or_else(Programs::installed);
        // Under /tmp itself, because the path of a socket may have no more than about a hundred bytes.
        let home = TempDir::with_prefix_in("token_auth.", "/tmp").expect("a directory under /tmp");
        programs.give_to_server(home.path());
        let cluster = Cluster { programs, home, environment: self.environment, memory_limit: self.memory_limit };
        make_data(programs, &cluster.data_directory());
        append_settings(&cluster, &self.settings);
        if let Some(keys) = self.sealing_keys {
            cluster.write_sealing_keys(&keys, 0o600);
        }
        cluster
    }
}

fn append_settings(cluster: &Cluster, settings: &[(String, String)]) {
    let path = cluster.data_directory().join("postgresql.conf");
    let quoted = |value: &str| value.replace('\'', "''");
    let mut lines = String::new();
    for (name, value) in SETTINGS {
        lines += &format!("{name} = '{}'\n", quoted(value));
    }
    lines += &format!("unix_socket_directories = '{}'\n", cluster.socket_directory().display());
    for (name, value) in settings {
        lines += &format!("{name} = '{}'\n", quoted(value));
    }
    OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(lines.as_bytes()))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
