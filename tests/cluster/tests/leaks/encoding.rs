//! Databases in other encodings than UTF-8.

use cluster::{Client, Cluster, Sql, TokenAuth, refusal};
use postgres::Row;

/// Calls with text that is not UTF-8. `$1` is an account, `$2` a token.
const REFUSED: [&str; 18] = [
    "token_auth.create_account(name => bad)",
    "token_auth.create_account(name => 'x', profile => bad)",
    "token_auth.rename_account(id => $1, name => bad)",
    "token_auth.delete_account(id => $1, confirm_name => bad)",
    "token_auth.add_account_admin(id => $1, actor => bad)",
    "token_auth.create_domain(account_id => $1, name => bad)",
    "token_auth.create_token(account_id => $1, name => bad, scopes => '{*}', all_domains => true)",
    "token_auth.create_token(account_id => $1, name => 'x', scopes => ARRAY[bad], all_domains => true)",
    "token_auth.create_token(account_id => $1, name => 'x', scopes => '{*}', domain => bad)",
    "token_auth.rename_token(id => $2, name => bad)",
    "token_auth.revoke_access(id => $2, domain => bad)",
    "token_auth.verify_token(NULL, scope => bad)",
    "token_auth.create_token(account_id => $1, name => 'x', scopes => '{*}', all_domains => true, owner => bad)",
    "token_auth.create_token(account_id => $1, name => 'x', scopes => '{*}', all_domains => true, request_id => bad)",
    "token_auth.set_token_owner(id => $2, owner => bad)",
    "token_auth.import_token($1, 'x', '{*}', all_domains => true, secret => 'an old secret of ' || bad)",
    "token_auth.revoke_tokens(owner => bad)",
    "token_auth.report_leaked_secret('x', source => bad)",
];

#[test]
fn bytes_that_are_not_utf8_are_refused_in_a_database_without_an_encoding() {
    let mut ascii = WithoutEncoding::start();
    for call in REFUSED {
        ascii.assert_is_no_text(call);
    }
    ascii.db.run("SELECT set_config('token_auth.actor', convert_from('\\x61ff', 'SQL_ASCII'), false) IS NULL", &[]);
    ascii.assert_is_no_text(
        "token_auth.create_token(account_id => $1, name => 'x', scopes => '{*}', all_domains => true)",
    );
    ascii.db.run("RESET token_auth.actor", &[]);

    assert!(ascii.db.is_good(&ascii.secret));
    assert_eq!(ascii.cluster.log().lines_with("panicked").len(), 0);
}

#[test]
fn verification_accepts_bytes_that_are_not_utf8() {
    let mut ascii = WithoutEncoding::start();
    let secret = ascii.secret.clone();
    for (call, code) in [
        ("token_auth.verify_token(bad)".to_owned(), "malformed"),
        (format!("token_auth.verify_token('{secret}' || bad)"), "malformed"),
        (format!("token_auth.verify_token('{secret}', NULL, bad)"), "domain_not_allowed"),
        (format!("token_auth.verify_token('{secret}', 'email:send', bad)"), "domain_not_allowed"),
    ] {
        let row = ascii.call(&format!("({call}).code")).expect("verification answers");
        assert_eq!(row.get::<_, String>(0), code, "{call}");
    }
}

/// A digest that was stolen from the other system has any bytes, and so may a secret here.
#[test]
fn a_digest_that_is_sent_as_a_secret_finds_nothing_even_if_its_token_is_cached() {
    let mut ascii = WithoutEncoding::start();
    // Text has no zero byte.
    let secret: String = ascii.db.get(
        "SELECT 'an old secret of a customer ' || n FROM generate_series(1, 1000) AS n
          WHERE position('\\x00'::bytea IN sha512(('an old secret of a customer ' || n)::bytea)) = 0 LIMIT 1",
        &[],
    );
    let import = "token_auth.import_token($1, 'x', '{*}', all_domains => true, digest => sha512(";
    ascii.call(&format!("{import}'{secret}'), scheme => 'sha512')")).expect("an import");
    let as_secret = format!("(token_auth.verify_token(convert_from(sha512('{secret}'), 'SQL_ASCII'))).code");
    let as_digest = format!("(token_auth.verify_token_digest(sha512('{secret}'), scheme => 'sha512')).code");
    for _ in 0..3 {
        assert_eq!(ascii.call(&as_digest).expect("it answers").get::<_, String>(0), "ok");
        assert_eq!(ascii.call(&as_secret).expect("it answers").get::<_, String>(0), "not_found");
        assert_eq!(ascii.db.verify(&secret, None, None).code, "ok");
    }
}

#[test]
fn no_row_has_a_name_that_is_not_utf8() {
    let mut ascii = WithoutEncoding::start();
    for update in [
        "UPDATE token_auth.account SET name = name || convert_from('\\xff', 'SQL_ASCII')",
        "UPDATE token_auth.token SET name = name || convert_from('\\xff', 'SQL_ASCII')",
        "UPDATE token_auth.token SET hint = hint || convert_from('\\xff', 'SQL_ASCII')",
        "UPDATE token_auth.token_access SET scopes = ARRAY['a:' || convert_from('\\xff', 'SQL_ASCII')]",
    ] {
        // Caught in the server: the message contains the row, which cannot be sent to a client with UTF-8.
        let caught =
            format!("DO $$ BEGIN {update}; RAISE 'not refused'; EXCEPTION WHEN check_violation THEN NULL; END $$");
        ascii.db.run(&caught, &[]);
    }
}

#[test]
fn the_extension_is_refused_in_a_database_whose_text_is_not_utf8() {
    let cluster = Cluster::builder().start();
    let mut db = database_with_encoding(&cluster, "LATIN1");
    assert_eq!(db.refused("CREATE EXTENSION token_auth", &[]).code, "0A000");
    assert_eq!(db.get::<i64>("SELECT count(*) FROM pg_namespace WHERE nspname = 'token_auth'", &[]), 0);
}

/// A database with the encoding SQL_ASCII, which accepts any bytes, and a token.
struct WithoutEncoding {
    cluster: Cluster,
    db: Client,
    account: i64,
    token: i64,
    secret: String,
}

impl WithoutEncoding {
    fn start() -> WithoutEncoding {
        let cluster = Cluster::builder().start();
        let mut db = database_with_encoding(&cluster, "SQL_ASCII");
        db.run("CREATE EXTENSION token_auth", &[]);
        let account = db.account("acme");
        let token = db.account_token(account, "all", &["*"]);
        assert!(db.is_good(&token.secret));
        WithoutEncoding { cluster, db, account, token: token.id, secret: token.secret }
    }

    /// Calls a function with a letter and a lone 0xff in the column `bad`.
    fn call(&mut self, call: &str) -> Result<Row, postgres::Error> {
        // Both parameters are declared here, so that each call may use what it needs.
        let sql = format!(
            "WITH broken AS (SELECT convert_from('\\x61ff', 'SQL_ASCII') AS bad, $1::bigint, $2::bigint)
             SELECT {call} FROM broken"
        );
        self.db.query_one(&sql, &[&self.account, &self.token])
    }

    /// Asserts that the function itself raises the error: the server's own error for a message that it cannot send has other words.
    fn assert_is_no_text(&mut self, call: &str) {
        let error = self.call(call).err().unwrap_or_else(|| panic!("not refused: {call}"));
        let refusal = refusal(&error);
        assert!(refusal.code == "22021" && refusal.message.contains("not valid UTF-8"), "{call}\n{refusal:?}");
    }
}

fn database_with_encoding(cluster: &Cluster, encoding: &str) -> Client {
    cluster
        .connect("postgres", "postgres")
        .run(&format!("CREATE DATABASE other ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"), &[]);
    cluster.connect("other", "postgres")
}
