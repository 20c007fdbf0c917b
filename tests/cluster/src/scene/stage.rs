//! A cluster that logs as much as it can, with the roles of the README, an account, and somebody who watches for leaks.

use crate::{Builder, Cluster, NewToken, Sql, TokenAuth, Watch, digest_hex};
use postgres::Client;

/// As much logging as can be had without the values of parameters.
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

/// A database with the roles of the README and an account in it.
pub struct Stage {
    /// The cluster; its database is `app`.
    pub cluster: Cluster,
    /// May do everything, by plain DML too.
    pub superuser: Client,
    /// May call the management functions and read the lists.
    pub manager: Client,
    /// May call `verify_token`.
    pub verifier: Client,
    /// An account with the domains `mail.example` and `spare.example`, each with its own token.
    pub account: i64,
    /// One more token, of `mail.example`.
    pub token: NewToken,
    /// Watches for the secrets and digests of all these.
    pub watch: Watch,
}

impl Stage {
    /// Builds it all on a cluster that is about to start.
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

    /// Sessions, the log and the statistics say nothing of what is watched for.
    pub fn assert_no_leaks(&mut self) {
        self.watch.assert_sessions_heard_nothing();
        self.watch.assert_log_says_nothing(&self.cluster);
        self.watch.assert_statistics_say_nothing(&mut self.superuser);
    }
}

/// The roles of README.md, and somebody who logs in as each.
fn grant_roles(superuser: &mut Client) {
    superuser.batch_execute(&crate::readme::grants()).expect("the GRANTs of docs/privileges.md");
    superuser.run("CREATE ROLE manager LOGIN IN ROLE token_manager", &[]);
    superuser.run("CREATE ROLE verifier LOGIN IN ROLE token_verifier", &[]);
    // Not of README.md: the worker's job by hand is a part of the whole life.
    superuser.run("GRANT EXECUTE ON FUNCTION token_auth.sweep TO manager", &[]);
}
