//! On a server with assertions: a session whose caches are discarded at each opportunity, which sends endless invalidation
//! messages, gets right answers.

use cluster::{Cluster, Sql, TokenAuth};

#[test]
fn verification_returns_if_invalidation_messages_never_cease() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    assert_eq!(db.get::<String>("SHOW debug_assertions", &[]), "on", "this suite is for a server with assertions");
    let account = db.account("acme");
    let domain = db.domain(account, "mail.example");
    let token = db.token(account, "sender", &["email:send"], "mail.example");

    let mut session = cluster.connect("app", "postgres");
    session.run("SET debug_discard_caches = 1", &[]);
    session.run("SET statement_timeout = '120s'", &[]);
    assert_eq!(session.verify("tok_00000", None, None).code, "malformed");
    assert_eq!(session.verify(&token.secret, Some("email:send"), Some("mail.example")).code, "ok");
    assert_eq!(session.verify(&token.secret, Some("email:read"), Some("mail.example")).code, "insufficient_scope");
    let mut work = session.transaction().expect("a transaction");
    assert_eq!(work.get::<String>("SELECT code FROM token_auth.authenticate($1)", &[&token.secret]), "ok");
    assert!(work.get::<bool>("SELECT token_auth.allows('email:send', 'mail.example')", &[]));
    assert_eq!(work.get::<Vec<i64>>("SELECT token_auth.allowed_domain_ids('email:send')", &[]), [domain.id]);
    work.rollback().expect("the end");
    session.run("SELECT token_auth.rename_token($1, 'other')", &[&token.id]);
    session.run("SELECT token_auth.delete_token($1)", &[&token.id]);
    assert_eq!(session.verify(&token.secret, None, None).code, "not_found");
    let well: bool = session.get("SELECT bool_and(ok) FROM token_auth.health()", &[]);
    assert!(well);
}
