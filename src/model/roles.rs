//! The two roles of the extension. CREATE EXTENSION creates them if they do not exist.
//!
//! Like every role they belong to the whole cluster. They stay when the extension is dropped.

use pgrx::pg_sys;

use crate::error::{EnvironmentError, Error};
use crate::pg::extension::{self, GrantsToDump};
use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::{self, Query};

/// The role that owns the tables. The extension's queries run as it.
pub const OWNER: &str = "token_auth_owner";
/// A role without any privilege. Triggers that the worker sets off in other tables run as it.
pub const WORKER: &str = "token_auth_worker";

/// Creates the roles that do not exist. Returns an error if one has attributes or memberships.
pub fn create() -> Result<(), Error> {
    // Two databases may create the extension at the same time.
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
    if extension::role(OWNER).is_none() || extension::role(WORKER).is_none() {
        LOCK.execute(&[]);
    }
    for (role, create, comment) in [(OWNER, &CREATE_OWNER, &COMMENT_OWNER), (WORKER, &CREATE_WORKER, &COMMENT_WORKER)] {
        if extension::role(role).is_none() {
            create.execute(&[]);
            comment.execute(&[]);
        }
        if let Some(what) = surplus(role) {
            return Err(EnvironmentError::RoleHasMore { role, what }.into());
        }
    }
    Ok(())
}

/// Grants the owner of the database, if the extension belongs to a role that is no superuser, what docs/privileges.md grants: every
/// function that is not granted already, and the tables that `token_manager` reads.
///
/// The owner is named, and can grant it on. `pg_dump` dumps these privileges with those that he has granted.
pub fn grant_to_database_owner() {
    static GRANTS: Query = Query::as_caller(
        "SELECT pg_catalog.format('GRANT %s TO %I WITH GRANT OPTION', what, owner.rolname)
           FROM (SELECT 'EXECUTE ON FUNCTION ' || pg_catalog.string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid)
                   FROM pg_catalog.pg_proc p
                  WHERE p.pronamespace = 'token_auth'::regnamespace
                    AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
                    AND p.proname <> 'grant_to_database_owner'
                    AND NOT pg_catalog.has_function_privilege('token_auth_owner', p.oid, 'EXECUTE')
                  UNION ALL
                 SELECT 'SELECT ON token_auth.tokens, token_auth.account, token_auth.domain, token_auth.token_access, '
                        'token_auth.profile') grants (what),
                pg_catalog.pg_extension e
           JOIN pg_catalog.pg_roles creator ON creator.oid = e.extowner
           JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
           JOIN pg_catalog.pg_roles owner ON owner.oid = d.datdba
          WHERE e.extname = 'token_auth' AND NOT creator.rolsuper AND NOT owner.rolsuper",
    );
    let _grants = GrantsToDump::begin();
    for grant in GRANTS.rows(&[], |row| row.get_not_null::<String>(1)) {
        spi::execute_text(&grant);
    }
}

/// Returns the worker's role, or `None` if it does not exist or has attributes or memberships.
pub fn worker() -> Option<pg_sys::Oid> {
    extension::role(WORKER).filter(|_| surplus(WORKER).is_none())
}

/// Returns the attributes of a role and its memberships in either direction, or `None` if it has none.
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
    let rows = SURPLUS.rows_with(&CurrentSnapshot::take(), &[role.into()], |row| row.get(1));
    rows.into_iter().next().flatten()
}
