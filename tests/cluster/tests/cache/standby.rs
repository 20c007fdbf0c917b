//! A hot standby answers as the primary does, as soon as it has replayed what the primary committed.

use cluster::{Cluster, Sql, TokenAuth, seconds, wait_until};

#[test]
fn verification_works_on_a_hot_standby() {
    let primary = Cluster::builder().start();
    let mut db = primary.create_database_with_token_auth("app");
    let account = db.account("acme");
    db.domain(account, "mail.example");
    let token = db.token(account, "sender", &["email:send"], "mail.example");
    db.run("CREATE ROLE verifier LOGIN", &[]);
    db.run("GRANT USAGE ON SCHEMA token_auth TO verifier", &[]);
    db.run("GRANT EXECUTE ON FUNCTION token_auth.verify_token TO verifier", &[]);

    let standby = Cluster::builder().start_standby_of(&primary);
    let mut copy = standby.connect("app", "verifier");
    let code = |copy: &mut cluster::Client, scope: &str, domain: &str| {
        copy.verify(&token.secret, Some(scope), Some(domain)).code
    };
    assert_eq!(code(&mut copy, "email:send", "MAIL.example"), "ok");
    assert_eq!(code(&mut copy, "email:read", "mail.example"), "insufficient_scope");
    assert_eq!(code(&mut copy, "email:send", "other.example"), "domain_not_allowed");

    db.run("SELECT token_auth.pause_token($1)", &[&token.id]);
    wait_until("the pause on the standby", seconds(30), || code(&mut copy, "email:send", "mail.example") == "paused");

    let mut admin = standby.connect("app", "postgres");
    assert_eq!(admin.refused("SELECT token_auth.resume_token($1)", &[&token.id]).code, "25006");
}
