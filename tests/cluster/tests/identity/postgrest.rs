//! examples/postgrest.sql, in the transactions of PostgREST.

use cluster::{Client, Cluster, NewToken, Sql, TokenAuth, refusal};
use postgres::Transaction;
use std::{
    path::Path,
    sync::{Arc, Mutex, Weak},
};

const WHO: &str = "SELECT token_auth.current_token_id()";
const ROWS: &str = "SELECT domain FROM message ORDER BY domain";

#[test]
fn a_request_is_authenticated_as_the_token_in_its_header() {
    let scene = PostgrestScene::shared();
    let mut session = scene.authenticator();
    for scheme in ["Token", "token", "TOKEN", "Bearer", "bearer", "BEARER", "bEaReR", "  Bearer  ", "Token\t"] {
        for (token, domain) in [(&scene.red, "red.example"), (&scene.blue, "blue.example")] {
            let headers = authorization(&format!("{scheme} {} ", token.secret));
            let (who, rows) = answer(&mut session, Some(&headers)).expect("a good token");
            assert_eq!(who, Some(token.id), "{scheme}");
            assert_eq!(rows, [domain], "{scheme}");
        }
    }
}

#[test]
fn a_request_without_a_token_is_not_authenticated() {
    let scene = PostgrestScene::shared();
    let secret = &scene.red.secret;
    let without = [
        String::new(),
        "{}".into(),
        r#"{"accept": "*/*", "host": "localhost:3000"}"#.into(),
        r#"{"authorization": null}"#.into(),
        authorization(""),
        authorization("Basic dXNlcjpwYXNzd29yZA=="),
        authorization(&format!("Basic {secret}")),
        authorization(secret),
        authorization(&format!("Bearer{secret}")),
        authorization(&format!("Tokens {secret}")),
        authorization(&format!("Basic Token {secret}")),
        format!(r#"{{"x-authorization": "Token {secret}"}}"#),
        format!(r#"["Token {secret}"]"#),
        format!(r#""Token {secret}""#),
        "null".into(),
    ];
    let mut session = scene.authenticator();
    for headers in without.iter().map(|headers| Some(&**headers)) {
        assert_eq!(answer(&mut session, headers).expect("no token"), (None, vec![]), "{headers:?}");
    }
    // In a session without the setting, which is NULL there.
    assert_eq!(answer(&mut scene.authenticator(), None).expect("no token"), (None, vec![]));
}

#[test]
fn a_token_that_is_refused_is_a_401() {
    let scene = PostgrestScene::shared();
    let mut superuser = scene.cluster.connect("app", "postgres");
    let mut lost = |change: &str| {
        let token = superuser.token(scene.account, "lost", &["email:read"], "red.example");
        superuser.run(change, &[&token.id]);
        token.secret
    };
    let refused = [
        ("paused", lost("SELECT token_auth.pause_token($1)")),
        ("expired", lost("UPDATE token_auth.token SET expires_at = clock_timestamp() WHERE id = $1")),
        ("not_found", lost("SELECT token_auth.delete_token($1)")),
        ("malformed", "junk".into()),
        ("malformed", String::new()),
        ("malformed", format!("{} {}", scene.red.secret, scene.blue.secret)),
        ("malformed", format!("Bearer {}", scene.red.secret)),
    ];
    let mut session = scene.authenticator();
    for (code, secret) in refused {
        for scheme in ["Token", "Bearer"] {
            let answer = answer(&mut session, Some(&authorization(&format!("{scheme} {secret}"))));
            let refusal = refusal(&answer.expect_err(code));
            assert_eq!(refusal.code, "PT401", "{code}: {refusal:?}");
            assert_eq!(refusal.message, "the API token was refused", "{code}");
            assert_eq!(refusal.detail, format!("Its state is {code}."));
            assert!(secret.len() < 5 || !refusal.text().contains(&secret), "{refusal:?}");
            assert_eq!(session.get::<Option<i64>>(WHO, &[]), None, "{code}");
        }
    }
}

#[test]
fn headers_that_are_not_json_fail_the_request() {
    let scene = PostgrestScene::shared();
    let mut session = scene.authenticator();
    for headers in ["{", "Token", &scene.red.secret, r#"{"authorization": }"#] {
        let error = answer(&mut session, Some(headers)).expect_err(headers);
        assert_eq!(refusal(&error).code, "22P02", "{headers}");
        assert_eq!(answer(&mut session, None).expect("no token"), (None, vec![]), "{headers}");
    }
}

#[test]
fn the_next_request_on_the_connection_is_not_authenticated() {
    let scene = PostgrestScene::shared();
    let mut session = scene.authenticator();
    let good = authorization(&format!("Token {}", scene.red.secret));
    let failing = |work: &mut Transaction| work.query("SELECT 1 / 0", &[]).map(drop);
    let fine = |work: &mut Transaction| work.query(ROWS, &[]).map(drop);
    for main in [&fine as &dyn Fn(&mut Transaction) -> _, &failing] {
        let _ = request(&mut session, Some(&good), main);
        assert_eq!(session.get::<Option<i64>>(WHO, &[]), None);
        // The settings of that request are now empty, not unset.
        assert_eq!(session.get::<Option<String>>("SELECT current_setting('request.headers', true)", &[]).unwrap(), "");
        assert_eq!(answer(&mut session, None).expect("no token"), (None, vec![]));
    }
    // PostgREST keeps its queries prepared.
    let prepare = |work: &mut Transaction| Ok((work.prepare(WHO)?, work.prepare("SELECT count(*) FROM message")?));
    let (who, rows) = request(&mut session, None, prepare).expect("no token");
    for turn in 0..20 {
        let headers = (turn % 2 == 0).then(|| &*good);
        let seen = request(&mut session, headers, |work| {
            Ok((work.query_one(&who, &[])?.get::<_, Option<i64>>(0), work.query_one(&rows, &[])?.get::<_, i64>(0)))
        });
        let expected = if headers.is_some() { (Some(scene.red.id), 1) } else { (None, 0) };
        assert_eq!(seen.expect("it is not refused"), expected, "request {turn}");
    }
}

#[test]
fn within_one_transaction_the_last_call_decides() {
    let scene = PostgrestScene::shared();
    let mut session = scene.authenticator();
    let good = authorization(&format!("Token {}", scene.red.secret));
    request(&mut session, Some(&good), |work| {
        assert_eq!(work.get::<Option<i64>>(WHO, &[]), Some(scene.red.id));
        work.run("SELECT set_config('request.headers', '{}', true)", &[]);
        work.run("SELECT api.authenticate_request()", &[]);
        assert_eq!(work.get::<Option<i64>>(WHO, &[]), None);
        Ok(())
    })
    .expect("it is not refused");
}

#[test]
fn the_roles_of_requests_cannot_authenticate_by_themselves() {
    let scene = PostgrestScene::shared();
    let mut session = scene.authenticator();
    let authenticate = format!("SELECT token_auth.authenticate('{}')", scene.red.secret);
    let good = authorization(&format!("Token {}", scene.red.secret));
    for headers in [None, Some(&*good)] {
        let answer = request(&mut session, headers, |work| work.query(&authenticate, &[]).map(drop));
        assert_eq!(refusal(&answer.expect_err("web_anon authenticates")).code, "42501");
    }
    // The role authenticator has no privilege before it becomes web_anon.
    for call in [&*authenticate, "SELECT api.authenticate_request()", "SELECT FROM api.message"] {
        assert_eq!(session.refused(call, &[]).code, "42501", "{call}");
    }
    assert_eq!(session.refused("SET ROLE request_authenticator", &[]).code, "42501");
    let mut superuser = scene.cluster.connect("app", "postgres");
    let mut executors = |function: &str| {
        superuser.list::<String>(
            "SELECT rolname::text FROM pg_roles
             WHERE has_function_privilege(oid, $1::text, 'EXECUTE') AND NOT rolsuper ORDER BY rolname",
            &[&function],
        )
    };
    assert_eq!(executors("token_auth.authenticate(text, inet)"), ["request_authenticator"]);
    assert_eq!(executors("api.authenticate_request()"), ["request_authenticator", "web_anon"]);
}

/// The session token of a request, and the rows that it sees.
fn answer(session: &mut Client, headers: Option<&str>) -> Result<(Option<i64>, Vec<String>), postgres::Error> {
    request(session, headers, |work| {
        let who = work.query_one(WHO, &[])?.get(0);
        Ok((who, work.query(ROWS, &[])?.iter().map(|row| row.get(0)).collect()))
    })
}

/// A GET, as PostgREST 12 to 14 do it: settings, the pre-request and the main query, each a statement of one transaction.
/// https://docs.postgrest.org/en/v12/references/transactions.html
fn request<T>(
    session: &mut Client,
    headers: Option<&str>,
    main: impl FnOnce(&mut Transaction) -> Result<T, postgres::Error>,
) -> Result<T, postgres::Error> {
    let mut work = session.build_transaction().read_only(true).start().expect("a transaction begins");
    work.run(
        r#"SELECT set_config('search_path', '"api", "public"', true), set_config('role', 'web_anon', true),
                  set_config('request.jwt.claims', '{"role":"web_anon"}', true),
                  set_config('request.method', 'GET', true), set_config('request.path', '/message', true)"#,
        &[],
    );
    if let Some(headers) = headers {
        work.run("SELECT set_config('request.headers', $1, true)", &[&headers]);
    }
    let answer = work.query(r#"select "api"."authenticate_request"()"#, &[]).and_then(|_| main(&mut work));
    if answer.is_ok() { work.commit() } else { work.rollback() }.expect("the transaction ends");
    answer
}

fn authorization(value: &str) -> String {
    format!(r#"{{"accept": "*/*", "authorization": "{}"}}"#, value.replace('\t', r"\t"))
}

/// The example, two tokens with a domain each, and a table in which each sees one row.
struct PostgrestScene {
    cluster: Cluster,
    account: i64,
    red: NewToken,
    blue: NewToken,
}

impl PostgrestScene {
    /// Returns the scene of this process. The last test stops its cluster.
    fn shared() -> Arc<PostgrestScene> {
        static SCENE: Mutex<Weak<PostgrestScene>> = Mutex::new(Weak::new());
        cluster::shared(&SCENE, PostgrestScene::set)
    }

    fn set() -> PostgrestScene {
        let cluster = Cluster::builder().preload("token_auth").start();
        let mut superuser = cluster.create_database_with_token_auth("app");
        cluster.psql("app", Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/postgrest.sql")));
        let account = superuser.account("acme");
        let [red, blue] = ["red.example", "blue.example"].map(|domain| {
            superuser.domain(account, domain);
            superuser.token(account, "reader", &["email:read"], domain)
        });
        superuser
            .batch_execute(
                "CREATE TABLE api.message (domain text);
                 INSERT INTO api.message VALUES ('red.example'), ('blue.example'), ('green.example');
                 ALTER TABLE api.message ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY readable ON api.message USING (domain = ANY (token_auth.allowed_domains('email:read')));
                 GRANT SELECT ON api.message TO web_anon",
            )
            .expect("a table under row-level security");
        PostgrestScene { cluster, account, red, blue }
    }

    /// Opens a connection of PostgREST's pool.
    fn authenticator(&self) -> Client {
        self.cluster.connect("app", "authenticator")
    }
}
