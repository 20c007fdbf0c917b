//! A product that a preset reproduces: an account under that profile, and sessions of the documented roles.

use crate::{Cluster, NewToken, Refusal, Sql, TokenAuth, random_part, readme, shared};
use postgres::{Client, Transaction, types::ToSql};
use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

/// An account under a preset, in a database that the tests of a process share.
pub struct Product {
    /// The preset.
    pub profile: &'static str,
    /// A new account of this test.
    pub account: i64,
    /// The name of the account.
    pub account_name: String,
    /// A session of a superuser, to let time pass and to read what is stored.
    pub superuser: Client,
    /// May call the management functions and read the lists.
    pub manager: Client,
    /// May call `verify_token`.
    pub verifier: Client,
    /// May call `reveal_token`.
    pub revealer: Client,
    /// Has the privileges of a manager and a revealer, and may authenticate.
    pub backend: Client,
    /// The last test stops it.
    cluster: Arc<Cluster>,
}

impl Product {
    /// Creates an account under a preset.
    pub fn under(profile: &'static str) -> Product {
        static ACCOUNTS: AtomicUsize = AtomicUsize::new(1);
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let cluster = shared(&CLUSTER, start_cluster);
        let mut manager = cluster.connect(DATABASE, "manager");
        let account_name = format!("account {} of {profile}", ACCOUNTS.fetch_add(1, Ordering::Relaxed));
        Product {
            profile,
            account: manager.account_under(&account_name, profile),
            account_name,
            superuser: cluster.connect(DATABASE, "postgres"),
            manager,
            verifier: cluster.connect(DATABASE, "verifier"),
            revealer: cluster.connect(DATABASE, "revealer"),
            backend: cluster.connect(DATABASE, "backend"),
            cluster,
        }
    }

    /// Opens one more session of `manager`, `verifier`, `revealer` or `backend`.
    pub fn session(&self, role: &str) -> Client {
        self.cluster.connect(DATABASE, role)
    }

    /// Creates a domain. Its token, if any, is not returned.
    pub fn domain(&mut self, name: &str) -> i64 {
        self.manager.get("SELECT domain_id FROM token_auth.create_domain($1, $2)", &[&self.account, &name])
    }

    /// Creates a token for one domain.
    pub fn token(&mut self, name: &str, scopes: &[&str], domain: &str) -> NewToken {
        self.manager.token(self.account, name, scopes, domain)
    }

    /// Creates a token for every domain of the account.
    pub fn account_token(&mut self, name: &str, scopes: &[&str]) -> NewToken {
        self.manager.account_token(self.account, name, scopes)
    }

    /// Returns the code of a verification.
    pub fn code<'a>(
        &mut self,
        token: &NewToken,
        scope: impl Into<Option<&'a str>>,
        domain: impl Into<Option<&'a str>>,
    ) -> String {
        code(&mut self.verifier, token, scope, domain)
    }

    /// Works in a transaction that is authenticated as a token, and commits.
    pub fn act_as<T>(&mut self, token: &NewToken, work: impl FnOnce(&mut Transaction) -> T) -> T {
        let mut transaction = authenticated(&mut self.backend, token);
        let outcome = work(&mut transaction);
        transaction.commit().expect("the work of a token commits");
        outcome
    }

    /// Returns the refusal of a statement in a transaction that is authenticated as a token.
    pub fn refused_as(&mut self, token: &NewToken, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Refusal {
        authenticated(&mut self.backend, token).refused(sql, params)
    }

    /// Returns the number of tokens of the account.
    pub fn tokens(&mut self) -> i64 {
        self.manager.get("SELECT count(*) FROM token_auth.tokens WHERE account_id = $1", &[&self.account])
    }

    /// Asserts that a statement stops a token for every session when it has committed, and for none before: an old snapshot and a
    /// transaction that is already authenticated see it, too. `stop` takes the token's id. `told` is the code from then on.
    pub fn assert_stops_at_once(&mut self, token: &NewToken, may: (&str, &str), stop: &str, told: &str) {
        let (scope, domain) = may;
        let mut verifiers = [self.session("verifier"), self.session("verifier")];
        verifiers[1].run("BEGIN ISOLATION LEVEL REPEATABLE READ", &[]);
        let mut assert_are_told = |expected: &str| {
            for verifier in &mut verifiers {
                assert_eq!(code(verifier, token, scope, domain), expected, "{stop}");
                assert_eq!(code(verifier, token, None, None), expected, "{stop}");
            }
        };
        let mut session = self.session("backend");
        let mut busy = authenticated(&mut session, token);
        let mut acts_as = || busy.get::<Option<i64>>("SELECT token_auth.current_token_id()", &[]);

        let mut work = self.manager.transaction().expect("a transaction begins");
        assert_are_told("ok");
        work.run(stop, &[&token.id]);
        assert_are_told("ok");
        assert_eq!(acts_as(), Some(token.id));
        work.commit().expect("the stop commits");
        assert_are_told(told);
        assert_eq!(acts_as(), None);
        let refusal = busy.refused("SELECT token_auth.create_domain($1, 'late.example')", &[&self.account]);
        let says = format!("token {} of this transaction is no longer valid", token.id);
        assert_eq!((&*refusal.code, refusal.message), ("42501", says));
    }

    /// Asserts that a refusal names this rule of the preset, and has a hint.
    pub fn assert_forbidden_by(&self, rule: &str, refusal: &Refusal) {
        let Refusal { code, message, hint, .. } = refusal;
        assert_eq!(code, "42501", "{refusal:?}");
        assert!(message.starts_with(&format!("profile \"{}\" does not allow ", self.profile)), "{refusal:?}");
        assert!(message.ends_with(&format!(" ({rule} is false)")), "{refusal:?}");
        assert!(!hint.is_empty(), "{refusal:?}");
    }

    /// Asserts that no list and no function returns the secret of a token, and that there is no sealed copy.
    pub fn assert_was_shown_once(&mut self, token: &NewToken) {
        let needle = random_part(&token.secret);
        for role in ["manager", "verifier", "revealer", "backend"] {
            let mut session = self.session(role);
            let readable = readable_relations(&mut session);
            assert_eq!(readable.contains(&"token_auth.tokens".to_owned()), ["manager", "backend"].contains(&role));
            for relation in readable {
                let rows: Vec<String> = session.list(&format!("SELECT whole::text FROM {relation} whole"), &[]);
                assert!(!rows.iter().any(|row| row.contains(needle)), "{role} reads the secret in {relation}");
            }
        }

        let tellers: Vec<String> = self.backend.list(FUNCTIONS_THAT_TELL_SECRETS, &[]);
        assert_eq!(tellers, ["create_domain", "create_token", "reset_token", "reveal_token"]);
        for (rule, call) in [
            ("can_reveal", "SELECT token_auth.reveal_token($1)"),
            ("can_reset", "SELECT secret FROM token_auth.reset_token($1)"),
        ] {
            let refusal = self.backend.refused(call, &[&token.id]);
            self.assert_forbidden_by(rule, &refusal);
        }
        let refusal = self.manager.refused("SELECT token_auth.reveal_token($1)", &[&token.id]);
        assert_eq!(refusal.code, "42501", "{refusal:?}");

        assert!(!self.verifier.verify(&token.secret, None, None).row.contains(needle));
        let settings: Vec<String> = self.act_as(token, |work| work.list("SELECT setting FROM pg_settings", &[]));
        assert!(!settings.iter().any(|setting| setting.contains(needle)));

        let stored = self.superuser.row(
            "SELECT whole::text, digest = sha256(convert_to($2, 'UTF8')), sealed IS NULL
             FROM token_auth.token whole WHERE id = $1",
            &[&token.id, &token.secret],
        );
        assert!(!stored.get::<_, String>(0).contains(needle));
        assert_eq!((stored.get(1), stored.get(2)), (true, true), "the digest is there, and no sealed copy");
    }
}

/// Returns the code of a verification in a session.
pub fn code<'a>(
    session: &mut impl Sql,
    token: &NewToken,
    scope: impl Into<Option<&'a str>>,
    domain: impl Into<Option<&'a str>>,
) -> String {
    session.verify(&token.secret, scope.into(), domain.into()).code
}

/// Returns a transaction that is authenticated as a token.
fn authenticated<'a>(session: &'a mut Client, token: &NewToken) -> Transaction<'a> {
    let mut transaction = session.transaction().expect("a transaction begins");
    let code: String = transaction.get("SELECT code FROM token_auth.authenticate($1)", &[&token.secret]);
    assert_eq!(code, "ok", "token {}", token.id);
    transaction
}

const DATABASE: &str = "app";

/// The functions that return a text or a secret.
const FUNCTIONS_THAT_TELL_SECRETS: &str = "
    SELECT proname::text FROM pg_proc
    WHERE pronamespace = 'token_auth'::regnamespace AND has_function_privilege(oid, 'EXECUTE')
      AND proname <> 'any_text' AND (prorettype = 'text'::regtype OR 'secret' = ANY (proargnames[pronargs + 1:]))
    ORDER BY 1";

fn readable_relations(session: &mut Client) -> Vec<String> {
    session.list(
        "SELECT oid::regclass::text FROM pg_class
         WHERE relnamespace = 'token_auth'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege(oid, 'SELECT')",
        &[],
    )
}

fn start_cluster() -> Cluster {
    let cluster = Cluster::builder()
        .preload("token_auth")
        .setting("token_auth.sweep_interval", "1s")
        // Enough for all tests that run at the same time.
        .setting("max_connections", "200")
        .sealing_keys(&format!("{}\n", "5ea1".repeat(16)))
        .start();
    let mut superuser = cluster.create_database_with_token_auth(DATABASE);
    superuser.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
    superuser
        .batch_execute(
            "GRANT SET ON PARAMETER token_auth.actor TO token_manager, token_revealer;
             CREATE ROLE manager  LOGIN IN ROLE token_manager;
             CREATE ROLE verifier LOGIN IN ROLE token_verifier;
             CREATE ROLE revealer LOGIN IN ROLE token_revealer;
             CREATE ROLE backend  LOGIN IN ROLE token_manager, token_revealer, token_verifier;
             GRANT EXECUTE ON FUNCTION token_auth.authenticate TO backend",
        )
        .expect("somebody who logs in as each");
    cluster
}
