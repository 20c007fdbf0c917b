//! A key is replaced while the server runs: the new key first and the old one after it, everything resealed, the old
//! one removed. At no time is there a secret that cannot be opened.

use cluster::{Client, Cluster, NewToken, Sql, TokenAuth};

const OLD: &str = "7f3a1c05d2e84b96a0c7f1529be6438d0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6";
const NEW: &str = "e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff10";

const REVEAL: &str = "SELECT token_auth.reveal_token($1)";
const RESEAL: &str = "SELECT token_auth.reseal_tokens($1)";

#[test]
fn old_copies_open_and_new_ones_are_sealed_under_the_first_key() {
    let archive = &mut Archive::start(3);
    let old_mark = archive.marks();
    archive.keys(&[NEW, OLD]);
    archive.assert_all_reveal();
    let newer = archive.add();
    let marks = archive.marks();
    assert_eq!((old_mark.len(), marks.len()), (1, 2), "a key each");

    // With the new key alone, only new copies can be opened.
    archive.keys(&[NEW]);
    assert_eq!(archive.db.get::<String>(REVEAL, &[&newer.id]), newer.secret);
    assert_eq!(archive.db.refused(REVEAL, &[&archive.tokens[0].id]).code, "55000");
    archive.keys(&[OLD]);
    assert_eq!(archive.db.refused(REVEAL, &[&newer.id]).code, "55000");
    archive.keys(&[OLD, NEW]);
    archive.assert_all_reveal();
}

/// More tokens than are resealed at a time.
#[test]
fn after_everything_is_resealed_the_old_key_can_be_removed() {
    let archive = &mut Archive::start(2_500);
    archive.db.run("SELECT token_auth.pause_token($1)", &[&archive.tokens[0].id]);
    archive.keys(&[NEW, OLD]);
    archive.add();
    let before = archive.without_sealed();

    assert_eq!(archive.reseal(Some(1)), 1);
    assert_eq!(archive.marked_as_last(), 2);
    assert_eq!(archive.reseal(Some(1_200)), 1_200);
    assert_eq!(archive.marked_as_last(), 1_202);
    assert_eq!(archive.reseal(Some(5_000)), 1_299);
    assert_eq!(archive.reseal(None), 0);
    assert_eq!(archive.marks().len(), 1);

    archive.keys(&[NEW]);
    archive.assert_all_reveal();
    assert_eq!(archive.reseal(None), 0);
    assert_eq!(archive.without_sealed(), before, "more than the copies was changed");

    archive.keys(&[OLD, NEW]);
    assert_eq!(archive.reseal(None), 2_501, "and back");
    let nonces: i64 = archive.db.get("SELECT count(DISTINCT substr(sealed, 10, 24)) FROM token_auth.token", &[]);
    assert_eq!(nonces, 2_501);
}

#[test]
fn a_missing_old_key_is_an_error_with_a_hint_until_it_is_restored() {
    let archive = &mut Archive::start(3);
    archive.keys(&[NEW]);
    let before = archive.sealed();
    for (sql, value) in [(REVEAL, Some(archive.tokens[0].id)), (RESEAL, None)] {
        let refusal = archive.db.refused(sql, &[&value]);
        assert_eq!(refusal.code, "55000", "{sql}: {refusal:?}");
        assert!(refusal.hint.contains("Add the key that was in use"), "{sql}: {refusal:?}");
    }
    assert_eq!(archive.sealed(), before);
    archive.keys(&[NEW, OLD]);
    assert_eq!(archive.reseal(None), 3);
    archive.keys(&[NEW]);
    archive.assert_all_reveal();
}

#[test]
fn a_broken_copy_is_an_error_and_nothing_is_resealed() {
    let archive = &mut Archive::start(5);
    archive.keys(&[NEW, OLD]);
    let broken = archive.tokens[3].id;
    let flip = "UPDATE token_auth.token SET sealed = set_bit(sealed, 400, 1 - get_bit(sealed, 400)) WHERE id = $1";
    archive.db.run(flip, &[&broken]);
    let before = archive.sealed();
    let refusal = archive.db.refused(RESEAL, &[&None::<i64>]);
    assert_eq!(refusal.code, "XX001");
    assert!(refusal.message.contains(&format!("token {broken} ")), "{refusal:?}");
    assert_eq!(archive.sealed(), before);

    // Those before it are resealed, and those after it when it is deleted.
    assert_eq!(archive.reseal(Some(3)), 3);
    assert_eq!(archive.db.refused(RESEAL, &[&1_i64]).code, "XX001");
    archive.db.run("UPDATE token_auth.token SET sealed = NULL WHERE id = $1", &[&broken]);
    assert_eq!(archive.reseal(None), 1);
}

#[test]
fn a_limit_is_greater_than_zero_and_a_token_may_not_reseal() {
    let archive = &mut Archive::start(2);
    archive.keys(&[NEW, OLD]);
    let before = archive.sealed();
    for limit in [0, -1, i64::MIN] {
        assert_eq!(archive.db.refused(RESEAL, &[&limit]).code, "22023", "{limit}");
    }
    let token = &archive.tokens[0];
    let mut acting = archive.db.transaction().expect("a transaction");
    acting.run("SELECT token_auth.authenticate($1)", &[&token.secret]);
    assert_eq!(acting.refused(RESEAL, &[&None::<i64>]).code, "42501");
    acting.rollback().expect("a rollback");
    assert_eq!(archive.sealed(), before);
    assert_eq!(archive.reseal(Some(i64::MAX)), 2);
}

/// It read the old key file before the change, and commits after everything else was resealed.
#[test]
fn tokens_created_during_a_reseal_are_resealed_by_the_next_call() {
    let archive = &mut Archive::start(2);
    let mut maker = archive.cluster.connect("app", "postgres");
    let mut making = maker.transaction().expect("a transaction");
    let token = making.account_token(archive.account, "made meanwhile", &["*"]);
    archive.keys(&[NEW, OLD]);
    assert_eq!(archive.reseal(None), 2);
    making.commit().expect("a commit");

    assert_eq!(archive.reseal(None), 1);
    archive.keys(&[NEW]);
    archive.tokens.push(token);
    archive.assert_all_reveal();
}

/// A cluster with a key file, and an account whose secrets can be revealed.
struct Archive {
    cluster: Cluster,
    db: Client,
    account: i64,
    tokens: Vec<NewToken>,
}

impl Archive {
    /// Creates this many tokens, sealed under the old key.
    fn start(count: i32) -> Archive {
        let cluster = Cluster::builder().preload("token_auth").sealing_keys(OLD).start();
        let mut db = cluster.create_database_with_token_auth("app");
        db.own_profile("vault", r#"{"can_reveal": true}"#);
        let account = db.account_under("acme", "vault");
        // Without a copy there is nothing to reseal.
        let shown_once = db.account("shown once");
        db.account_token(shown_once, "shown once", &["*"]);
        let rows = db.rows(
            "SELECT t.token_id, t.secret
             FROM generate_series(1, $2) i,
                  token_auth.create_token($1, 'token ' || i, '{*}', all_domains => true) t",
            &[&account, &count],
        );
        let tokens = rows.iter().map(|row| NewToken { id: row.get(0), secret: row.get(1) }).collect();
        Archive { cluster, db, account, tokens }
    }

    fn keys(&self, keys: &[&str]) {
        self.cluster.write_sealing_keys(&keys.join("\n"), 0o600);
    }

    fn add(&mut self) -> NewToken {
        let token = self.db.account_token(self.account, "one more", &["*"]);
        self.tokens.push(token.clone());
        token
    }

    fn reseal(&mut self, max_tokens: Option<i64>) -> i64 {
        self.db.get(RESEAL, &[&max_tokens])
    }

    fn assert_all_reveal(&mut self) {
        let revealed = self.db.rows(
            "SELECT id, token_auth.reveal_token(id) FROM token_auth.token WHERE account_id = $1 ORDER BY id",
            &[&self.account],
        );
        let revealed: Vec<(i64, String)> = revealed.iter().map(|row| (row.get(0), row.get(1))).collect();
        let created: Vec<(i64, String)> = self.tokens.iter().map(|token| (token.id, token.secret.clone())).collect();
        assert!(revealed == created, "{} of {} tokens", revealed.len(), created.len());
    }

    /// Returns the marks of the copies: one for each key.
    fn marks(&mut self) -> Vec<Vec<u8>> {
        self.db.list("SELECT DISTINCT substr(sealed, 1, 9) FROM token_auth.token WHERE sealed IS NOT NULL", &[])
    }

    /// Returns the number of copies with the mark of the newest token.
    fn marked_as_last(&mut self) -> i64 {
        self.db.get(
            "SELECT count(*) FROM token_auth.token
             WHERE substr(sealed, 1, 9) = (SELECT substr(sealed, 1, 9) FROM token_auth.token ORDER BY id DESC LIMIT 1)",
            &[],
        )
    }

    fn sealed(&mut self) -> Vec<Option<Vec<u8>>> {
        self.db.list("SELECT sealed FROM token_auth.token ORDER BY id", &[])
    }

    /// Returns everything about the tokens except their sealed copies.
    fn without_sealed(&mut self) -> Vec<String> {
        self.db.list("SELECT (to_jsonb(t) - 'sealed')::text FROM token_auth.token t ORDER BY id", &[])
    }
}
