//! An account whose tokens call functions, and the results of the calls.

use crate::{Client, Cluster, NewToken, Refusal, Sql, TokenAuth, readme, refusal, seconds, shared, wait_until};
use postgres::Transaction;
use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

/// An account with a profile of its own. `alice` is its administrator.
pub struct PermissionScene {
    pub account: i64,
    /// The name of the account and of its profile.
    pub name: String,
    /// A session of a superuser, whose actor is `alice`.
    pub superuser: Client,
    /// The last scene stops it.
    cluster: Arc<Cluster>,
}

impl PermissionScene {
    /// Creates the account. Its profile is `default` with these columns, a JSON object.
    pub fn under(profile: &str) -> PermissionScene {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let cluster = shared(&CLUSTER, start_cluster);
        let mut superuser = cluster.connect(DATABASE, "postgres");
        superuser.run("SET token_auth.actor = 'alice'", &[]);
        let name = format!("scene {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        superuser.own_profile(&name, profile);
        let account = superuser.account_under(&name, &name);
        superuser.run("SELECT token_auth.add_account_admin($1, 'alice')", &[&account]);
        PermissionScene { account, name, superuser, cluster }
    }

    /// Opens a session, and returns the notices and warnings that it receives, too.
    pub fn listening_session(&self, role: &str) -> (Client, Arc<Mutex<Vec<String>>>) {
        self.cluster.connect_listening(DATABASE, role)
    }

    /// Opens a session of `alice` or `bob`, who may call every function, of `holder`, who may only authenticate, or of `nobody`.
    pub fn session(&self, role: &str) -> Client {
        self.cluster.connect(DATABASE, role)
    }

    /// Creates a token for every domain of the account.
    pub fn token(&mut self, scopes: &[&str]) -> NewToken {
        self.superuser.account_token(self.account, "everywhere", scopes)
    }

    /// Creates a token for one domain.
    pub fn token_of(&mut self, domain: &str, scopes: &[&str]) -> NewToken {
        self.superuser.token(self.account, "of a domain", scopes, domain)
    }

    /// Opens a session of bob at an isolation level.
    pub fn session_at(&self, level: &str) -> Client {
        let mut bob = self.session("bob");
        bob.run(&format!("SET default_transaction_isolation = '{level}'"), &[]);
        bob
    }

    /// Returns the result of work as a token that waits for another session, which changes the same and then commits.
    pub fn waiting<T: Send>(
        &mut self,
        level: &str,
        caller: &NewToken,
        meanwhile: &str,
        work: impl FnOnce(&mut Transaction) -> T + Send,
    ) -> T {
        let mut bob = self.session_at(level);
        let pid: i32 = bob.get("SELECT pg_backend_pid()", &[]);
        let mut watcher = self.session("postgres");
        let mut other = self.superuser.transaction().expect("a transaction begins");
        other.run(&format!("SELECT token_auth.{meanwhile}"), &[]);
        std::thread::scope(|threads| {
            let worker = threads.spawn(|| work(&mut authenticated_as(caller, &mut bob)));
            let waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
            wait_until(&format!("somebody to wait for {meanwhile}"), seconds(30), || {
                watcher.get::<Option<bool>>(waits, &[&pid]) == Some(true)
            });
            other.commit().expect("the other session commits");
            worker.join().expect("its work ends")
        })
    }
}

/// Returns a transaction that is authenticated as a token.
pub fn authenticated_as<'a>(token: &NewToken, session: &'a mut Client) -> Transaction<'a> {
    let mut work = session.transaction().expect("a transaction begins");
    let code: String = work.get("SELECT code FROM token_auth.authenticate($1)", &[&token.secret]);
    assert_eq!(code, "ok", "token {}", token.id);
    work
}

/// Returns the refusal of a call, if it is refused. The call is rolled back, and the transaction can continue.
pub fn refusal_of(call: &str, work: &mut Transaction) -> Option<Refusal> {
    let mut attempt = work.transaction().expect("a savepoint");
    attempt.query(&format!("SELECT token_auth.{call}"), &[]).err().map(|error| refusal(&error))
}

const DATABASE: &str = "app";

fn start_cluster() -> Cluster {
    let keys = format!("{}\n", "0c".repeat(32));
    let cluster =
        Cluster::builder().preload("token_auth").setting("max_connections", "200").sealing_keys(&keys).start();
    let mut superuser = cluster.create_database_with_token_auth(DATABASE);
    superuser.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
    superuser
        .batch_execute(
            "CREATE ROLE alice  LOGIN IN ROLE token_manager, token_revealer, token_importer, leak_reporter;
             CREATE ROLE bob    LOGIN IN ROLE token_manager, token_revealer, token_importer, leak_reporter;
             CREATE ROLE holder LOGIN;
             CREATE ROLE nobody LOGIN;
             GRANT EXECUTE ON FUNCTION token_auth.authenticate, token_auth.authenticate_digest, token_auth.sweep,
                                       token_auth.reseal_tokens TO alice, bob;
             GRANT EXECUTE ON FUNCTION token_auth.authenticate TO holder",
        )
        .expect("somebody who logs in as each");
    cluster
}
