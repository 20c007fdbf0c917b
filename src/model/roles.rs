//! The two roles of the extension's own, which CREATE EXTENSION makes where they are missing. Both belong to the whole
//! cluster, like every role, and stay when the extension is dropped.

use pgrx::pg_sys;

use crate::error::Error;
use crate::pg::server;
use crate::pg::snapshot::FreshSnapshot;
use crate::pg::spi::Query;

/// Owns the tables; our statements run as it.
pub const OWNER: &str = "token_auth_owner";
/// Has no right at all; triggers that the worker sets off in other tables run as it.
pub const WORKER: &str = "token_auth_worker";

/// Makes the roles where they are missing, and refuses those that have more than they should.
pub fn make() -> Result<(), Error> {
    // Two databases may get the extension at once.
    static LOCK: Query = Query::as_caller("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE");
    static CREATE_OWNER: Query = Query::as_caller(
        "CREATE ROLE token_auth_owner NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    );
    static CREATE_WORKER: Query = Query::as_caller(
        "CREATE ROLE token_auth_worker NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    );
    static COMMENT_OWNER: Query =
        Query::as_caller("COMMENT ON ROLE token_auth_owner IS 'Owns the tables of the extension token_auth'");
    static COMMENT_WORKER: Query = Query::as_caller(
        "COMMENT ON ROLE token_auth_worker IS 'Without rights: triggers run as it when token_auth removes expired tokens'",
    );
    if server::role(OWNER).is_none() || server::role(WORKER).is_none() {
        LOCK.execute(&[]);
    }
    for (role, create, comment) in [(OWNER, &CREATE_OWNER, &COMMENT_OWNER), (WORKER, &CREATE_WORKER, &COMMENT_WORKER)] {
        if server::role(role).is_none() {
            create.execute(&[]);
            comment.execute(&[]);
        }
        if let Some(what) = surplus(role) {
            return Err(Error::RoleHasMore { role, what });
        }
    }
    Ok(())
}

/// The worker's role, unless it is missing, or has an attribute or a membership.
pub fn worker() -> Option<pg_sys::Oid> {
    server::role(WORKER).filter(|_| surplus(WORKER).is_none())
}

/// What a role has that it should not have: an attribute, or a membership in either direction. `None` where that is nothing.
pub fn surplus(role: &str) -> Option<String> {
    static SURPLUS: Query = Query::as_caller(
        "SELECT pg_catalog.string_agg(what, ', ')
           FROM (SELECT v.what
                   FROM pg_catalog.pg_roles r
                  CROSS JOIN LATERAL (VALUES (r.rolsuper, 'SUPERUSER'), (r.rolcreaterole, 'CREATEROLE'),
                            (r.rolcreatedb, 'CREATEDB'), (r.rolcanlogin, 'LOGIN'), (r.rolreplication, 'REPLICATION'),
                            (r.rolbypassrls, 'BYPASSRLS')) v (has, what)
                  WHERE v.has AND r.rolname = $1::name
                  UNION ALL
                 SELECT pg_catalog.format('membership in %I', g.rolname)
                   FROM pg_catalog.pg_auth_members m
                   JOIN pg_catalog.pg_roles r ON r.oid = m.member
                   JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
                  WHERE r.rolname = $1::name
                  UNION ALL
                 SELECT pg_catalog.format('the member %I', r.rolname)
                   FROM pg_catalog.pg_auth_members m
                   JOIN pg_catalog.pg_roles r ON r.oid = m.member
                   JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
                  WHERE g.rolname = $1::name) more (what)",
    );
    let rows = SURPLUS.rows_with(&FreshSnapshot::take(), &[role.into()], |row| row.get(1));
    rows.into_iter().next().flatten()
}
