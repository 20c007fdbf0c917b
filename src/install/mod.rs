//! What the install script asks before it makes anything.

mod checks;
mod health;
mod schema;

use pgrx::{pg_extern, warning};

use crate::error::{Error, guarded};
use crate::model::roles;
use crate::pg::{server, shmem};
use crate::worker;

/// Refuses a database whose encoding cannot carry what this library works with, and says so where no worker will run.
#[pg_extern(sql = false)]
fn check_database() {
    guarded(|| {
        let encoding = server::encoding();
        if !["UTF8", "SQL_ASCII"].contains(&encoding.as_str()) {
            return Err(Error::Encoding(encoding));
        }
        roles::make()?;
        if worker::is_registered() {
            shmem::announce_installation();
            if !worker::is_starting_or_running() {
                warning!(
                    "no launcher of token_auth runs: no worker removes expired tokens; raise max_worker_processes, which is {}, \
                     and restart the server",
                    server::max_worker_processes()
                );
            }
        } else {
            // Not a notice: PostgreSQL shows nothing less than a warning while an extension script runs.
            warning!(
                "token_auth is not in shared_preload_libraries: no worker removes expired tokens; \
                 call token_auth.sweep() from time to time"
            );
        }
        Ok(())
    });
}
