//! No violated constraint puts a digest into the log, into statistics or into an error that a session
//! receives. PostgreSQL itself would print the row or the key.

use cluster::{Client, Refusal, Sql, Stage, digest_hex, refusal, talkative};
use std::collections::BTreeSet;
use std::io::Write;

#[test]
fn no_violated_constraint_shows_a_digest() {
    let mut breaker = Breaker::new(Stage::start(talkative().preload("token_auth")));
    breaker.break_every_constraint();
    breaker.stage.assert_no_leaks();
}

#[test]
fn no_violated_constraint_shows_a_digest_after_the_library_is_loaded() {
    let mut breaker = Breaker::new(Stage::start(talkative()));
    breaker.first = "SELECT token_auth.is_name('this loads the library')";
    breaker.break_every_constraint();
    breaker.stage.assert_no_leaks();
}

#[test]
fn no_failed_copy_shows_a_digest() {
    let mut breaker = Breaker::new(Stage::start(talkative().preload("token_auth")));
    breaker.copy_a_wrong_row("a blank hint", "23514", " \ttest");
    breaker.copy_a_wrong_row("a column too many", "22P04", "hint\ttest\tmore");
    breaker.copy_a_wrong_row("a column too few", "22P04", "hint");
    breaker.stage.assert_no_leaks();
}

/// Violates constraints by plain DML as the superuser, each in a session of its own.
struct Breaker {
    stage: Stage,
    /// A number for new ids and names.
    fresh: i64,
    /// The first statement of each session.
    first: &'static str,
}

impl Breaker {
    fn new(stage: Stage) -> Breaker {
        Breaker { stage, fresh: 1_000_000, first: "SELECT 1" }
    }

    /// Violates every constraint.
    fn break_every_constraint(&mut self) {
        let mut provoked = BTreeSet::new();
        self.stage.superuser.run(
            "UPDATE token_auth.token SET request_id = 'request' WHERE ctid = (SELECT min(ctid) FROM token_auth.token)",
            &[],
        );
        for (table, constraint, changes) in WRONG_ROWS {
            let refusal = self.insert_wrong_row(table, changes);
            assert_eq!(refusal.constraint, *constraint, "{table} {changes}: {refusal:?}");
            provoked.insert((*constraint).to_owned());
        }
        for (column, table) in self.columns_that_are_never_null() {
            let refusal = self.insert_wrong_row(&table, &format!(r#"{{"{column}": null}}"#));
            assert_eq!(refusal.code, "23502", "{table}.{column}: {refusal:?}");
        }
        for (trigger, sql) in [
            ("keep_last_token_on_delete", "DELETE FROM token_auth.token WHERE account_id = $1"),
            ("keep_last_token_on_update", "UPDATE token_auth.token SET replaced_at = now() WHERE account_id = $1"),
        ] {
            self.stage.watch.refused(&mut self.session(), "23001", sql, &[&self.stage.account]);
            provoked.insert(trigger.to_owned());
        }
        self.update_what_never_changes();

        let unreachable: BTreeSet<String> = NOT_PROVOKABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
        let covered = provoked.union(&unreachable).cloned().collect();
        let mut difference: BTreeSet<String> = self.constraints();
        difference = difference.symmetric_difference(&covered).cloned().collect();
        assert!(difference.is_empty(), "constraints without a provocation, or the other way round: {difference:?}");
    }

    fn session(&self) -> Client {
        let mut session = self.stage.cluster.connect("app", "postgres");
        session.run(self.first, &[]);
        session
    }

    /// Inserts a copy of a valid row with one violation.
    fn insert_wrong_row(&mut self, table: &str, changes: &str) -> Refusal {
        let fresh = self.fresh_values(table);
        let sql = format!(
            "INSERT INTO token_auth.{table}
             SELECT (jsonb_populate_record(r, $1::text::jsonb || $2::text::jsonb)).*
             FROM token_auth.{table} r ORDER BY ctid LIMIT 1"
        );
        let changes = changes
            .replace("$digest", &format!("\\\\x{}", self.digest_of_the_first_token()))
            .replace("$long", &"x".repeat(9000))
            .replace("$many", &vec![r#""a:b""#; 257].join(","));
        let refusal = self.session().refused(&sql, &[&fresh, &changes]);
        self.stage.watch.heard(&format!("{sql} with {}", &changes[..changes.len().min(100)]), refusal.clone());
        refusal
    }

    /// Returns valid values for a new row of a table, as a JSON object.
    fn fresh_values(&mut self, table: &str) -> String {
        self.fresh += 1;
        let number = self.fresh;
        match table {
            "profile" => format!(r#"{{"name": "fresh {number}", "builtin": false}}"#),
            "profile_resource" => format!(r#"{{"profile": "own", "resource": "fresh{number}"}}"#),
            "account" => format!(r#"{{"id": {number}, "name": "fresh {number}"}}"#),
            "account_admin" => format!(r#"{{"actor": "fresh {number}"}}"#),
            "domain" => format!(r#"{{"id": {number}, "name": "fresh {number}"}}"#),
            "token" => {
                let digest = digest_hex(&format!("fresh {number}"));
                self.stage.watch.digest(&format!("fresh row {number}"), &digest);
                format!(r#"{{"id": {number}, "digest": "\\x{digest}"}}"#)
            }
            "token_access" => {
                let spare: i64 =
                    self.stage.superuser.get("SELECT id FROM token_auth.domain WHERE name = 'spare.example'", &[]);
                format!(r#"{{"id": {number}, "domain_id": {spare}}}"#)
            }
            _ => panic!("a new table: {table}"),
        }
    }

    /// COPY shows the line that it was reading, which begins with the digest.
    fn copy_a_wrong_row(&mut self, what: &str, code: &str, rest: &str) {
        self.fresh += 1;
        let digest = digest_hex(what);
        self.stage.watch.digest(what, &digest);
        let line = format!("{}\t{}\tx\t\\\\x{digest}\t{rest}\n", self.fresh, self.stage.account);
        let sql = "COPY token_auth.token (id, account_id, name, digest, hint, created_by) FROM STDIN";
        let mut session = self.session();
        let mut copy = session.copy_in(sql).expect("COPY starts");
        copy.write_all(line.as_bytes()).expect("the row is sent");
        let refusal = refusal(&copy.finish().expect_err("the row is refused"));
        assert_eq!(refusal.code, code, "{what}: {refusal:?}");
        self.stage.watch.heard(&format!("{sql} with {what}"), refusal);
    }

    fn update_what_never_changes(&mut self) {
        let mut session = self.session();
        for sql in [
            "UPDATE token_auth.account SET id = id + 1000 WHERE id = $1",
            "UPDATE token_auth.domain SET id = id + 1000 WHERE account_id = $1",
            "UPDATE token_auth.domain SET account_id = account_id + 1000 WHERE account_id = $1",
            "UPDATE token_auth.token SET id = id + 1000 WHERE account_id = $1",
            "UPDATE token_auth.token SET account_id = account_id + 1000 WHERE account_id = $1",
            "UPDATE token_auth.token SET scheme = 'sha512' WHERE account_id = $1",
            "UPDATE token_auth.token_access SET id = id + 1000 WHERE account_id = $1",
        ] {
            self.stage.watch.refused(&mut session, "23514", sql, &[&self.stage.account]);
        }
        for sql in [
            "UPDATE token_auth.profile SET can_pause = false WHERE name = $1",
            "DELETE FROM token_auth.profile WHERE name = $1",
            "INSERT INTO token_auth.profile_resource VALUES ($1, 'email', '{send}')",
        ] {
            self.stage.watch.refused(&mut session, "55000", sql, &[&"default"]);
        }
    }

    fn digest_of_the_first_token(&mut self) -> String {
        self.stage.superuser.get("SELECT encode(digest, 'hex') FROM token_auth.token ORDER BY ctid LIMIT 1", &[])
    }

    /// Every constraint, and every unique index that is not one of a constraint.
    fn constraints(&mut self) -> BTreeSet<String> {
        let names: Vec<String> = self.stage.superuser.list(
            "SELECT conname::text FROM pg_constraint WHERE connamespace = 'token_auth'::regnamespace AND contype <> 'n'
             UNION
             SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE c.relnamespace = 'token_auth'::regnamespace AND i.indisunique",
            &[],
        );
        names.into_iter().collect()
    }

    fn columns_that_are_never_null(&mut self) -> Vec<(String, String)> {
        let rows = self.stage.superuser.rows(
            "SELECT a.attname::text, c.relname::text
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             WHERE c.relnamespace = 'token_auth'::regnamespace AND c.relkind = 'r'
               AND a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY 2, 1",
            &[],
        );
        assert!(rows.len() > 20, "{} columns", rows.len());
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

/// A table, a constraint, and the change of a valid row that violates only this constraint.
const WRONG_ROWS: &[(&str, &str, &str)] = &[
    ("profile", "profile_pkey", r#"{"name": "own"}"#),
    ("profile", "profile_name_is_name", r#"{"name": " "}"#),
    ("profile", "profile_secret_prefix_format", r#"{"secret_prefix": "Tok-"}"#),
    ("profile", "profile_reset_expires", r#"{"can_expire": false}"#),
    ("profile", "profile_reset_grace_range", r#"{"reset_grace": "-1 second"}"#),
    ("profile", "profile_expired_retention_range", r#"{"expired_retention": "101 years"}"#),
    ("profile", "profile_default_lifetime_range", r#"{"default_lifetime": "-1 day"}"#),
    ("profile", "profile_max_lifetime_range", r#"{"max_lifetime": "101 years"}"#),
    ("profile", "profile_default_lifetime_is_allowed", r#"{"default_lifetime": "2 days", "max_lifetime": "1 day"}"#),
    ("profile", "profile_lifetime_expires", r#"{"max_lifetime": "1 day", "can_expire": false, "can_reset": false}"#),
    ("profile", "profile_max_tokens_range", r#"{"max_tokens": 0}"#),
    ("profile_resource", "profile_resource_pkey", r#"{"resource": "email"}"#),
    ("profile_resource", "profile_resource_profile_fkey", r#"{"profile": "none"}"#),
    ("profile_resource", "profile_resource_resource_format", r#"{"resource": "*"}"#),
    ("profile_resource", "profile_resource_actions_format", r#"{"actions": ["re ad"]}"#),
    ("account", "account_pkey", r#"{"id": 1}"#),
    ("account", "account_name_key", r#"{"name": "acme"}"#),
    ("account", "account_profile_fkey", r#"{"profile": "none"}"#),
    ("account", "account_name_is_name", r#"{"name": ""}"#),
    ("account", "account_metadata_is_object", r#"{"metadata": [1]}"#),
    ("account", "account_id_is_not_any", r#"{"id": -7283946150283746511}"#),
    ("account_admin", "account_admin_pkey", r#"{"actor": "alice"}"#),
    ("account_admin", "account_admin_account_id_fkey", r#"{"account_id": -1}"#),
    ("account_admin", "account_admin_actor_is_name", r#"{"actor": ""}"#),
    ("domain", "domain_pkey", r#"{"id": 1}"#),
    ("domain", "domain_account_id_fkey", r#"{"account_id": -1}"#),
    ("domain", "domain_account_id_name_key", r#"{"name": "MAIL.example"}"#),
    ("domain", "domain_name_is_name", r#"{"name": "a\nb"}"#),
    ("token", "token_pkey", r#"{"id": 1}"#),
    ("token", "token_account_id_fkey", r#"{"account_id": -1, "domain_id": null}"#),
    ("token", "token_domain_fkey", r#"{"domain_id": -1}"#),
    ("token", "token_digest_excl", r#"{"digest": "$digest"}"#),
    ("token", "token_digest_is_sha256", r#"{"digest": "$digest00"}"#),
    ("token", "token_name_is_name", r#"{"name": ""}"#),
    ("token", "token_created_by_is_name", r#"{"created_by": ""}"#),
    ("token", "token_owner_is_name", r#"{"owner": ""}"#),
    ("token", "token_networks_count", r#"{"networks": []}"#),
    ("token", "token_scheme_is_known", r#"{"scheme": "md5"}"#),
    ("token", "token_request_id_is_name", r#"{"request_id": ""}"#),
    ("token", "token_account_id_request_id_key", r#"{"request_id": "request"}"#),
    ("token", "token_leak_is_whole", r#"{"leaked_at": "2020-01-01Z"}"#),
    ("token", "token_leak_source_is_name", r#"{"leaked_at": "2020-01-01Z", "leak_source": ""}"#),
    ("token", "token_hint_is_name", r#"{"hint": ""}"#),
    ("token", "token_created_at_finite", r#"{"created_at": "infinity"}"#),
    ("token", "token_expires_at_range", r#"{"expires_at": "infinity"}"#),
    ("token", "token_metadata_is_object", r#"{"metadata": "a text"}"#),
    ("token", "token_metadata_size", r#"{"metadata": {"a": "$long"}}"#),
    ("token_access", "token_access_pkey", r#"{"id": 1}"#),
    ("token_access", "token_access_token_id_domain_id_key", r#"{"domain_id": 1}"#),
    ("token_access", "token_access_token_fkey", r#"{"token_id": -1}"#),
    ("token_access", "token_access_domain_fkey", r#"{"domain_id": -1}"#),
    ("token_access", "token_access_scopes_count", r#"{"scopes": [$many]}"#),
    ("token_access", "token_access_scopes_format", r#"{"scopes": ["email"]}"#),
];

/// Constraints that no statement can violate, and why.
const NOT_PROVOKABLE: &[(&str, &str)] = &[
    ("domain_account_id_id_key", "two rows with the same id break the primary key first"),
    ("token_account_id_id_key", "two rows with the same id break the primary key first"),
];
