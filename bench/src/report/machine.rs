//! The machine: the processor, the disk, the server and its settings.

use crate::{bench::Bench, server::Server};
use cluster::Sql as _;
use std::{fs, process::Command};

/// Returns the description as lines of a Markdown list.
pub fn description(bench: &Bench) -> String {
    let mut db = bench.server.admin();
    let directory: String = db.get("SHOW data_directory", &[]);
    let version: String = db.get("SHOW server_version", &[]);
    let day: String = db.get("SELECT current_date::text", &[]);
    format!(
        "- {}\n- {}\n- Linux {}\n- PostgreSQL {version}, client and server on this machine, over a Unix socket\n- {}\n- Measured on {day}\n",
        processor(),
        disk(&directory),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        settings(&bench.server),
    )
}

fn processor() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpuinfo, "model name").unwrap_or("unknown processor");
    let count = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes: f64 =
        field(&meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or_default();
    format!("{count} × {model}, {:.0} GB of memory", kilobytes / 1024.0 / 1024.0)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim()))
}

/// Returns the device and the file system of the data directory.
fn disk(directory: &str) -> String {
    let mount =
        ask(Command::new("findmnt").args(["--noheadings", "--output=SOURCE,FSTYPE,OPTIONS", "--target", directory]));
    let device = mount.split_whitespace().next().unwrap_or_default().to_owned();
    let kind = ask(Command::new("lsblk").args(["--nodeps", "--noheadings", "--output=SIZE,ROTA,MODEL", &device]));
    let mut kind = kind.split_whitespace();
    let (size, rotates) = (kind.next().unwrap_or("unknown size"), kind.next() == Some("1"));
    let model = kind.collect::<Vec<_>>().join(" ");
    let mount = mount.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = [model.as_str(), size, if rotates { "reported as rotating" } else { "not rotating" }];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("Disk: {}; mounted as `{mount}`", words.join(", "))
}

/// Returns the changed settings, without names of files and folders.
fn settings(server: &Server) -> String {
    let set: Vec<String> = server.admin().list(
        "SELECT format('`%s = %s`', name, current_setting(name))
           FROM pg_settings
          WHERE sourcefile IS NOT NULL AND name !~ '^(lc_|log_|unix_socket|default_text|DateStyle|listen|port|token_auth)'
            AND name NOT IN ('TimeZone', 'dynamic_shared_memory_type', 'min_wal_size', 'autovacuum')
          ORDER BY name",
        &[],
    );
    let cache: Option<String> = server.admin().get("SELECT current_setting('token_auth.cache_size', true)", &[]);
    let cache =
        cache.map(|size| format!(", `token_auth.cache_size = {size}` where nothing else is said")).unwrap_or_default();
    format!("Settings: {}, `autovacuum = off` (tables are vacuumed after loading){cache}", set.join(", "))
}

/// Returns the output of a program, or nothing if it does not exist: the measurements must not be lost for that.
fn ask(command: &mut Command) -> String {
    command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
