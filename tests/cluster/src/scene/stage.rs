//! A cluster that logs as much as possible, with the documented roles, an account, and a watch for leaks.

use crate::{Builder, Cluster, NewToken, Sql, TokenAuth, Watch, digest_hex};
use postgres::Client;

/// Returns a builder with as much logging as possible without the values of parameters.
pub fn talkative() -> Builder {
    Cluster::builder()
        .preload("pg_stat_statements")
        .setting("pg_stat_statements.track", "all")
        .setting("log_statement", "all")
        .setting("log_duration", "on")
        .setting("log_parameter_max_length", "0")
        .setting("log_min_error_statement", "error")
        .setting("log_error_verbosity", "verbose")
        .environment("RUST_BACKTRACE", "1")
}

/// A database with the documented roles and an account.
pub struct Stage {
    /// The cluster. Its database is `app`.
    pub cluster: Cluster,
    /// A session of a superuser.
    pub superuser: Client,
    /// May call the management functions and read the lists.
    pub manager: Client,
    /// May call `verify_token`.
    pub verifier: Client,
    /// An account with the domains `mail.example` and `spare.example`, each with its own token.
    pub account: i64,
    /// One more token, whose home is `mail.example`.
    pub token: NewToken,
    /// The watch for the secrets and digests of all of these.
    pub watch: Watch,
}

impl Stage {
    /// Starts the cluster and creates everything.
    pub fn start(builder: Builder) -> Stage {
        let cluster = builder.start();
        let mut superuser = cluster.create_database_with_token_auth("app");
        superuser.run("CREATE EXTENSION pg_stat_statements", &[]);
        grant_roles(&mut superuser);
        let mut manager = cluster.connect("app", "manager");
        let verifier = cluster.connect("app", "verifier");

        let account = manager.account("acme");
        let domain = manager.domain(account, "mail.example");
        manager.domain(account, "spare.example");
        let token = manager.token(account, "the sample", &["email:send"], "mail.example");
        manager.run("SELECT token_auth.add_account_admin($1, $2)", &[&account, &"alice"]);
        superuser.own_profile("own", "{}");
        superuser.run("INSERT INTO token_auth.profile_resource VALUES ('own', 'email', '{send}')", &[]);

        let mut watch = Watch::default();
        watch.token(&domain.token);
        watch.token(&token);
        let digests = superuser.list::<String>("SELECT encode(digest, 'hex') FROM token_auth.token", &[]);
        assert!(digests.contains(&digest_hex(&token.secret)), "the digest is not what is watched for");
        Stage { cluster, superuser, manager, verifier, account, token, watch }
    }

    /// Asserts that errors, the log and the statistics contain none of the watched texts.
    pub fn assert_no_leaks(&mut self) {
        self.watch.assert_sessions_heard_nothing();
        self.watch.assert_log_says_nothing(&self.cluster);
        self.watch.assert_statistics_say_nothing(&mut self.superuser);
    }
}

/// Creates the documented roles, and a login role for each.
fn grant_roles(superuser: &mut Client) {
    superuser.batch_execute(&crate::readme::grants()).expect("the GRANTs of docs/privileges.md");
    superuser.run("CREATE ROLE manager LOGIN IN ROLE token_manager", &[]);
    superuser.run("CREATE ROLE verifier LOGIN IN ROLE token_verifier", &[]);
    // Not documented for managers: the tests sweep by hand.
    superuser.run("GRANT EXECUTE ON FUNCTION token_auth.sweep TO manager", &[]);
}
