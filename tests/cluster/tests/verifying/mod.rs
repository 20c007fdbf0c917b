//! One token, the changes that take its access away and give it back, and whether an answer about it came from memory.

use cluster::{Client, Cluster, NewToken, Sql, TokenAuth};
use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

/// A database of the test's own, with one account, one domain and one token.
pub struct Scene {
    pub superuser: Client,
    pub database: String,
    pub account: i64,
    /// May send from mail.example.
    pub token: NewToken,
    /// The last test that has it stops it.
    pub cluster: Arc<Cluster>,
}

/// A change of one table that takes the access away, what is answered then, and the change that gives it back.
pub struct Taking {
    pub table: &'static str,
    pub take: &'static str,
    pub code: &'static str,
    pub give: &'static str,
}

pub const TAKINGS: [Taking; 5] = [
    Taking {
        table: "token",
        take: "UPDATE token_auth.token SET paused_at = now()",
        code: "paused",
        give: "UPDATE token_auth.token SET paused_at = NULL",
    },
    Taking {
        table: "token_access",
        take: "UPDATE token_auth.token_access SET scopes = '{email:read}'",
        code: "insufficient_scope",
        give: "UPDATE token_auth.token_access SET scopes = '{email:send}'",
    },
    Taking {
        table: "account",
        take: "UPDATE token_auth.account SET paused_at = now()",
        code: "paused",
        give: "UPDATE token_auth.account SET paused_at = NULL",
    },
    Taking {
        table: "profile",
        take: "UPDATE token_auth.profile SET needs_verified_domain = true WHERE name = 'own'",
        code: "domain_not_allowed",
        give: "UPDATE token_auth.profile SET needs_verified_domain = false WHERE name = 'own'",
    },
    Taking {
        table: "domain",
        take: "UPDATE token_auth.domain SET name = 'other.example'",
        code: "domain_not_allowed",
        give: "UPDATE token_auth.domain SET name = 'mail.example'",
    },
];

impl Scene {
    pub fn in_database(name: &str) -> Scene {
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let cluster = cluster::shared(&CLUSTER, || {
            let builder = Cluster::builder()
                .preload("token_auth")
                .setting("max_connections", "100")
                .setting("max_prepared_transactions", "5");
            builder.setting("max_worker_processes", "20").setting("autovacuum", "off").start()
        });
        let superuser = cluster.create_database_with_token_auth(name);
        let token = NewToken { id: 0, secret: String::new() };
        let mut scene = Scene { superuser, database: name.to_owned(), account: 0, token, cluster };
        scene.fill();
        scene
    }

    /// Makes the account, the domain and the token.
    pub fn fill(&mut self) {
        let superuser = &mut self.superuser;
        superuser.own_profile("own", r#"{"creates_domain_token": false, "keeps_last_token": false}"#);
        self.account = superuser.account_under("acme", "own");
        superuser.run("SELECT token_auth.create_domain($1, 'mail.example')", &[&self.account]);
        self.token = superuser.token(self.account, "sender", &["email:send"], "mail.example");
    }

    pub fn session(&self) -> Client {
        self.cluster.connect(&self.database, "postgres")
    }

    /// Whether the token may send from mail.example, says this session.
    pub fn code(&self, session: &mut impl Sql) -> String {
        session.verify(&self.token.secret, Some("email:send"), Some("mail.example")).code
    }

    /// The session verifies, and has remembered what it found.
    pub fn assert_remembered(&self, session: &mut impl Sql, when: &str) {
        // The tests share a cluster, and one of them floods it with messages that make every session forget.
        let remembered = (0..100).any(|_| {
            assert_eq!(self.code(session), "ok", "{when}");
            let from_memory = self.is_answered_from_memory(session);
            if !from_memory {
                std::thread::sleep(Duration::from_millis(50));
            }
            from_memory
        });
        assert!(remembered, "nothing is remembered: {when}");
    }

    /// Whether the session verifies without a look at the index that leads to the token.
    pub fn is_answered_from_memory(&self, session: &mut impl Sql) -> bool {
        let row = session.row(
            "SELECT pg_stat_get_xact_numscans('token_auth.token_digest_excl'::regclass),
                    (token_auth.verify_token($1, 'email:send', 'mail.example')).code,
                    pg_stat_get_xact_numscans('token_auth.token_digest_excl'::regclass)",
            &[&self.token.secret],
        );
        row.get::<_, i64>(0) == row.get::<_, i64>(2)
    }

    /// What was remembered before is not what is answered after the change, nor after the one back.
    pub fn assert_felt(&mut self, session: &mut Client, taking: &Taking) {
        self.assert_remembered(session, taking.take);
        self.superuser.batch_execute(taking.take).expect(taking.take);
        assert_eq!(self.code(session), taking.code, "{}", taking.take);
        self.superuser.batch_execute(taking.give).expect(taking.give);
        assert_eq!(self.code(session), "ok", "{}", taking.give);
    }
}
