//! The two roles of the extension. CREATE EXTENSION creates them if they do not exist.
//!
//! Like every role they belong to the whole cluster. They stay when the extension is dropped.

use pgrx::pg_sys;

use crate::error::{EnvironmentError, Error};
use crate::pg::extension::{self, GrantsToDump};
use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::{self, Query};
use crate::pg::subtransaction;

/// The role that owns the tables. The extension's queries run as it.
pub const OWNER: &str = "token_auth_owner";
/// A role without any privilege. Triggers that the worker sets off in other tables run as it.
pub const WORKER: &str = "token_auth_worker";

/// Creates the roles that do not exist. Returns an error if one has more than the extension gives it.
pub fn create() -> Result<(), Error> {
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
    // Another database may create the role at the same time: the second attempt sees it.
    const ATTEMPTS: usize = 2;
    for (role, create, comment) in [(OWNER, &CREATE_OWNER, &COMMENT_OWNER), (WORKER, &CREATE_WORKER, &COMMENT_WORKER)] {
        let make = || {
            create.execute(&[]);
            comment.execute(&[]);
        };
        let exists = || extension::role(role).is_some();
        if !exists() && !(0..ATTEMPTS).any(|_| subtransaction::run(None, make).is_ok() || exists()) {
            // What went wrong is raised.
            make();
        }
        if let Some(what) = surplus(role) {
            return Err(EnvironmentError::RoleHasMore { role, what }.into());
        }
    }
    Ok(())
}

/// Returns an error if the extension is created by a role that is no superuser and does not own the database.
///
/// It could drop the extension, with all tokens of the others, at any time.
pub fn check_creator() -> Result<(), Error> {
    static IS_OWNER: Query = Query::as_caller(
        "SELECT creator.rolsuper OR pg_catalog.pg_has_role(creator.oid, d.datdba, 'USAGE')
           FROM pg_catalog.pg_extension e
           JOIN pg_catalog.pg_roles creator ON creator.oid = e.extowner
           JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
          WHERE e.extname = 'token_auth'",
    );
    match IS_OWNER.row(&[], |row| row.get_not_null(1)) {
        Some(true) => Ok(()),
        _ => Err(EnvironmentError::NotDatabaseOwner.into()),
    }
}

/// Revokes what default privileges (`ALTER DEFAULT PRIVILEGES`) have given other roles on the objects of the extension.
pub fn revoke_default_privileges() {
    static REVOKES: Query = Query::as_caller(
        "SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s %s FROM %s', kind, name,
                                           CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
           FROM (SELECT 'SCHEMA', pg_catalog.quote_ident(nspname), nspowner, nspacl
                   FROM pg_catalog.pg_namespace WHERE nspname = 'token_auth'
                  UNION ALL
                 SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass::text, relowner, relacl
                   FROM pg_catalog.pg_class WHERE relnamespace = 'token_auth'::regnamespace
                  UNION ALL
                 SELECT 'ROUTINE', oid::regprocedure::text, proowner, proacl
                   FROM pg_catalog.pg_proc WHERE pronamespace = 'token_auth'::regnamespace
                  UNION ALL
                 SELECT 'TYPE', oid::regtype::text, typowner, typacl
                   FROM pg_catalog.pg_type WHERE typnamespace = 'token_auth'::regnamespace) objects (kind, name, owner, acl)
          CROSS JOIN LATERAL pg_catalog.aclexplode(acl) privilege
          WHERE grantee <> owner",
    );
    run_each(&REVOKES);
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
    run_each(&GRANTS);
}

/// Runs the statements that a query returns.
fn run_each(statements: &Query) {
    for statement in statements.rows(&[], |row| row.get_not_null::<String>(1)) {
        spi::execute_text(&statement);
    }
}

/// Returns the worker's role, or `None` if it does not exist, or if it has an attribute or the rights of a superuser.
///
/// Code of every table that refers to tokens runs as it. A membership in another role is no reason to stop: whoever may grant that
/// role could stop all sweeps, and gives away no rights but those of that role.
pub fn worker() -> Option<pg_sys::Oid> {
    static IS_HARMLESS: Query = Query::as_caller(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles s WHERE s.rolsuper AND pg_catalog.pg_has_role(r.oid, s.oid, 'MEMBER'))
                AND NOT (r.rolcreaterole OR r.rolcreatedb OR r.rolcanlogin OR r.rolreplication OR r.rolbypassrls)
           FROM pg_catalog.pg_roles r
          WHERE r.rolname = $1::name",
    );
    extension::role(WORKER).filter(|_| IS_HARMLESS.row(&[WORKER.into()], |row| row.get_not_null(1)) == Some(true))
}

/// Returns what a role of the extension has beyond what the extension gives it: attributes, memberships in either direction, and
/// objects of its own in this database or shared by all. `None` if that is nothing.
///
/// A function of its own may be SECURITY DEFINER, made by somebody who was a member of the role before, or who made it.
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
                  WHERE g.rolname = $1::name
                  UNION ALL
                (SELECT pg_catalog.pg_describe_object(owned.classid, owned.objid, owned.objsubid) || ' of its own'
                   FROM pg_catalog.pg_shdepend owned
                   JOIN pg_catalog.pg_roles r ON r.oid = owned.refobjid
                   JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
                  WHERE r.rolname = $1::name
                    AND owned.refclassid = 'pg_catalog.pg_authid'::regclass
                    AND owned.deptype = 'o'
                    AND owned.dbid IN (0, d.oid)
                    AND NOT EXISTS (SELECT
                                      FROM pg_catalog.pg_depend member
                                      JOIN pg_catalog.pg_extension e ON e.oid = member.refobjid
                                     WHERE member.classid = owned.classid
                                       AND member.objid = owned.objid
                                       AND member.refclassid = 'pg_catalog.pg_extension'::regclass
                                       AND member.deptype = 'e'
                                       AND e.extname = 'token_auth')
                  LIMIT 10)) more (what)",
    );
    let rows = SURPLUS.rows_with(&CurrentSnapshot::take(), &[role.into()], |row| row.get(1));
    rows.into_iter().next().flatten()
}
