//! The ways to install token_auth give the same files.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::{run, text};

#[test]
fn cargo_pgrx_package_makes_the_files_that_make_install_installs() {
    let pg_config = variable("PG_CONFIG");
    let major = variable("PG_MAJOR");
    let target = PathBuf::from(variable("TARGET"));
    let ours = files(&target.join("package").join(format!("pg{major}")));
    let made = target.join("cargo-pgrx-package");
    run(Command::new(variable("CARGO_PGRX"))
        .current_dir(root())
        // Otherwise it has the linker keep a few kilobytes that nothing refers to.
        .env("CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND", "1")
        .args([
            "pgrx",
            "package",
            "--no-default-features",
            "--features",
            &format!("pg{major}"),
            "--pg-config",
            &pg_config,
        ])
        .arg("--out-dir")
        .arg(&made));
    let theirs = files(&made);
    fs::remove_dir_all(&made).expect("the directory was just made");
    assert_eq!(names(&ours), names(&theirs));
    for (name, content) in &ours {
        if name.ends_with(".sql") {
            assert_eq!(statements(content), statements(&theirs[name]), "{name}");
            assert!(statements(content).len() > 500, "{name} has hardly any lines");
        } else {
            assert!(*content == theirs[name], "{name} differs");
        }
    }
    assert!(names(&ours).iter().any(|name| name.ends_with("token_auth.so")));
}

#[test]
fn the_distribution_for_pgxn_is_valid_and_complete() {
    let file = fs::read_to_string(root().join("META.json")).expect("META.json");
    let meta: serde_json::Value = serde_json::from_str(&file).expect("JSON");
    let verdict = text(&run(Command::new(variable("PGXN_META")).arg(root().join("META.json"))));
    assert!(verdict.contains("is OK"), "{verdict}");
    let cargo = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    for version in [&meta["version"], &meta["provides"]["token_auth"]["version"]] {
        assert!(cargo.contains(&format!("\nversion = {version}\n")), "{version} is not that of Cargo.toml");
    }
    let target = PathBuf::from(variable("TARGET"));
    run(Command::new(root().join("scripts/dist.sh")).env("CARGO_TARGET_DIR", &target));
    let name = format!("token_auth-{}", meta["version"].as_str().expect("a text"));
    let packed =
        text(&run(Command::new("python3").args(["-m", "zipfile", "--list"]).arg(target.join(format!("{name}.zip")))));
    let committed =
        text(&run(Command::new("git").arg("-C").arg(root()).args(["ls-tree", "-r", "--name-only", "HEAD"])));
    assert!(committed.lines().count() > 100);
    for file in committed.lines() {
        assert!(packed.contains(&format!("{name}/{file} ")), "{file} is not packed");
    }
}

/// The lines without comments, which cargo-pgrx adds, and without empty ones.
fn statements(script: &[u8]) -> Vec<String> {
    let mut rest = std::str::from_utf8(script).expect("SQL is UTF-8");
    let mut text = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        text += before;
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    text += rest;
    let lines = text.lines().map(str::trim_end);
    lines.filter(|line| !line.is_empty() && !line.starts_with("--")).map(String::from).collect()
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&String> {
    files.keys().collect()
}

/// The files below a directory, by their paths.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("the directory can be read").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("it is below").to_string_lossy().into_owned();
                found.insert(name, fs::read(&path).expect("the file can be read"));
            }
        }
    }
    found
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run SUITE=packages make test"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
