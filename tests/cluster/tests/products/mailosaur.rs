//! What Mailosaur promises about its API keys, under the preset `mailosaur`: one test for each promise. A server, or inbox, is a domain.

use cluster::{Client, NewToken, Product, Refusal, Sql, ToSql, TokenAuth};

const STANDARD: [&str; 1] = ["*"];
const RESTRICTED: [&str; 2] = ["email:full", "sms:full"];

/// Alice administers the account, and is the actor of the sessions `manager` and `revealer`.
fn mailosaur() -> Product {
    let mut product = Product::under("mailosaur");
    product.manager.run("SELECT token_auth.add_account_admin($1, 'alice')", &[&product.account]);
    for session in [&mut product.manager, &mut product.revealer] {
        session.run("SET token_auth.actor = 'alice'", &[]);
    }
    product
}

/// A session of another actor.
fn session_of(product: &Product, role: &str, actor: &str) -> Client {
    let mut session = product.session(role);
    session.run(&format!("SET token_auth.actor = '{actor}'"), &[]);
    session
}

fn has_token(product: &mut Product, id: i64) -> bool {
    product.superuser.get("SELECT EXISTS (SELECT FROM token_auth.token WHERE id = $1)", &[&id])
}

#[test]
fn mo1_a_standard_key_may_do_everything_in_every_inbox_and_create_and_delete_them() {
    let mut product = mailosaur();
    let account = product.account;
    product.domain("inbox-1");
    product.domain("inbox-2");
    let key = product.account_token("standard", &STANDARD);

    let made: i64 = product
        .act_as(&key, |work| work.get("SELECT domain_id FROM token_auth.create_domain($1, 'inbox-3')", &[&account]));
    for inbox in [Some("inbox-1"), Some("inbox-2"), Some("inbox-3"), None] {
        for scope in
            ["email:read", "email:send", "email:full", "sms:full", "domains:full", "analysis:read", "usage:read"]
        {
            assert_eq!(product.code(&key, scope, inbox), "ok", "{scope} in {inbox:?}");
        }
    }
    product.act_as(&key, |work| work.run("SELECT token_auth.rename_domain($1, 'inbox-4')", &[&made]));
    assert_eq!(product.code(&key, "email:read", "inbox-4"), "ok");
    product.act_as(&key, |work| work.run("SELECT token_auth.delete_domain($1)", &[&made]));
    assert_eq!(product.code(&key, "email:read", "inbox-4"), "domain_not_allowed");
    let left: Vec<String> =
        product.manager.list("SELECT name FROM token_auth.domain WHERE account_id = $1 ORDER BY id", &[&account]);
    assert_eq!(left, ["inbox-1", "inbox-2"]);

    let mut neighbour = mailosaur();
    let foreign = neighbour.domain("inbox-1");
    let delete = "SELECT token_auth.delete_domain($1)";
    assert_eq!(product.refused_as(&key, delete, &[&foreign]).code, "P0002", "of its account only");
}

#[test]
fn mo2_a_server_restricted_key_uses_the_email_and_sms_of_one_inbox() {
    let mut product = mailosaur();
    let own = product.domain("inbox-1");
    let other = product.domain("inbox-2");
    let key = product.token("restricted", &RESTRICTED, "inbox-1");

    for scope in ["email:read", "email:delete", "email:full", "sms:read", "sms:full"] {
        assert_eq!(product.code(&key, scope, "inbox-1"), "ok", "{scope}");
        for elsewhere in [Some("inbox-2"), None] {
            assert_eq!(product.code(&key, scope, elsewhere), "domain_not_allowed", "{scope} in {elsewhere:?}");
        }
    }
    for scope in ["domains:full", "domains:read", "analysis:read", "usage:read", "tokens:full"] {
        assert_eq!(product.code(&key, scope, "inbox-1"), "insufficient_scope", "{scope}");
    }
    let calls: [(&str, &(dyn ToSql + Sync)); 5] = [
        ("SELECT token_auth.create_domain($1, 'inbox-3')", &product.account.clone()),
        ("SELECT token_auth.delete_domain($1)", &own),
        ("SELECT token_auth.delete_domain($1)", &other),
        ("SELECT token_auth.rename_domain($1, 'mine')", &own),
        ("SELECT token_auth.set_domain_verified($1, true)", &own),
    ];
    for (call, id) in calls {
        let refusal = product.refused_as(&key, call, &[id]);
        assert_eq!(refusal.code, "42501", "{call}: {refusal:?}");
        assert_eq!(refusal.message, format!("token {} may not manage domains", key.id));
    }
    let inboxes: Vec<i64> =
        product.manager.list("SELECT id FROM token_auth.domain WHERE account_id = $1 ORDER BY id", &[&product.account]);
    assert_eq!(inboxes, [own, other]);
}

#[test]
fn mo3_an_account_has_any_number_of_keys() {
    const MANY: i64 = 1000;
    let mut product = mailosaur();
    product.domain("inbox-1");
    let secrets: Vec<String> = product.manager.list(
        "SELECT made.secret
         FROM generate_series(1, $2::bigint) i,
              token_auth.create_token($1, CASE WHEN i % 2 = 0 THEN 'CI' ELSE 'key ' || i END, '{email:full,sms:full}', 'inbox-1') made",
        &[&product.account, &MANY],
    );
    assert_eq!(product.tokens(), MANY);
    let distinct: std::collections::BTreeSet<&String> = secrets.iter().collect();
    assert_eq!(distinct.len() as i64, MANY);
    for secret in &secrets {
        assert_eq!(product.verifier.verify(secret, Some("email:read"), Some("inbox-1")).code, "ok");
    }
}

#[test]
fn mo4_keys_never_expire_and_a_lifetime_is_refused() {
    let mut product = mailosaur();
    product.domain("inbox-1");
    let key = product.token("for ever", &RESTRICTED, "inbox-1");
    let at_birth =
        "SELECT token_auth.create_token($1, 'x', '{*}', 'inbox-1', expires_at => now() + interval '10 years')";
    let refusal = product.manager.refused(at_birth, &[&product.account]);
    product.assert_forbidden_by("can_expire", &refusal);
    let later = "SELECT token_auth.set_token_expiry($1, now() + interval '10 years')";
    let refusal = product.manager.refused(later, &[&key.id]);
    product.assert_forbidden_by("can_expire", &refusal);
    // A reset would end the key, too.
    let refusal = product.manager.refused("SELECT token_auth.reset_token($1)", &[&key.id]);
    product.assert_forbidden_by("can_reset", &refusal);

    let eternal = "SELECT secret, expires_at IS NULL FROM token_auth.create_token(
                       $1, 'x', '{*}', 'inbox-1', expires_at => 'infinity')";
    let never = product.manager.row(eternal, &[&product.account]);
    assert!(never.get::<_, bool>(1), "for ever is no lifetime");
    for secret in [&*key.secret, never.get(0)] {
        let sql = "SELECT valid AND expires_at IS NULL FROM token_auth.verify_token($1)";
        assert!(product.verifier.get::<bool>(sql, &[&secret]), "a key that expires");
    }
    let listed = "SELECT count(*) FROM token_auth.tokens WHERE account_id = $1 AND expires_at IS NULL";
    assert_eq!(product.manager.get::<i64>(listed, &[&product.account]), 2);
}

#[test]
fn mo5_keys_cannot_be_renamed() {
    let mut product = mailosaur();
    product.domain("inbox-1");
    let key = product.token("as it was", &RESTRICTED, "inbox-1");
    for name in ["another name", "as it was"] {
        let refusal = product.manager.refused("SELECT token_auth.rename_token($1, $2)", &[&key.id, &name]);
        product.assert_forbidden_by("can_rename", &refusal);
    }
    let listed: String = product.manager.get("SELECT name FROM token_auth.tokens WHERE id = $1", &[&key.id]);
    assert_eq!(listed, "as it was");
}

#[test]
fn mo6_only_administrators_create_reveal_and_delete_keys() {
    let mut product = mailosaur();
    product.domain("inbox-1");
    let key = product.token("CI", &RESTRICTED, "inbox-1");
    let (account, account_name) = (product.account, product.account_name.clone());
    let mut bob = session_of(&product, "backend", "bob");
    let mut nobody = product.session("backend");
    // An administrator of another account has no permission here.
    let other = mailosaur();
    product.manager.run("SELECT token_auth.add_account_admin($1, 'carol')", &[&other.account]);
    let mut carol = session_of(&product, "backend", "carol");

    let create = "SELECT token_auth.create_token($1, 'mine', '{*}', all_domains => true)";
    let reveal = "SELECT token_auth.reveal_token($1)";
    let delete = "SELECT token_auth.delete_token($1, 'CI')";
    let appoint = "SELECT token_auth.add_account_admin($1, 'bob')";
    let assert_refused = |session: &mut Client, actor: &str| {
        for (call, id) in [(create, account), (reveal, key.id), (delete, key.id), (appoint, account)] {
            let Refusal { code, message, .. } = session.refused(call, &[&id]);
            assert_eq!(code, "42501", "{call}: {message}");
            let says = format!(
                "\"{actor}\" is not an administrator of account \"{account_name}\" (profile \"mailosaur\": admins_only is true)"
            );
            assert_eq!(message, says, "{call}");
        }
    };
    assert_refused(&mut bob, "bob");
    assert_refused(&mut carol, "carol");
    assert_refused(&mut nobody, "backend");
    assert_eq!((product.tokens(), product.code(&key, "email:read", "inbox-1")), (1, "ok".to_owned()));

    product.manager.run(appoint, &[&account]);
    bob.run(create, &[&account]);
    assert_eq!(bob.get::<String>(reveal, &[&key.id]), key.secret);
    product.manager.run("SELECT token_auth.remove_account_admin($1, 'bob')", &[&account]);
    assert_refused(&mut bob, "bob");
    product.manager.run(appoint, &[&account]);
    bob.run(delete, &[&key.id]);
    assert_eq!(product.code(&key, None, None), "not_found");
}

#[test]
fn mo7_a_key_can_be_revealed_again_at_any_time() {
    let mut product = mailosaur();
    product.domain("inbox-1");
    let keys = [product.token("restricted", &RESTRICTED, "inbox-1"), product.account_token("standard", &STANDARD)];
    let mut elsewhere = session_of(&product, "revealer", "alice");
    let copies = |session: &mut Client| -> [String; 2] {
        keys.each_ref().map(|key| session.get("SELECT token_auth.reveal_token($1)", &[&key.id]))
    };
    let secrets = keys.each_ref().map(|key| key.secret.clone());
    assert_eq!(copies(&mut product.revealer), secrets);
    assert_eq!(copies(&mut elsewhere), secrets);
    product.manager.run("SELECT token_auth.pause_account($1)", &[&product.account]);
    assert_eq!(copies(&mut elsewhere), secrets, "also while nobody can use it");
}

#[test]
fn mo8_deleting_takes_the_keys_name_and_a_wrong_one_deletes_nothing() {
    let mut product = mailosaur();
    product.domain("inbox-1");
    let key = product.token("CI pipeline", &RESTRICTED, "inbox-1");
    product.token("Other", &RESTRICTED, "inbox-1");
    let delete = "SELECT token_auth.delete_token($1, $2)";

    let unconfirmed =
        format!("profile \"mailosaur\" asks for the name of token {} to delete it (confirms_delete is true)", key.id);
    let wrong = format!("confirm_name is not the name of token {}; nothing was deleted", key.id);
    for (name, says) in [
        (None, &unconfirmed),
        (Some(""), &wrong),
        (Some("Other"), &wrong),
        (Some("ci pipeline"), &wrong),
        (Some("CI pipeline "), &wrong),
        (Some("CI"), &wrong),
    ] {
        let refusal = product.manager.refused(delete, &[&key.id, &name]);
        assert_eq!((&*refusal.code, &refusal.message), ("22023", says), "{name:?}");
        assert!(refusal.hint.contains("confirm_name"), "{refusal:?}");
        assert_eq!((product.tokens(), product.code(&key, "email:read", "inbox-1")), (2, "ok".to_owned()), "{name:?}");
    }
    product.manager.run(delete, &[&key.id, &"CI pipeline"]);
    assert_eq!((product.tokens(), product.code(&key, None, None)), (1, "not_found".to_owned()));
}

#[test]
fn mo9_deleting_revokes_at_once_and_cannot_be_undone() {
    let mut product = mailosaur();
    product.domain("inbox-1");
    let key = product.token("CI", &RESTRICTED, "inbox-1");
    product.assert_stops_at_once(
        &key,
        ("email:read", "inbox-1"),
        "SELECT token_auth.delete_token($1, 'CI')",
        "not_found",
    );

    for call in ["resume_token($1)", "set_token_metadata($1, '{}')", "delete_token($1, 'CI')"] {
        let refusal = product.manager.refused(&format!("SELECT token_auth.{call}"), &[&key.id]);
        assert_eq!(refusal.code, "P0002", "{call}: {refusal:?}");
    }
    assert_eq!(product.revealer.refused("SELECT token_auth.reveal_token($1)", &[&key.id]).code, "P0002");
    assert!(!has_token(&mut product, key.id), "nothing is kept to bring it back from");
    let namesake = product.token("CI", &RESTRICTED, "inbox-1");
    assert!(namesake.id != key.id && namesake.secret != key.secret);
    assert_eq!(product.code(&key, None, None), "not_found");
}

#[test]
fn mo10_no_key_manages_keys_whatever_its_access() {
    let mut product = mailosaur();
    let account = product.account;
    product.domain("inbox-1");
    let key = product.account_token("standard", &STANDARD);
    let other = product.token("CI", &RESTRICTED, "inbox-1");
    // The administrator's session has no permission of its own while it is authenticated as a key.
    product.backend.run("SET token_auth.actor = 'alice'", &[]);

    let create = |scopes: &str, reach: &str| format!("create_token($1, 'x', '{{{scopes}}}', {reach})");
    for call in [create("*", "all_domains => true"), create("email:full", "'inbox-1'")] {
        let refusal = product.refused_as(&key, &format!("SELECT token_auth.{call}"), &[&account]);
        product.assert_forbidden_by("tokens_manage_tokens", &refusal);
    }
    let calls = [
        "delete_token($1)",
        "delete_token($1, 'CI')",
        "delete_token($1, 'standard')",
        "reveal_token($1)",
        "reset_token($1)",
        "pause_token($1)",
        "resume_token($1)",
        "rename_token($1, 'x')",
        "set_token_expiry($1, now() + interval '1 day')",
        "set_token_expiry($1, 'infinity')",
        "set_token_metadata($1, '{}')",
        "grant_access($1, '{*}', 'inbox-1')",
        "revoke_access($1, 'inbox-1')",
    ];
    for call in calls {
        for target in [&other, &key] {
            let refusal = product.refused_as(&key, &format!("SELECT token_auth.{call}"), &[&target.id]);
            product.assert_forbidden_by("tokens_manage_tokens", &refusal);
        }
    }
    let stored = |product: &mut Product| -> Vec<String> {
        product.manager.list("SELECT t::text FROM token_auth.tokens t WHERE account_id = $1 ORDER BY id", &[&account])
    };
    assert_eq!(stored(&mut product).len(), 2);
    let code = |product: &mut Product, key: &NewToken| product.code(key, "email:read", "inbox-1");
    assert_eq!([code(&mut product, &key), code(&mut product, &other)], ["ok", "ok"]);
    product.backend.run("SELECT token_auth.delete_token($1, 'CI')", &[&other.id]);
}
