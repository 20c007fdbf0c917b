//! Without `shared_preload_libraries` everything except the worker works, and an administrator can see that none runs.

use cluster::{Cluster, Sql, TokenAuth, launcher};

#[test]
fn everything_works_by_hand_without_preload() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.own_profile("brief", r#"{"expired_retention": "0"}"#);
    let account = db.account_under("acme", "brief");
    let domain = db.domain(account, "mail.example");
    let token = db.token(account, "sender", &["email:send"], "mail.example");

    assert_eq!(db.verify(&token.secret, Some("email:send"), Some("mail.example")).code, "ok");
    assert_eq!(db.verify(&token.secret, Some("email:read"), Some("mail.example")).code, "insufficient_scope");
    assert_eq!(db.verify(&domain.token.secret, Some("email:read"), Some("mail.example")).code, "ok");

    db.expired_tokens(account, 3);
    assert_eq!(db.token_count(), 5);
    assert_eq!(db.get::<i64>("SELECT token_auth.sweep()", &[]), 3);
    assert_eq!(db.token_count(), 2);
    assert_eq!(db.get::<i64>("SELECT token_auth.sweep()", &[]), 0);
}

#[test]
fn without_preload_no_launcher_is_listed() {
    let cluster = Cluster::builder().start();
    cluster.create_database_with_token_auth("app");
    assert_eq!(launcher(&cluster), None);
}

#[test]
fn create_extension_warns_that_no_worker_will_run() {
    assert!(what_create_extension_says(&Cluster::builder().start()).contains("shared_preload_libraries"));
}

#[test]
fn create_extension_does_not_warn_if_a_worker_runs() {
    let cluster = Cluster::builder().preload("token_auth").start();
    assert_eq!(what_create_extension_says(&cluster), "");
}

/// Before the library is loaded every user can set a placeholder of that name. Loading the library drops the value.
#[test]
fn an_actor_set_before_the_library_is_loaded_is_dropped() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    db.run("CREATE ROLE manager LOGIN", &[]);
    db.run("GRANT USAGE ON SCHEMA token_auth TO manager", &[]);
    db.run("GRANT EXECUTE ON FUNCTION token_auth.create_token TO manager", &[]);
    db.run("GRANT SELECT ON token_auth.tokens TO manager", &[]);

    let mut manager = cluster.connect("app", "manager");
    manager.run("SET token_auth.actor = 'administrator'", &[]);
    let token = manager.account_token(account, "mine", &["email:send"]);
    let made_by = "SELECT created_by FROM token_auth.tokens WHERE id = $1";
    assert_eq!(manager.get::<String>(made_by, &[&token.id]), "manager");
    assert_eq!(manager.refused("SET token_auth.actor = 'administrator'", &[]).code, "42501");
}

fn what_create_extension_says(cluster: &Cluster) -> String {
    cluster.create_database("app");
    let (mut db, heard) = cluster.connect_listening("app", "postgres");
    db.run("CREATE EXTENSION token_auth", &[]);
    let heard = heard.lock().expect("the listener does not panic");
    heard.join("\n")
}
