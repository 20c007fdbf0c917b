//! A token whose decisions are cached, and the changes that take its access away and give it back.

use crate::{Client, Cluster, NewToken, Sql, TokenAuth, shared};
use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

/// A database of its own, with one account, one domain and one token.
pub struct CacheScene {
    /// A session of a superuser.
    pub superuser: Client,
    /// The database.
    pub database: String,
    /// The account `acme`.
    pub account: i64,
    /// A token with `email:send` on mail.example.
    pub token: NewToken,
    /// The cluster, which the tests of a process share. The last scene stops it.
    pub cluster: Arc<Cluster>,
}

/// A change of one table that takes the token's access away, and the change that gives it back.
pub struct AccessChange {
    /// The table.
    pub table: &'static str,
    /// The statement that takes the access away.
    pub take: &'static str,
    /// The code of a verification after it.
    pub code: &'static str,
    /// The statement that gives the access back.
    pub give: &'static str,
}

/// One change for each table that a verification reads.
pub const CHANGES: [AccessChange; 5] = [
    AccessChange {
        table: "token",
        take: "UPDATE token_auth.token SET paused_at = now()",
        code: "paused",
        give: "UPDATE token_auth.token SET paused_at = NULL",
    },
    AccessChange {
        table: "token_access",
        take: "UPDATE token_auth.token_access SET scopes = '{email:read}'",
        code: "insufficient_scope",
        give: "UPDATE token_auth.token_access SET scopes = '{email:send}'",
    },
    AccessChange {
        table: "account",
        take: "UPDATE token_auth.account SET paused_at = now()",
        code: "paused",
        give: "UPDATE token_auth.account SET paused_at = NULL",
    },
    AccessChange {
        table: "profile",
        take: "UPDATE token_auth.profile SET needs_verified_domain = true WHERE name = 'own'",
        code: "domain_not_allowed",
        give: "UPDATE token_auth.profile SET needs_verified_domain = false WHERE name = 'own'",
    },
    AccessChange {
        table: "domain",
        take: "UPDATE token_auth.domain SET name = 'other.example' WHERE name = 'mail.example'",
        code: "domain_not_allowed",
        give: "UPDATE token_auth.domain SET name = 'mail.example' WHERE name = 'other.example'",
    },
];

impl CacheScene {
    /// Creates the database. Its name must be unique among the tests of the process.
    pub fn in_database(name: &str) -> CacheScene {
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let cluster = shared(&CLUSTER, || {
            Cluster::builder()
                .preload("token_auth")
                .setting("max_connections", "100")
                .setting("max_prepared_transactions", "5")
                .setting("max_worker_processes", "20")
                .setting("autovacuum", "off")
                .start()
        });
        let superuser = cluster.create_database_with_token_auth(name);
        let token = NewToken { id: 0, secret: String::new() };
        let mut scene = CacheScene { superuser, database: name.to_owned(), account: 0, token, cluster };
        scene.fill();
        scene
    }

    /// Creates the account, the domain and the token.
    pub fn fill(&mut self) {
        let superuser = &mut self.superuser;
        superuser.own_profile("own", r#"{"creates_domain_token": false, "keeps_last_token": false}"#);
        self.account = superuser.account_under("acme", "own");
        superuser.run("SELECT token_auth.create_domain($1, 'mail.example')", &[&self.account]);
        self.token = superuser.token(self.account, "sender", &["email:send"], "mail.example");
    }

    /// Opens a session of a superuser.
    pub fn session(&self) -> Client {
        self.cluster.connect(&self.database, "postgres")
    }

    /// Opens a session with a transaction that is authenticated as the token.
    pub fn authenticated_session(&self) -> Client {
        let mut session = self.session();
        session.run("BEGIN", &[]);
        let code: String = session.get("SELECT code FROM token_auth.authenticate($1)", &[&self.token.secret]);
        assert_eq!(code, "ok");
        session
    }

    /// Returns the code of a verification in a session: whether the token may send from mail.example.
    pub fn code(&self, session: &mut impl Sql) -> String {
        session.verify(&self.token.secret, Some("email:send"), Some("mail.example")).code
    }

    /// Asserts that a session verifies the token, and caches it.
    pub fn assert_cached(&self, session: &mut impl Sql, when: &str) {
        let is_cached = eventually(|| {
            assert_eq!(self.code(session), "ok", "{when}");
            self.is_verified_from_cache(session)
        });
        assert!(is_cached, "nothing is cached: {when}");
    }

    /// Returns true if a session verifies the token without a scan of the index on digests.
    pub fn is_verified_from_cache(&self, session: &mut impl Sql) -> bool {
        let row = session.row(
            "SELECT pg_stat_get_xact_numscans('token_auth.token_digest_excl'::regclass),
                    (token_auth.verify_token($1, 'email:send', 'mail.example')).code,
                    pg_stat_get_xact_numscans('token_auth.token_digest_excl'::regclass)",
            &[&self.token.secret],
        );
        row.get::<_, i64>(0) == row.get::<_, i64>(2)
    }

    /// Asserts that a session with a cached token sees a change, and the change back, in its next verification.
    pub fn assert_verification_follows(&mut self, session: &mut Client, change: &AccessChange) {
        self.assert_cached(session, change.take);
        self.superuser.batch_execute(change.take).expect(change.take);
        assert_eq!(self.code(session), change.code, "{}", change.take);
        self.superuser.batch_execute(change.give).expect(change.give);
        assert_eq!(self.code(session), "ok", "{}", change.give);
    }

    /// Asserts that an authenticated session sees a change, and the change back, in its next statement.
    pub fn assert_session_follows(&mut self, session: &mut Client, take: &str, give: &str) {
        assert!(session_answer(session).is_some(), "before {take}");
        self.superuser.batch_execute(take).expect(take);
        assert_eq!(session_answer(session), None, "{take}");
        self.superuser.batch_execute(give).expect(give);
        assert!(session_answer(session).is_some(), "{give}");
    }
}

/// Returns the session token and its allowed domains, if it may send from mail.example.
pub fn session_answer(session: &mut impl Sql) -> Option<(i64, String)> {
    let row = session.row(
        "SELECT token_auth.allows('email:send', 'mail.example'), token_auth.current_token_id(),
                token_auth.allowed_domains('email:send')::text, cardinality(token_auth.allowed_domain_ids('email:send')),
                'mail.example' = ANY (token_auth.allowed_domains('email:send'))",
        &[],
    );
    let allowed: bool = row.get(0);
    assert_eq!(allowed, row.get::<_, bool>(4), "the answers agree: {row:?}");
    allowed.then(|| (row.get(1), row.get(2)))
}

/// Returns true if an authenticated session answers from its cache.
pub fn is_answered_from_cache(session: &mut Client) -> bool {
    eventually(|| !scans_again(session))
}

/// Returns true if an authenticated session scans the tables for an answer that it has just given.
pub fn scans_again(session: &mut Client) -> bool {
    assert!(session_answer(session).is_some());
    let scans = "SELECT sum(pg_stat_get_xact_numscans(i.indexrelid))::bigint
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                 WHERE c.relnamespace = 'token_auth'::regnamespace";
    let before: i64 = session.get(scans, &[]);
    assert!(session_answer(session).is_some());
    session.get::<i64>(scans, &[]) != before
}

/// Returns true if a condition becomes true. The scenes share a cluster, and one test floods it with invalidation messages that
/// empty the cache of every session.
fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    (0..100).any(|_| {
        let holds = condition();
        if !holds {
            std::thread::sleep(Duration::from_millis(50));
        }
        holds
    })
}
