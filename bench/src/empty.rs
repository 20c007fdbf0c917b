//! empty.c: compiled for the running server, and created as functions in a database.

use crate::server::{Server, run};
use cluster::Sql as _;
use postgres::Client;
use std::{env, fs, os::unix::fs::PermissionsExt as _, process::Command};

const SOURCE: &str = include_str!("../empty.c");

pub fn create_functions(server: &Server, db: &mut Client) {
    let source = server.scratch_file("empty.c");
    let library = source.with_extension("so");
    if !library.exists() {
        fs::write(&source, SOURCE).expect("a file of ours");
        let compiler = env::var_os("CC").unwrap_or("cc".into());
        let mut command = Command::new(compiler);
        command.args(["-O2", "-fPIC", "-shared", "-I"]).arg(server.pg_config("--includedir-server"));
        run(command.arg("-o").arg(&library).arg(&source));
        fs::set_permissions(&library, fs::Permissions::from_mode(0o755)).expect("a file of ours");
    }
    for name in ["empty_null", "empty_row"] {
        db.run(
            &format!(
                "CREATE FUNCTION bench.{name}(secret text, scope text, domain text, client inet DEFAULT NULL) RETURNS token_auth.verification
                 LANGUAGE c VOLATILE PARALLEL SAFE AS '{}', '{name}'",
                library.display()
            ),
            &[],
        );
    }
}
