//! CREATE EXTENSION: the SQL objects, the checks before they are created, and the health of an installation.

mod constraints;
mod health;
mod schema;

use pgrx::{pg_extern, warning};

use crate::error::{EnvironmentError, guarded};
use crate::model::roles;
use crate::pg::extension;
use crate::worker;

/// Creates the roles. Refuses a creator who may not own the extension, a database with an encoding that is not supported, and one with
/// a schema `token_auth`. Warns if no worker will run.
#[pg_extern(sql = false)]
fn check_database() {
    guarded(|| {
        let encoding = extension::encoding();
        if !["UTF8", "SQL_ASCII"].contains(&encoding.as_str()) {
            return Err(EnvironmentError::Encoding(encoding).into());
        }
        if extension::has_schema(c"token_auth") {
            return Err(EnvironmentError::SchemaExists.into());
        }
        roles::check_creator()?;
        roles::create()?;
        if worker::is_registered() {
            worker::record_installation();
            if !worker::is_starting_or_running() {
                warning!(
                    "no launcher of token_auth runs: no worker removes expired tokens; raise max_worker_processes, which is {}, \
                     and restart the server",
                    extension::max_worker_processes()
                );
            }
        } else {
            // Not a notice: PostgreSQL shows nothing below a warning while an extension script runs.
            warning!(
                "token_auth is not in shared_preload_libraries: no worker removes expired tokens; \
                 call token_auth.sweep() from time to time"
            );
        }
        Ok(())
    });
}

/// Revokes what default privileges have given other roles.
#[pg_extern(sql = false)]
fn revoke_default_privileges() {
    guarded(|| {
        roles::revoke_default_privileges();
        Ok(())
    });
}

/// Grants the owner of the database what he may hand out, if the extension belongs to a role that is no superuser.
#[pg_extern(sql = false)]
fn grant_to_database_owner() {
    guarded(|| {
        roles::grant_to_database_owner();
        Ok(())
    });
}
