//! The health of an installation: whether everything that the extension depends on is as it should be.

use pgrx::iter::TableIterator;
use pgrx::{name, pg_extern};

use crate::error::{Error, guarded};
use crate::model::roles::{self, OWNER, WORKER};
use crate::pg::extension;
use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::Query;
use crate::worker;

/// Returns one row `(name, ok, detail, hint)` for each check.
#[pg_extern(sql = false)]
fn health()
-> TableIterator<'static, (name!(name, String), name!(ok, bool), name!(detail, String), name!(hint, Option<String>))> {
    let checks = guarded(|| {
        Ok::<_, Error>([
            preloaded(),
            launcher(),
            role("owner_role", OWNER),
            role("worker_role", WORKER),
            owner(),
            triggers(),
            trigger_states(),
            foreign_keys(),
        ])
    });
    let row =
        |check: Check| (check.name.to_string(), check.hint.is_none(), check.detail, check.hint.map(str::to_string));
    TableIterator::new(checks.map(row))
}

/// Returns what a query finds that should not be there. It only reads, so it works on a standby.
fn find(query: &Query) -> Option<String> {
    let rows = query.rows_with(&CurrentSnapshot::take(), &[OWNER.into()], |row| row.get::<String>(1));
    rows.into_iter().next().flatten()
}

struct Check {
    name: &'static str,
    detail: String,
    /// What to do. `None` if nothing is wrong.
    hint: Option<&'static str>,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, detail: detail.into(), hint: None }
    }

    fn bad(name: &'static str, detail: impl Into<String>, hint: &'static str) -> Self {
        Self { name, detail: detail.into(), hint: Some(hint) }
    }
}

fn preloaded() -> Check {
    if worker::is_registered() {
        Check::good("preloaded", "the library is preloaded")
    } else {
        let hint = "Set shared_preload_libraries = 'token_auth' and restart the server.";
        Check::bad("preloaded", "the library is not preloaded", hint)
    }
}

fn launcher() -> Check {
    const NAME: &str = "worker";
    if !worker::is_registered() {
        let hint = "Preload the library, or call token_auth.sweep() from time to time.";
        return Check::bad(NAME, "no worker removes expired tokens", hint);
    }
    if extension::is_in_recovery() {
        return Check::good(NAME, "this is a standby: its worker begins when it is promoted");
    }
    if worker::is_running() {
        return Check::good(NAME, "the launcher runs");
    }
    let detail = format!("no launcher runs (max_worker_processes is {})", extension::max_worker_processes());
    Check::bad(NAME, detail, "Raise max_worker_processes and restart the server; look into its log for \"token_auth\".")
}

fn role(name: &'static str, role: &'static str) -> Check {
    if extension::role(role).is_none() {
        let hint = "Create it: CREATE ROLE with that name, NOLOGIN, and no other attribute.";
        return Check::bad(name, format!("the role {role} does not exist"), hint);
    }
    match roles::surplus(role) {
        None => Check::good(name, format!("{role} has no attribute, no membership and no object of its own")),
        Some(what) => Check::bad(
            name,
            format!("{role} has {what}"),
            "Revoke attributes and memberships (REVOKE, ALTER ROLE), and drop objects: a member of this role, or its function, can use \
             all tokens, or act for the worker.",
        ),
    }
}

fn owner() -> Check {
    static OTHERS: Query = Query::as_caller(
        "SELECT pg_catalog.string_agg(pg_catalog.format('%s of %I', c.oid::regclass, r.rolname), ', ' ORDER BY c.relname)
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
          WHERE c.relnamespace = 'token_auth'::regnamespace
            AND c.relkind IN ('r', 'v', 'S')
            AND r.rolname <> $1::name",
    );
    match find(&OTHERS) {
        None => Check::good("owner", format!("all tables belong to {OWNER}")),
        Some(others) => {
            let hint = "Give them back: ALTER TABLE ... OWNER TO token_auth_owner. What runs as their owner has that owner's rights.";
            Check::bad("owner", others, hint)
        }
    }
}

/// Checks for triggers on the tables whose function belongs to a role that is neither a superuser nor the tables' owner.
fn triggers() -> Check {
    static TRIGGERS: Query = Query::as_caller(
        "SELECT pg_catalog.string_agg(
                    pg_catalog.format('%I on %s runs a function of %I', t.tgname, t.tgrelid::regclass, r.rolname),
                    ', ' ORDER BY t.tgrelid::regclass::text, t.tgname)
           FROM pg_catalog.pg_trigger t
           JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
           JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
           JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
          WHERE c.relnamespace = 'token_auth'::regnamespace
            AND NOT t.tgisinternal
            AND NOT r.rolsuper
            AND r.rolname <> $1::name",
    );
    match find(&TRIGGERS) {
        None => Check::good("triggers", "no trigger on the tables runs code of another role"),
        Some(found) => Check::bad(
            "triggers",
            found,
            "Such code runs as token_auth_owner, or as whoever changes a row; where a superuser does so by hand, as a superuser. \
             Drop the trigger, or give its function to a role that may do all this.",
        ),
    }
}

/// Checks that each trigger of the extension, and of its foreign keys, fires in the sessions for which it was made.
fn trigger_states() -> Check {
    static STATES: Query = Query::as_caller(
        "SELECT pg_catalog.string_agg(
                    pg_catalog.format('ALTER TABLE %s ENABLE %sTRIGGER %I', t.tgrelid::regclass,
                                      CASE wanted WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, t.tgname),
                    '; ' ORDER BY t.tgrelid::regclass::text, t.tgname)
           FROM pg_catalog.pg_trigger t
           JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
           JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
          CROSS JOIN LATERAL (SELECT CASE WHEN t.tgname IN ('_announce_scheme', '_invalidate_cache', '_invalidate_cache_truncate',
                                                            'protect_presets_truncate') THEN 'A'
                                          WHEN t.tgname = 'skip_replicated_presets' THEN 'R'
                                          ELSE 'O' END) state (wanted)
          WHERE c.relnamespace = 'token_auth'::regnamespace
            AND (t.tgisinternal OR p.pronamespace = 'token_auth'::regnamespace)
            AND t.tgenabled <> wanted",
    );
    match find(&STATES) {
        None => Check::good("trigger_states", "the triggers of the extension are enabled as it enables them"),
        Some(repair) => Check::bad(
            "trigger_states",
            format!("not as the extension enables its triggers; this repairs it: {repair}"),
            "Run these statements. pg_restore --disable-triggers and ALTER TABLE ... ENABLE TRIGGER ALL leave such a state.",
        ),
    }
}

/// Checks for foreign keys to the tables from columns whose type belongs to such a role: the owner of a type defines its
/// casts, and these run as the owner of the tables.
fn foreign_keys() -> Check {
    static KEYS: Query = Query::as_caller(
        "SELECT pg_catalog.string_agg(
                    pg_catalog.format('%I on %s with a type of %I', k.conname, k.conrelid::regclass, r.rolname),
                    ', ' ORDER BY k.conrelid::regclass::text, k.conname)
           FROM pg_catalog.pg_constraint k
           JOIN pg_catalog.pg_class ours ON ours.oid = k.confrelid
           JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
           JOIN pg_catalog.pg_roles r ON r.oid = t.typowner
          WHERE k.contype = 'f'
            AND ours.relnamespace = 'token_auth'::regnamespace
            AND NOT r.rolsuper
            AND r.rolname <> $1::name",
    );
    match find(&KEYS) {
        None => Check::good("foreign_keys", "no foreign key to the tables has a type of another role"),
        Some(found) => Check::bad(
            "foreign_keys",
            found,
            "A cast of such a type runs as token_auth_owner, and as a superuser where a superuser changes rows by hand. Give the \
             columns a type of PostgreSQL's own.",
        ),
    }
}
