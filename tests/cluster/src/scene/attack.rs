//! A cluster with roles that try to get more privileges, and a record of the roles that their code ran as.

use crate::{Builder, Client, Cluster, NewDomain, NewToken, Sql, TokenAuth, seconds, wait_until};
use std::collections::BTreeSet;

/// The table, the columns and the key of each attack table, for [`AttackScene::attack_table`].
pub const TARGETS: [(&str, &str, &str); 8] = [
    ("token", "token_id bigint", "id"),
    ("token", "account_id bigint, token_id bigint", "account_id, id"),
    ("domain", "domain_id bigint", "id"),
    ("domain", "account_id bigint, domain_id bigint", "account_id, id"),
    ("account", "account_id bigint", "id"),
    ("account", "account text", "name"),
    ("token_access", "access_id bigint", "id"),
    ("profile", "profile text", "name"),
];

/// The statements that the attacker's code tries wherever it runs. A success is recorded.
const ATTEMPTS: [&str; 9] = [
    "CREATE ROLE evil SUPERUSER",
    "ALTER ROLE mallory SUPERUSER",
    "SET LOCAL ROLE postgres",
    "SELECT set_config('role', 'token_auth_owner', true)",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT digest FROM token_auth.token LIMIT 1",
    "UPDATE token_auth.token SET paused_at = NULL",
    "ALTER TABLE token_auth.token DISABLE TRIGGER USER",
    "COPY (SELECT 1) TO PROGRAM 'true'",
];

/// These may succeed. Code that they set off must not run as another role either.
const PREPARATIONS: [&str; 4] = [
    "RESET ROLE",
    "RESET SESSION AUTHORIZATION",
    "SET CONSTRAINTS ALL DEFERRED",
    "DECLARE late CURSOR WITH HOLD FOR SELECT mallory.late()",
];

/// Who creates the extension.
#[derive(Clone, Copy, Debug)]
pub enum Installer {
    Superuser,
    /// The attacker owns the database and the extension, and is no superuser.
    Mallory,
}

impl Installer {
    pub const ALL: [Installer; 2] = [Installer::Superuser, Installer::Mallory];
}

pub struct AttackScene {
    pub cluster: Cluster,
    /// A session of a superuser.
    pub db: Client,
}

impl AttackScene {
    /// Starts the cluster. `caller` has EXECUTE on every function. `mallory` may declare foreign keys to the tables. Both can log in.
    pub fn start(builder: Builder) -> AttackScene {
        AttackScene::start_installed_by(builder, Installer::Superuser)
    }

    /// As [`AttackScene::start`], with the extension created by `installer`.
    pub fn start_installed_by(builder: Builder, installer: Installer) -> AttackScene {
        let cluster = builder.sealing_keys(&"5".repeat(64)).start();
        let mut admin = cluster.connect("postgres", "postgres");
        admin.run("CREATE ROLE mallory LOGIN", &[]);
        let owner = match installer {
            Installer::Superuser => "postgres",
            Installer::Mallory => "mallory",
        };
        admin.run(&format!("CREATE DATABASE app OWNER {owner}"), &[]);
        cluster.connect("app", owner).run("CREATE EXTENSION token_auth", &[]);
        let mut db = cluster.connect("app", "postgres");
        db.batch_execute(
            "CREATE ROLE caller LOGIN;
             CREATE SCHEMA mallory AUTHORIZATION mallory;
             GRANT USAGE ON SCHEMA mallory TO PUBLIC;
             GRANT REFERENCES ON ALL TABLES IN SCHEMA token_auth TO mallory;
             GRANT SELECT ON token_auth.tokens, token_auth.account, token_auth.domain, token_auth.token_access, token_auth.profile
                TO caller;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA token_auth TO caller;
             GRANT SET ON PARAMETER token_auth.actor TO caller;

             CREATE SCHEMA spy;
             CREATE TABLE spy.seen (who text, login text, what text, gains text[], at timestamptz DEFAULT clock_timestamp());
             CREATE TABLE spy.attempt (sql text, counts bool);
             GRANT USAGE ON SCHEMA spy TO PUBLIC;
             GRANT INSERT ON spy.seen TO PUBLIC;
             GRANT SELECT ON spy.attempt TO PUBLIC",
        )
        .expect("roles");
        db.run("INSERT INTO spy.attempt SELECT unnest($1::text[]), false", &[&PREPARATIONS.as_slice()]);
        db.run("INSERT INTO spy.attempt SELECT unnest($1::text[]), true", &[&ATTEMPTS.as_slice()]);
        let mut scene = AttackScene { cluster, db };
        scene.as_mallory(
            "CREATE FUNCTION mallory.note(what text) RETURNS bool LANGUAGE plpgsql AS $$
             DECLARE gains text[] := '{}'; attempt record; me name := current_user;
             BEGIN
                 FOR attempt IN SELECT * FROM spy.attempt ORDER BY counts LOOP
                     BEGIN
                         EXECUTE attempt.sql;
                         IF attempt.counts THEN gains := gains || attempt.sql; END IF;
                     EXCEPTION WHEN OTHERS THEN NULL;
                     END;
                     IF current_user <> me THEN gains := gains || ('became ' || current_user); END IF;
                 END LOOP;
                 INSERT INTO spy.seen VALUES (me, session_user, what, gains);
                 RETURN true;
             END $$;
             CREATE FUNCTION mallory.late() RETURNS bool LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO spy.seen VALUES (current_user, session_user, 'at COMMIT', '{}');
                 RETURN true;
             END $$;
             CREATE FUNCTION mallory.default_id() RETURNS bigint LANGUAGE plpgsql AS $$
             BEGIN PERFORM mallory.note('default'); RETURN NULL; END $$;
             CREATE FUNCTION mallory.default_text() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN PERFORM mallory.note('default'); RETURN NULL; END $$;
             CREATE FUNCTION mallory.spy() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 PERFORM mallory.note(concat_ws(' ', TG_WHEN, TG_LEVEL, TG_OP, 'on', TG_TABLE_NAME));
                 RETURN coalesce(NEW, OLD);
             END $$",
        );
        scene
    }

    pub fn as_mallory(&mut self, sql: &str) {
        self.cluster.connect("app", "mallory").batch_execute(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    }

    pub fn as_caller(&self) -> Client {
        self.cluster.connect("app", "caller")
    }

    /// Removes attempts that would change the result of a test.
    pub fn without(&mut self, attempts: &str) {
        self.db.run("DELETE FROM spy.attempt WHERE sql LIKE '%' || $1 || '%'", &[&attempts]);
    }

    /// Creates a table of mallory that refers to a table of the extension, with a trigger of every kind, a default, a rule, a policy and
    /// a CHECK constraint.
    pub fn attack_table(&mut self, name: &str, columns: &str, target: &str, keys: &str, action: &str) {
        let names: Vec<&str> = columns.split(", ").filter_map(|column| column.split(' ').next()).collect();
        let names = names.join(", ");
        let last = names.rsplit(", ").next().expect("a column");
        let default = if columns.ends_with("text") { "default_text" } else { "default_id" };
        self.as_mallory(&format!(
            "CREATE TABLE mallory.{name} ({columns}, note text DEFAULT 'kept',
                 FOREIGN KEY ({names}) REFERENCES token_auth.{target} ({keys}) {action},
                 CHECK (note IS NOT NULL AND mallory.note('check')));
             ALTER TABLE mallory.{name} ALTER {last} SET DEFAULT mallory.{default}();
             CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON mallory.{name} FOR EACH ROW EXECUTE FUNCTION mallory.spy();
             CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON mallory.{name} FOR EACH ROW EXECUTE FUNCTION mallory.spy();
             CREATE TRIGGER before_statement BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON mallory.{name}
                 FOR EACH STATEMENT EXECUTE FUNCTION mallory.spy();
             CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON mallory.{name}
                 FOR EACH STATEMENT EXECUTE FUNCTION mallory.spy();
             CREATE TRIGGER after_table AFTER DELETE ON mallory.{name} REFERENCING OLD TABLE AS gone
                 FOR EACH STATEMENT EXECUTE FUNCTION mallory.spy();
             CREATE CONSTRAINT TRIGGER immediate AFTER INSERT OR UPDATE OR DELETE ON mallory.{name}
                 DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION mallory.spy();
             CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE OR DELETE ON mallory.{name}
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mallory.spy();
             CREATE TABLE mallory.{name}_log (what text);
             CREATE RULE as_well AS ON DELETE TO mallory.{name} DO ALSO INSERT INTO mallory.{name}_log SELECT 'rule' WHERE mallory.note('rule');
             ALTER TABLE mallory.{name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY all_rows ON mallory.{name} USING (mallory.note('policy'))",
        ));
    }

    /// Inserts a row for each row of the extension's table, and deletes the earlier ones. Mallory does it, because a superuser who writes
    /// to the table would run his code. Nothing of it is recorded.
    pub fn fill(&mut self, name: &str, target: &str, keys: &str) {
        let columns: String = self.db.get(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = $1::text::regclass AND attnum > 0 AND attname <> 'note'",
            &[&format!("mallory.{name}")],
        );
        let places = vec!["%L"; keys.split(", ").count()].join(", ");
        let rows: String = self
            .db
            .get(&format!("SELECT string_agg(format('({places})', {keys}), ', ') FROM token_auth.{target}"), &[]);
        self.as_mallory(&format!("DELETE FROM mallory.{name}; INSERT INTO mallory.{name} ({columns}) VALUES {rows}"));
        self.forget();
    }

    pub fn forget(&mut self) {
        self.db.run("TRUNCATE spy.seen", &[]);
    }

    /// Returns the roles that mallory's code ran as since the last [`AttackScene::forget`].
    pub fn ran_as(&mut self) -> BTreeSet<String> {
        self.db.list("SELECT DISTINCT who FROM spy.seen", &[]).into_iter().collect()
    }

    /// Returns the kinds of mallory's code that ran.
    pub fn kinds(&mut self) -> BTreeSet<String> {
        self.db.list("SELECT DISTINCT regexp_replace(what, ' on .*', '') FROM spy.seen", &[]).into_iter().collect()
    }

    /// Asserts that mallory's code ran only as the allowed roles, that no attempt succeeded, and that no role has gained an attribute.
    pub fn check(&mut self, allowed: &[&str], when: &str) {
        let others: Vec<String> = self.db.list(
            "SELECT DISTINCT who || ' (' || what || ')' FROM spy.seen WHERE who <> ALL ($1) ORDER BY 1",
            &[&allowed],
        );
        assert_eq!(others, Vec::<String>::new(), "{when}");
        let gains: Vec<String> = self.db.list(
            "SELECT DISTINCT who || ' in ' || what || ': ' || array_to_string(gains, ', ') FROM spy.seen WHERE gains <> '{}'",
            &[],
        );
        assert_eq!(gains, Vec::<String>::new(), "{when}");
        self.check_roles(when);
    }

    pub fn check_roles(&mut self, when: &str) {
        let superusers: Vec<String> =
            self.db.list("SELECT rolname::text FROM pg_roles WHERE rolsuper OR rolname = 'evil'", &[]);
        assert_eq!(superusers, ["postgres"], "{when}");
    }

    /// Creates an account with a domain, its token, and a token for every domain.
    pub fn victim(&mut self, name: &str) -> Victim {
        let account = self.db.account_under(name, "brief");
        let domain = self.db.domain(account, &format!("{name}.example"));
        let token = self.db.account_token(account, name, &["email:send"]);
        Victim { account, domain, token }
    }

    /// Waits until the worker has removed every token with an expiry.
    pub fn wait_for_sweep(&mut self, what: &str) {
        wait_until(what, seconds(30), || {
            self.db.get::<i64>("SELECT count(*) FROM token_auth.token WHERE expires_at IS NOT NULL", &[]) == 0
        });
    }
}

pub struct Victim {
    pub account: i64,
    pub domain: NewDomain,
    pub token: NewToken,
}
