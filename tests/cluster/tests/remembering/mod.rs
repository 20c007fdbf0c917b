//! A session that remembers what the token may do as which it acts, and another one that changes that.

use cluster::{Client, Cluster, NewToken, Sql, TokenAuth};
use std::sync::{Arc, Mutex, Weak};

/// A database of the test's own, with one account, one domain and one token.
pub struct Remembering {
    pub superuser: Client,
    pub database: String,
    pub account: i64,
    /// May send from mail.example.
    pub token: NewToken,
    /// The last test that has it stops it.
    pub cluster: Arc<Cluster>,
}

impl Remembering {
    pub fn in_database(name: &str) -> Remembering {
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let cluster = cluster::shared(&CLUSTER, || {
            let builder = Cluster::builder().preload("token_auth").setting("max_prepared_transactions", "5");
            builder.setting("autovacuum", "off").start()
        });
        let superuser = cluster.create_database_with_token_auth(name);
        let token = NewToken { id: 0, secret: String::new() };
        let mut scene = Remembering { superuser, database: name.to_owned(), account: 0, token, cluster };
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

    /// A session in a transaction that acts as the token.
    pub fn acting(&self) -> Client {
        let mut session = self.cluster.connect(&self.database, "postgres");
        session.run("BEGIN", &[]);
        let code: String = session.get("SELECT code FROM token_auth.authenticate($1)", &[&self.token.secret]);
        assert_eq!(code, "ok");
        session
    }

    /// Both changes are felt by the next statement of a session that acts.
    pub fn assert_felt(&mut self, session: &mut Client, take: &str, give: &str) {
        assert!(ask(session).is_some(), "before {take}");
        self.superuser.batch_execute(take).expect(take);
        assert_eq!(ask(session), None, "{take}");
        self.superuser.batch_execute(give).expect(give);
        assert!(ask(session).is_some(), "{give}");
    }
}

/// What the session acts as and may do at mail.example, where it may do something there.
pub fn ask(session: &mut impl Sql) -> Option<(i64, String)> {
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

/// Whether it answers a question that it has answered without a look into our tables. In a transaction.
pub fn is_remembered(session: &mut Client) -> bool {
    // The tests share a cluster, and one of them floods it with messages that make every session forget.
    (0..100).any(|_| {
        let looked = looks_again(session);
        if looked {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        !looked
    })
}

/// Whether it looks into our tables for an answer that it has just given.
pub fn looks_again(session: &mut Client) -> bool {
    assert!(ask(session).is_some());
    let looks = "SELECT sum(pg_stat_get_xact_numscans(i.indexrelid))::bigint
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                 WHERE c.relnamespace = 'token_auth'::regnamespace";
    let before: i64 = session.get(looks, &[]);
    assert!(ask(session).is_some());
    session.get::<i64>(looks, &[]) != before
}
