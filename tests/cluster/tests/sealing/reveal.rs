//! A secret can be revealed if the profile allows it: it is the right one, it comes from the token's own row and no
//! other, and without the key file, or with one changed bit, there is an error.

use cluster::{Client, Cluster, Format, NewToken, Sql, TokenAuth, random_part, readme, seconds, wait_until};
use postgres::IsolationLevel;
use std::{collections::HashSet, time::Instant};

const KEY: &str = "7f3a1c05d2e84b96a0c7f1529be6438d0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6";
const OTHER_KEY: &str = "e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff10";

const REVEAL: &str = "SELECT token_auth.reveal_token($1)";

#[test]
fn ten_thousand_reveals_give_ten_thousand_right_secrets() {
    let Vault { db, account, .. } = &mut Vault::start();
    let began = Instant::now();
    let created = db.rows(
        "SELECT t.token_id, t.secret
         FROM generate_series(1, 10000) i,
              token_auth.create_token($1, 'token ' || i, '{*}', all_domains => true) t",
        &[account],
    );
    let creation = began.elapsed();
    let ids: Vec<i64> = created.iter().map(|row| row.get(0)).collect();
    let secrets: Vec<String> = created.iter().map(|row| row.get(1)).collect();

    let began = Instant::now();
    let revealed: Vec<String> = db.list(
        "SELECT token_auth.reveal_token(id) FROM unnest($1::bigint[]) WITH ORDINALITY t(id, n) ORDER BY n",
        &[&ids],
    );
    println!("10,000 tokens: created in {creation:?}, revealed in {:?}", began.elapsed());

    assert_eq!(revealed.len(), 10_000);
    assert_eq!(secrets.iter().collect::<HashSet<_>>().len(), 10_000);
    for ((id, secret), revealed) in ids.iter().zip(&secrets).zip(&revealed) {
        assert_eq!(revealed, secret, "token {id}");
    }
    // A nonce that is used twice under one key would reveal both secrets.
    let nonces: i64 = db.get("SELECT count(DISTINCT substr(sealed, 10, 24)) FROM token_auth.token", &[]);
    assert_eq!(nonces, 10_000);
}

#[test]
fn an_imported_secret_is_revealed_by_whatever_scheme_it_is_found_if_it_was_known() {
    let Vault { db, account, .. } = &mut Vault::start();
    for scheme in ["sha256", "sha256_after_pipe", "sha512"] {
        let secret = format!("17|an old secret in {scheme}");
        let import = "SELECT token_auth.import_token($1, 'x', '{*}', all_domains => true, secret => $2, scheme => $3)";
        let id: i64 = db.get(import, &[account, &secret, &scheme]);
        assert_eq!(db.get::<String>(REVEAL, &[&id]), secret, "{scheme}");
    }
    let import = "SELECT token_auth.import_token($1, 'x', '{*}', all_domains => true, digest => sha256('unknown'))";
    let id: i64 = db.get(import, &[account]);
    assert_eq!(db.refused(REVEAL, &[&id]).constraint, "not_sealed");
}

#[test]
fn a_revealed_secret_is_the_secret_that_verifies_whatever_became_of_the_token() {
    let Vault { db, account, .. } = &mut Vault::start();
    let own = db.domain(*account, "mail.example").token;
    let token = db.account_token(*account, "sender", &["email:send"]);
    for token in [&own, &token] {
        assert_eq!(reveal(db, token), token.secret);
        assert!(db.is_good(&token.secret));
    }

    db.run("SELECT token_auth.pause_token($1)", &[&token.id]);
    let revealed = reveal(db, &token);
    assert_eq!(db.verify(&revealed, None, None).code, "paused");
    db.run("SELECT token_auth.resume_token($1)", &[&token.id]);
    assert_eq!(db.verify(&revealed, Some("email:send"), None).code, "ok");

    let row = db.row("SELECT token_id, secret FROM token_auth.reset_token($1)", &[&token.id]);
    let successor = NewToken { id: row.get(0), secret: row.get(1) };
    let status: String = db.get("SELECT status FROM token_auth.tokens WHERE id = $1", &[&token.id]);
    assert_eq!(status, "retiring");
    for token in [&token, &successor] {
        let revealed = reveal(db, token);
        assert_eq!(revealed, token.secret);
        assert!(db.is_good(&revealed));
    }
}

#[test]
fn a_dump_opens_with_its_key_file_only() {
    let Vault { cluster: source, db: original, account } = &mut Vault::start();
    let token = original.account_token(*account, "sender", &["*"]);
    let tampered = original.account_token(*account, "tampered with", &["*"]);
    let file = source.file("app.dump");
    source.dump("app", Format::Plain, &file);
    let dump = std::fs::read_to_string(&file).expect("the dump");
    assert!(dump.contains(&sealed_hex(original, &token)), "the dump has no sealed copy");
    assert!(!dump.contains(random_part(&token.secret)) && !dump.contains(KEY));

    let target = Cluster::builder().preload("token_auth").sealing_keys(OTHER_KEY).start();
    target.create_database("app");
    target.restore("app", Format::Plain, &file);
    let mut restored = target.connect("app", "postgres");
    let refusal = restored.refused(REVEAL, &[&token.id]);
    assert_eq!(refusal.code, "55000", "with another key: {refusal:?}");
    assert!(refusal.message.contains("a key that is not in the sealing key file"), "{refusal:?}");

    target.reload_with("token_auth.sealing_key_file", "");
    let mut without = target.connect("app", "postgres");
    let refusal = without.refused(REVEAL, &[&token.id]);
    assert_eq!(refusal.code, "55000", "without a key file: {refusal:?}");
    assert!(refusal.message.contains("there is no key"), "{refusal:?}");
    target.reload_without("token_auth.sealing_key_file");

    target.write_sealing_keys(KEY, 0o600);
    let mut with = target.connect("app", "postgres");
    assert_eq!(reveal(&mut with, &token), token.secret);
    with.run(
        "UPDATE token_auth.token SET sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) WHERE id = $1",
        &[&tampered.id],
    );
    assert_eq!(with.refused(REVEAL, &[&tampered.id]).code, "XX001");
    assert!(with.is_good(&tampered.secret), "only the copy is broken");
    assert_eq!(reveal(&mut with, &token), token.secret);
}

#[test]
fn a_sealed_copy_opens_in_its_own_row_only() {
    let Vault { db, account, .. } = &mut Vault::start();
    let tokens: Vec<NewToken> = (1..=3).map(|i| db.account_token(*account, &format!("token {i}"), &["*"])).collect();
    let [one, two, three] = tokens.iter().collect::<Vec<_>>()[..] else { panic!("three tokens") };

    let copy = "UPDATE token_auth.token SET sealed = (SELECT sealed FROM token_auth.token WHERE id = $2) WHERE id = $1";
    db.run(copy, &[&one.id, &two.id]);
    assert_eq!(db.refused(REVEAL, &[&one.id]).code, "XX001", "the copy of another token");
    assert_eq!(reveal(db, two), two.secret);

    db.run("UPDATE token_auth.token SET digest = sha256('another') WHERE id = $1", &[&two.id]);
    assert_eq!(db.refused(REVEAL, &[&two.id]).code, "XX001", "the digest of another secret");

    let row = db.row("DELETE FROM token_auth.token WHERE id = $1 RETURNING digest, sealed", &[&three.id]);
    let (digest, sealed): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    db.run("UPDATE token_auth.token SET digest = $2, sealed = $3 WHERE id = $1", &[&one.id, &digest, &sealed]);
    assert!(db.is_good(&three.secret), "the digest was not moved");
    assert_eq!(db.refused(REVEAL, &[&one.id]).code, "XX001", "digest and copy of another token");
}

#[test]
fn each_flipped_bit_of_a_sealed_copy_and_each_byte_cut_off_is_an_error() {
    let Vault { db, account, .. } = &mut Vault::start();
    let token = db.account_token(*account, "sender", &["*"]);
    try_changed_copies(db);
    let flipped = db.rows(
        "SELECT bit, pg_temp.outcome(id, set_bit(sealed, bit, 1 - get_bit(sealed, bit)))
         FROM token_auth.token, generate_series(0, 8 * octet_length(sealed) - 1) bit
         WHERE id = $1",
        &[&token.id],
    );
    assert!(flipped.len() > 8 * token.secret.len(), "{} bits", flipped.len());
    for row in flipped {
        let (bit, code): (i32, String) = (row.get(0), row.get(1));
        // The id of the key is in the copy, for a server with an older key file.
        let expected = if (8..72).contains(&bit) { "55000" } else { "XX001" };
        assert_eq!(code, expected, "bit {bit}");
    }

    let outcomes: Vec<String> = db.list(
        "SELECT pg_temp.outcome(id, changed)
         FROM token_auth.token,
              LATERAL (SELECT substr(sealed, 1, length)
                         FROM generate_series(0, octet_length(sealed) - 1) length
                       UNION ALL
                       SELECT sealed || '\\x00' UNION ALL SELECT sealed || sealed) variant(changed)
         WHERE id = $1",
        &[&token.id],
    );
    assert!(outcomes.len() > token.secret.len() + 2);
    assert!(outcomes.iter().all(|code| code == "XX001"), "{outcomes:?}");
    assert_eq!(reveal(db, &token), token.secret);
}

#[test]
fn revealing_needs_a_grant_of_its_own() {
    let Vault { cluster, db, account } = &mut Vault::start();
    let token = db.account_token(*account, "sender", &["*"]);
    db.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
    for role in ["verifier", "manager", "revealer"] {
        db.run(&format!("CREATE ROLE {role} LOGIN IN ROLE token_{role}"), &[]);
    }
    let [mut verifier, mut manager, mut revealer] =
        ["verifier", "manager", "revealer"].map(|role| cluster.connect("app", role));

    assert_eq!(manager.refused(REVEAL, &[&token.id]).code, "42501");
    assert_eq!(verifier.refused(REVEAL, &[&token.id]).code, "42501");
    assert_eq!(reveal(&mut revealer, &token), token.secret);
    assert_eq!(revealer.refused("SELECT token_auth.pause_token($1)", &[&token.id]).code, "42501");
    assert_eq!(revealer.refused("SELECT sealed FROM token_auth.token", &[]).code, "42501");
    for session in [&mut verifier, &mut manager, &mut revealer] {
        assert_eq!(session.refused("SELECT token_auth.reseal_tokens()", &[]).code, "42501");
    }
}

#[test]
fn a_secret_that_cannot_be_revealed_is_refused_with_the_reason() {
    let Vault { db, account, .. } = &mut Vault::start();
    let token = db.account_token(*account, "sender", &["*"]);
    let shown_once = db.account("shown once");
    let hidden = db.account_token(shown_once, "hidden", &["*"]);
    db.own_profile("later", "{}");
    let later = db.account_under("later", "later");
    let before = db.account_token(later, "made before", &["*"]);
    db.run("UPDATE token_auth.profile SET can_reveal = true WHERE name = 'later'", &[]);
    let after = db.account_token(later, "made after", &["*"]);

    let of_account = "SELECT token_auth.reveal_token($1, account_id => coalesce($2, token_auth.any_account()))";
    assert_eq!(db.refused(REVEAL, &[&hidden.id]).code, "42501");
    assert_eq!(db.refused(REVEAL, &[&before.id]).code, "55000");
    assert_eq!(reveal(db, &after), after.secret);
    assert_eq!(db.refused(REVEAL, &[&None::<i64>]).code, "22023");
    assert_eq!(db.refused(REVEAL, &[&-1_i64]).code, "P0002");
    assert_eq!(db.refused(of_account, &[&token.id, &later]).code, "P0002");
    assert_eq!(db.refused(of_account, &[&hidden.id, account]).code, "P0002");
    assert_eq!(db.get::<String>(of_account, &[&token.id, account]), token.secret);
    assert_eq!(db.get::<String>(of_account, &[&token.id, &None::<i64>]), token.secret);

    let guarded = db.account_under("guarded", "mailosaur");
    db.run("SELECT token_auth.add_account_admin($1, 'alice')", &[&guarded]);
    db.run("SET token_auth.actor = 'alice'", &[]);
    let guarded = db.account_token(guarded, "guarded", &["*"]);
    assert_eq!(reveal(db, &guarded), guarded.secret);
    db.run("SET token_auth.actor = 'bob'", &[]);
    assert_eq!(db.refused(REVEAL, &[&guarded.id]).code, "42501", "only administrators may");
}

#[test]
fn revealing_writes_nothing() {
    let Vault { db, account, .. } = &mut Vault::start();
    let token = db.account_token(*account, "sender", &["*"]);
    for level in [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let mut reading = db.build_transaction().isolation_level(level).read_only(true).start().expect("a transaction");
        assert_eq!(reading.get::<String>(REVEAL, &[&token.id]), token.secret, "{level:?}");
        let id: Option<String> = reading.get("SELECT pg_current_xact_id_if_assigned()::text", &[]);
        assert_eq!(id, None, "{level:?}");
    }
}

#[test]
fn revealing_works_on_a_hot_standby_with_the_key_file() {
    let Vault { cluster: primary, db, account } = &mut Vault::start();
    let token = db.account_token(*account, "sender", &["*"]);
    let standby = Cluster::builder().start_standby_of(primary);
    standby.write_sealing_keys(KEY, 0o600);
    let mut copy = standby.connect("app", "postgres");
    assert_eq!(reveal(&mut copy, &token), token.secret);

    let newer = db.account_token(*account, "made since", &["*"]);
    let is_there = |copy: &mut Client| copy.token_count() == 2;
    wait_until("the new token on the standby", seconds(30), || is_there(&mut copy));
    assert_eq!(reveal(&mut copy, &newer), newer.secret);

    standby.write_sealing_keys(OTHER_KEY, 0o600);
    assert_eq!(copy.refused(REVEAL, &[&token.id]).code, "55000");
    std::fs::remove_file(standby.sealing_key_file()).expect("the standby's key file");
    assert_eq!(copy.refused(REVEAL, &[&token.id]).code, "F0000");
    assert_eq!(reveal(db, &token), token.secret, "the primary has a file of its own");

    standby.write_sealing_keys(KEY, 0o600);
    db.run("UPDATE token_auth.profile SET can_reveal = false WHERE name = 'vault'", &[]);
    wait_until("the end of revealing on the standby", seconds(30), || {
        let refusal = copy.query(REVEAL, &[&token.id]).err().map(|error| cluster::refusal(&error).code);
        // A standby has no locks to wait for: a call during the replay may find the copy erased under the old profile.
        assert!(matches!(refusal.as_deref(), None | Some("55000" | "42501")), "{refusal:?}");
        refusal.as_deref() == Some("42501")
    });
}

/// A database with an account whose secrets can be revealed.
struct Vault {
    cluster: Cluster,
    db: Client,
    account: i64,
}

impl Vault {
    fn start() -> Vault {
        let cluster = Cluster::builder().preload("token_auth").sealing_keys(KEY).start();
        let mut db = cluster.create_database_with_token_auth("app");
        db.own_profile("vault", r#"{"can_reveal": true}"#);
        let account = db.account_under("acme", "vault");
        Vault { cluster, db, account }
    }
}

fn reveal(session: &mut Client, token: &NewToken) -> String {
    session.get(REVEAL, &[&token.id])
}

fn sealed_hex(db: &mut Client, token: &NewToken) -> String {
    db.get("SELECT encode(sealed, 'hex') FROM token_auth.token WHERE id = $1", &[&token.id])
}

/// Creates `pg_temp.outcome`: the result of reveal_token with a changed copy, which is then restored.
fn try_changed_copies(db: &mut Client) {
    db.run(
        "CREATE FUNCTION pg_temp.outcome(token_id bigint, changed bytea) RETURNS text LANGUAGE plpgsql AS $$
         BEGIN
             UPDATE token_auth.token SET sealed = changed WHERE id = token_id;
             PERFORM token_auth.reveal_token(token_id);
             RAISE EXCEPTION 'opened' USING ERRCODE = '00001';
         EXCEPTION WHEN OTHERS THEN
             RETURN SQLSTATE;
         END $$",
        &[],
    );
}
