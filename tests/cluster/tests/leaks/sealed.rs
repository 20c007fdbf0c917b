//! No secret, key or sealed copy leaks while secrets are revealed, resealed and erased, while that fails, and
//! while plain DML violates constraints: not into the log, not into statistics, not into errors.

use cluster::{Client, NewToken, Sql, Stage, TokenAuth, digest_hex, refusal, talkative};
use std::io::Write;

const KEY: &str = "7f3a1c05d2e84b96a0c7f1529be6438d0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6";
const OTHER_KEY: &str = "e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff10";
const NO_KEY: &str = "5w0rdf15h5w0rdf15h5w0rdf15h5w0rdf15h5w0rdf15h5w0rdf15h5w0rdf15h!";

const REVEAL: &str = "SELECT token_auth.reveal_token($1)";

#[test]
fn revealing_and_sealing_leave_no_trace_of_a_secret_or_a_key() {
    let mut vault = Vault::start();
    vault.live_a_life();
    vault.provoke_functions();
    vault.stage.assert_no_leaks();
}

#[test]
fn no_violated_constraint_or_failed_copy_shows_a_sealed_copy() {
    let mut vault = Vault::start();
    vault.break_rows();
    for (what, code, line) in [
        ("a blank hint", "23514", "$id\t$account\tx\t$digest\t$sealed\t \ttest\n"),
        ("no hint", "23502", "$id\t$account\tx\t$digest\t$sealed\t\\N\ttest\n"),
        ("a column too many", "22P04", "$id\t$account\tx\t$digest\t$sealed\thint\ttest\tmore\n"),
        ("a column too few", "22P04", "$id\t$account\tx\t$digest\t$sealed\n"),
        ("half a byte", "22023", "$id\t$account\tx\t$digest\t$sealed0\thint\ttest\n"),
        ("no hexadecimal digit", "22023", "$id\t$account\tx\t$digest\t$sealedgg\thint\ttest\n"),
    ] {
        vault.copy_in(what, code, line);
    }
    vault.stage.assert_no_leaks();
}

#[test]
fn statistics_of_the_planner_have_no_sample_of_a_sealed_copy() {
    let mut vault = Vault::start();
    let db = &mut vault.stage.superuser;
    for _ in 0..50 {
        db.account_token(vault.account, "the same name", &["*"]);
    }
    db.batch_execute("ANALYZE").expect("ANALYZE");
    let sampled: Vec<String> =
        db.list("SELECT attname::text FROM pg_stats WHERE schemaname = 'token_auth' AND tablename = 'token'", &[]);
    assert!(sampled.contains(&"name".to_owned()), "{sampled:?}");
    assert!(!sampled.iter().any(|column| column == "sealed" || column == "digest"), "{sampled:?}");
}

/// A stage with an account whose secrets can be revealed, and a session that may reveal them.
struct Vault {
    stage: Stage,
    revealer: Client,
    account: i64,
    token: NewToken,
}

impl Vault {
    fn start() -> Vault {
        let mut stage = Stage::start(talkative().preload("token_auth").sealing_keys(KEY));
        for (whose, key) in [("the key", KEY), ("the other key", OTHER_KEY)] {
            stage.watch.digest(whose, key);
            // A message could begin anywhere.
            stage.watch.digest(&format!("the end of {whose}"), &key[24..]);
        }
        stage.watch.secret("what is no key", NO_KEY);
        stage.superuser.run("CREATE ROLE revealer LOGIN IN ROLE token_revealer", &[]);
        stage.superuser.own_profile("vault", r#"{"can_reveal": true}"#);
        let revealer = stage.cluster.connect("app", "revealer");
        let account = stage.manager.account_under("vault", "vault");
        let token = stage.manager.domain(account, "vault.example").token;
        stage.watch.token(&token);
        let mut vault = Vault { stage, revealer, account, token };
        vault.watch_sealed();
        vault
    }

    /// Watches for all sealed copies that there are now.
    fn watch_sealed(&mut self) {
        let Stage { superuser, watch, .. } = &mut self.stage;
        let sealed =
            superuser.rows("SELECT id, encode(sealed, 'hex') FROM token_auth.token WHERE sealed IS NOT NULL", &[]);
        assert!(!sealed.is_empty());
        for row in sealed {
            let (id, hex): (i64, String) = (row.get(0), row.get(1));
            // It begins with a mark, which is not secret. The rest is found wherever a message is cut.
            watch.digest(&format!("sealed copy {id}"), &hex);
            watch.digest(&format!("sealed copy {id} from the nonce on"), &hex[18..]);
            watch.digest(&format!("sealed copy {id} from the ciphertext on"), &hex[66..]);
        }
    }

    fn live_a_life(&mut self) {
        let Vault { stage, revealer, account, token } = self;
        let row = stage.manager.row("SELECT token_id, secret FROM token_auth.reset_token($1)", &[&token.id]);
        let successor = NewToken { id: row.get(0), secret: row.get(1) };
        let another = stage.manager.account_token(*account, "another", &["*"]);
        for token in [&*token, &successor, &another] {
            stage.watch.token(token);
            assert_eq!(revealer.get::<String>(REVEAL, &[&token.id]), token.secret);
        }
        self.watch_sealed();

        let Vault { stage, .. } = self;
        stage.cluster.write_sealing_keys(&[OTHER_KEY, KEY].join("\n"), 0o600);
        assert_eq!(stage.superuser.get::<i64>("SELECT token_auth.reseal_tokens()", &[]), 3);
        self.watch_sealed();
        let Vault { stage, account, .. } = self;
        stage.superuser.run("UPDATE token_auth.profile SET name = 'renamed' WHERE name = 'vault'", &[]);
        stage.manager.run("SELECT token_auth.set_account_profile($1, 'default')", &[account]);
        stage.manager.run("SELECT token_auth.set_account_profile($1, 'renamed')", &[account]);
        self.token = stage.manager.account_token(*account, "sealed again", &["*"]);
        stage.watch.token(&self.token);
        self.watch_sealed();
    }

    /// Every error of the functions that need a key.
    fn provoke_functions(&mut self) {
        let Vault { stage: Stage { cluster, superuser, manager, watch, .. }, revealer, account, token } = self;
        watch.refused(manager, "42501", REVEAL, &[&token.id]);
        watch.refused(revealer, "22023", REVEAL, &[&None::<i64>]);
        watch.refused(revealer, "P0002", REVEAL, &[&-1_i64]);
        watch.refused(superuser, "22023", "SELECT token_auth.reseal_tokens(0)", &[]);

        let copy = "UPDATE token_auth.token SET sealed = set_bit(sealed, 500, 1 - get_bit(sealed, 500)) WHERE id = $1";
        superuser.run(copy, &[&token.id]);
        watch.refused(revealer, "XX001", REVEAL, &[&token.id]);
        cluster.write_sealing_keys(&[KEY, OTHER_KEY].join("\n"), 0o600);
        watch.refused(superuser, "XX001", "SELECT token_auth.reseal_tokens()", &[]);
        superuser.run(copy, &[&token.id]);

        let create = "SELECT token_auth.create_token($1, 'new', '{*}', all_domains => true)";
        for (keys, mode, code) in [
            (KEY.to_owned(), 0o600, "55000"),
            (KEY.to_owned(), 0o644, "F0000"),
            (format!("{KEY}\n{NO_KEY}"), 0o600, "F0000"),
            (format!("{KEY} {OTHER_KEY}"), 0o600, "F0000"),
            (KEY[1..].to_owned(), 0o600, "F0000"),
            ([KEY, OTHER_KEY, KEY].join("\n"), 0o600, "F0000"),
            (String::new(), 0o600, "F0000"),
        ] {
            cluster.write_sealing_keys(&keys, mode);
            watch.refused(revealer, code, REVEAL, &[&token.id]);
            watch.refused(superuser, code, "SELECT token_auth.reseal_tokens()", &[]);
            if code == "F0000" {
                watch.refused(manager, code, create, &[account]);
            }
        }
    }

    /// PostgreSQL would print the row, or the key.
    fn break_rows(&mut self) {
        let Vault { stage: Stage { superuser, watch, .. }, token, .. } = self;
        for (code, changes) in [
            ("23514", "hint = ''"),
            ("23514", "name = ' '"),
            ("23514", "digest = digest || '\\x00'"),
            ("23514", "metadata = jsonb_build_object('a', repeat('x', 9000))"),
            ("23514", "account_id = account_id + 1"),
            ("23502", "created_by = NULL"),
            ("23503", "domain_id = -1"),
            ("23P01", "digest = (SELECT digest FROM token_auth.token WHERE id = 1)"),
        ] {
            let sql = format!("UPDATE token_auth.token SET {changes} WHERE id = $1");
            watch.refused(superuser, code, &sql, &[&token.id]);
        }
        for changes in ["'{}'", "'{\"hint\": \"\"}'", "'{\"account_id\": -1, \"domain_id\": null}'"] {
            let sql = format!(
                "INSERT INTO token_auth.token
                 SELECT (jsonb_populate_record(t, {changes}::jsonb || '{{\"id\": 1000}}')).*
                 FROM token_auth.token t WHERE id = $1"
            );
            let refusal = superuser.refused(&sql, &[&token.id]);
            assert!(refusal.code.starts_with("23"), "{refusal:?}");
            watch.heard(&sql, refusal);
        }
    }

    fn copy_in(&mut self, what: &str, code: &str, line: &str) {
        let Stage { superuser, watch, cluster, .. } = &mut self.stage;
        let sealed: String =
            superuser.get("SELECT encode(sealed, 'hex') FROM token_auth.token WHERE id = $1", &[&self.token.id]);
        let digest = digest_hex(what);
        watch.digest(what, &digest);
        let line = line
            .replace("$id", "1000")
            .replace("$account", &self.account.to_string())
            .replace("$digest", &format!("\\\\x{digest}"))
            .replace("$sealed", &format!("\\\\x{sealed}"));
        let mut session = cluster.connect("app", "postgres");
        let sql = "COPY token_auth.token (id, account_id, name, digest, sealed, hint, created_by) FROM STDIN";
        let mut copy = session.copy_in(sql).expect("COPY starts");
        copy.write_all(line.as_bytes()).expect("the row is sent");
        let refusal = refusal(&copy.finish().expect_err("the row is refused"));
        assert_eq!(refusal.code, code, "{what}: {refusal:?}");
        watch.heard(&format!("{sql} with {what}"), refusal);
    }
}
