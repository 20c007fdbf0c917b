//! Turning `can_reveal` off erases the sealed copies, however it is turned off, and nothing else does.

use cluster::{Client, Cluster, NewToken, Sql, TokenAuth};
use postgres::IsolationLevel;

const KEY: &str = "7f3a1c05d2e84b96a0c7f1529be6438d0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6";
const REVEAL: &str = "SELECT token_auth.reveal_token($1)";

/// How the account `$account` under the profile `$profile` loses can_reveal, and gets it back; and whether all accounts
/// of the profile do.
const WAYS: [(&str, &str, bool); 6] = [
    (
        "UPDATE token_auth.profile SET can_reveal = false WHERE name = '$profile'",
        "UPDATE token_auth.profile SET can_reveal = true WHERE name = '$profile'",
        true,
    ),
    (
        "INSERT INTO token_auth.profile (name) VALUES ('$profile') ON CONFLICT (name) DO UPDATE SET can_reveal = false",
        "UPDATE token_auth.profile SET can_reveal = true WHERE name = '$profile'",
        true,
    ),
    (
        "UPDATE token_auth.profile SET can_reveal = false, name = '$profile again' WHERE name = '$profile'",
        "UPDATE token_auth.profile SET can_reveal = true, name = '$profile' WHERE name = '$profile again'",
        true,
    ),
    (
        "SELECT token_auth.set_account_profile($account, 'default')",
        "SELECT token_auth.set_account_profile($account, '$profile')",
        false,
    ),
    (
        "UPDATE token_auth.account SET profile = 'default' WHERE id = $account",
        "UPDATE token_auth.account SET profile = '$profile' WHERE id = $account",
        false,
    ),
    (
        "UPDATE token_auth.account SET profile = 'default', name = name || '!', paused_at = NULL WHERE id = $account",
        "UPDATE token_auth.account SET profile = '$profile' WHERE id = $account",
        false,
    ),
];

#[test]
fn copies_that_may_no_longer_be_revealed_are_erased() {
    let Shelf { db, tokens: bystanders, .. } = &mut Shelf::start();
    for level in [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        for (number, (off, on, for_all)) in WAYS.into_iter().enumerate() {
            let profile = format!("{level:?} {number}");
            let (account, tokens) = account_with_tokens(db, &profile, "the account");
            let (_, of_others) = account_with_tokens(db, &profile, "another account of the profile");
            let statement = |sql: &str| sql.replace("$profile", &profile).replace("$account", &account.to_string());
            let what = format!("{level:?}: {}", statement(off));
            let before = without_sealed(db);

            let mut work = db.build_transaction().isolation_level(level).start().expect("a transaction");
            work.run("SELECT 1", &[]);
            assert_eq!(work.run(&statement(off), &[]), 1, "{what}");
            work.commit().expect("a commit");

            for token in &tokens {
                assert!(!is_sealed(db, token), "{what}");
                assert_eq!(db.refused(REVEAL, &[&token.id]).code, "42501", "{what}");
            }
            for token in &of_others {
                assert_eq!(is_sealed(db, token), !for_all, "another account of the profile, {what}");
            }
            assert_all_reveal(db, bystanders);
            assert_eq!(without_sealed(db), before, "{what}");

            db.run(&statement(on), &[]);
            for token in &tokens {
                assert_eq!(db.refused(REVEAL, &[&token.id]).code, "55000", "{what}");
            }
            let newer = db.account_token(account, "made since", &["*"]);
            assert_all_reveal(db, &[newer]);
        }
    }
}

#[test]
fn nothing_else_erases_a_sealed_copy() {
    let Shelf { db, account, tokens, .. } = &mut Shelf::start();
    for sql in [
        "UPDATE token_auth.profile SET name = 'renamed' WHERE name = 'shelf'",
        "UPDATE token_auth.profile SET can_reveal = true, can_pause = false WHERE name = 'renamed'",
        "UPDATE token_auth.profile SET can_reveal = false WHERE name = 'of nobody'",
        "UPDATE token_auth.account SET profile = profile",
        "UPDATE token_auth.account SET name = 'renamed', paused_at = now() WHERE id = $account",
        "SELECT token_auth.set_account_profile($account, 'renamed')",
        "SELECT token_auth.set_account_profile($account, 'mailtrap')",
        "UPDATE token_auth.account SET profile = 'renamed' WHERE id = $account",
    ] {
        db.run(&sql.replace("$account", &account.to_string()), &[]);
        assert_all_reveal(db, tokens);
    }

    let mut undone = db.transaction().expect("a transaction");
    undone.run("UPDATE token_auth.profile SET can_reveal = false WHERE name = 'renamed'", &[]);
    assert_eq!(undone.refused(REVEAL, &[&tokens[0].id]).code, "42501");
    undone.rollback().expect("a rollback");
    assert_all_reveal(db, tokens);
}

/// Copies that the same transaction has created are erased, too, and later tokens are not sealed.
#[test]
fn a_transaction_that_turns_revealing_off_keeps_no_copy_of_its_own() {
    let Shelf { db, account, .. } = &mut Shelf::start();
    for level in [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead] {
        let mut work = db.build_transaction().isolation_level(level).start().expect("a transaction");
        let before = work.account_token(*account, "before", &["*"]);
        work.run("UPDATE token_auth.profile SET can_reveal = false WHERE name = 'shelf'", &[]);
        let after = work.account_token(*account, "after", &["*"]);
        work.run("UPDATE token_auth.profile SET can_reveal = true WHERE name = 'shelf'", &[]);
        let again = work.account_token(*account, "again", &["*"]);
        work.run("SELECT token_auth.set_account_profile($1, 'of nobody')", &[account]);
        work.run("SELECT token_auth.set_account_profile($1, 'shelf')", &[account]);
        let last = work.account_token(*account, "last", &["*"]);
        work.commit().expect("a commit");
        assert_eq!([&before, &after].map(|token| is_sealed(db, token)), [false, false], "{level:?}");
        assert_all_reveal(db, &[again, last]);
    }
}

/// An account with two tokens and a profile of their own.
struct Shelf {
    db: Client,
    account: i64,
    tokens: Vec<NewToken>,
    _cluster: Cluster,
}

impl Shelf {
    fn start() -> Shelf {
        let cluster = Cluster::builder().preload("token_auth").sealing_keys(KEY).start();
        let mut db = cluster.create_database_with_token_auth("app");
        db.own_profile("of nobody", r#"{"can_reveal": true}"#);
        let (account, tokens) = account_with_tokens(&mut db, "shelf", "acme");
        Shelf { db, account, tokens, _cluster: cluster }
    }
}

/// Creates an account under a revealing profile, and a token of each kind.
fn account_with_tokens(db: &mut Client, profile: &str, name: &str) -> (i64, Vec<NewToken>) {
    if db.list::<i32>("SELECT 1 FROM token_auth.profile WHERE name = $1", &[&profile]).is_empty() {
        db.own_profile(profile, r#"{"can_reveal": true}"#);
    }
    let account = db.account_under(&format!("{name}, {profile}"), profile);
    let own = db.domain(account, "mail.example").token;
    let retiring = db.account_token(account, "retiring", &["*"]);
    let row = db.row("SELECT token_id, secret FROM token_auth.reset_token($1)", &[&retiring.id]);
    let successor = NewToken { id: row.get(0), secret: row.get(1) };
    let tokens = vec![own, retiring, successor];
    assert_all_reveal(db, &tokens);
    (account, tokens)
}

fn assert_all_reveal(db: &mut Client, tokens: &[NewToken]) {
    for token in tokens {
        assert_eq!(db.get::<String>(REVEAL, &[&token.id]), token.secret);
    }
}

fn is_sealed(db: &mut Client, token: &NewToken) -> bool {
    db.get("SELECT sealed IS NOT NULL FROM token_auth.token WHERE id = $1", &[&token.id])
}

/// Returns everything about the tokens except their sealed copies.
fn without_sealed(db: &mut Client) -> Vec<String> {
    db.list("SELECT (to_jsonb(t) - 'sealed')::text FROM token_auth.token t ORDER BY id", &[])
}
