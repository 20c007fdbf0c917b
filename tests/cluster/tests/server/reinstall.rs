//! DROP EXTENSION leaves nothing, CREATE EXTENSION works again, and a session survives both.

use cluster::{Cluster, Sql, TokenAuth};

/// Every catalog in which an extension could leave something.
const CATALOGUES: [&str; 19] = [
    "pg_namespace",
    "pg_class",
    "pg_attribute",
    "pg_attrdef",
    "pg_type",
    "pg_proc",
    "pg_operator",
    "pg_cast",
    "pg_constraint",
    "pg_index",
    "pg_trigger",
    "pg_event_trigger",
    "pg_depend",
    "pg_description",
    "pg_init_privs",
    "pg_default_acl",
    "pg_sequence",
    "pg_rewrite",
    "pg_shdepend",
];

#[test]
fn drop_extension_leaves_nothing_behind() {
    let cluster = Cluster::builder().start();
    cluster.create_database("app");
    let mut db = cluster.connect("app", "postgres");
    let before = contents(&mut db);

    db.run("CREATE EXTENSION token_auth", &[]);
    assert_ne!(contents(&mut db), before);
    let account = db.account("acme");
    db.domain(account, "mail.example");
    db.run("DROP EXTENSION token_auth", &[]);

    assert_eq!(contents(&mut db), before);
}

#[test]
fn a_session_survives_drop_and_create_extension() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.create_database_with_token_auth("app");
    let mut other = cluster.connect("app", "postgres");
    let verify = other.prepare("SELECT code FROM token_auth.verify_token($1, $2, $3)").expect("the function is there");

    for round in 0..3 {
        let account = db.account("acme");
        let domain = db.domain(account, "mail.example");
        let token = db.token(account, "sender", &["email:send"], "mail.example");
        let mut code = |secret: &str| {
            let row = other.query_one(&verify, &[&secret, &Some("email:send"), &Some("mail.example")])?;
            Ok::<String, postgres::Error>(row.get(0))
        };
        assert_eq!(code(&token.secret).expect("the extension is there"), "ok", "round {round}");
        assert_eq!(code(&domain.token.secret).expect("the extension is there"), "ok", "round {round}");

        db.run("DROP EXTENSION token_auth", &[]);
        let refusal = cluster::refusal(&code(&token.secret).expect_err("the function is gone"));
        assert_gone(&refusal);
        assert_gone(&db.refused("SELECT token_auth.create_account('acme')", &[]));
        assert_gone(&db.refused("SELECT count(*) FROM token_auth.token", &[]));

        db.run("CREATE EXTENSION token_auth", &[]);
        assert_eq!(code(&token.secret).expect("the extension is back"), "not_found", "round {round}");
        assert_eq!(db.token_count(), 0);
    }
}

/// Asserts that the error says in words that the schema or the object does not exist, not with the OID of a dropped object.
fn assert_gone(refusal: &cluster::Refusal) {
    assert!(["3F000", "42883", "42P01"].contains(&&*refusal.code), "{refusal:?}");
    assert!(refusal.message.contains("token_auth"), "{refusal:?}");
}

/// Returns the number of rows of each catalog, and the rows that name the extension.
fn contents(db: &mut impl Sql) -> Vec<String> {
    let mut contents: Vec<String> = CATALOGUES
        .iter()
        .map(|catalogue| {
            let rows: i64 = db.get(&format!("SELECT count(*) FROM {catalogue}"), &[]);
            format!("{catalogue}: {rows}")
        })
        .collect();
    contents.extend(db.list::<String>(
        "SELECT 'function ' || p.oid::regprocedure FROM pg_proc p
         WHERE p.probin LIKE '%token_auth%' OR p.pronamespace::regnamespace::text = 'token_auth'
         UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE '%token_auth%'
         UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t WHERE t.typnamespace::regnamespace::text = 'token_auth'",
        &[],
    ));
    contents
}
