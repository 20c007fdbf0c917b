//! What ToSend promises about its API keys, under the preset `tosend`: one test for each promise.

use cluster::{NewToken, Product, Sql, readme};
use std::time::SystemTime;

const SEND: [&str; 1] = ["email:send"];

fn tosend() -> Product {
    Product::under("tosend")
}

/// A new domain that may be sent from.
fn verified_domain(product: &mut Product, name: &str) -> i64 {
    let id = product.domain(name);
    set_verified(product, id, true);
    id
}

fn set_verified(product: &mut Product, domain: i64, verified: bool) {
    product.manager.run("SELECT token_auth.set_domain_verified($1, $2)", &[&domain, &verified]);
}

#[test]
fn ts1_every_key_starts_with_tsend() {
    let mut product = tosend();
    product.domain("shop.example");
    let keys = [product.token("of a domain", &SEND, "shop.example"), product.account_token("of all", &SEND)];
    for key in keys {
        assert!(key.secret.starts_with("tsend_"), "a key without the prefix");
        assert!(key.secret.len() > "tsend_".len() + 40, "the prefix is no part of what is random");
        let hint: String = product.manager.get("SELECT hint FROM token_auth.tokens WHERE id = $1", &[&key.id]);
        assert!(hint.starts_with("tsend_"), "{hint}");
    }
}

#[test]
fn ts2_a_key_has_a_descriptive_name() {
    let mut product = tosend();
    product.domain("shop.example");
    for name in ["Newsletter of the shop, sent on Mondays", "Rechnungen & Mahnungen (Büro)"] {
        let key = product.token(name, &SEND, "shop.example");
        let listed: String = product.manager.get("SELECT name FROM token_auth.tokens WHERE id = $1", &[&key.id]);
        assert_eq!(listed, name);
        let told: String = product.verifier.get("SELECT name FROM token_auth.verify_token($1)", &[&key.secret]);
        assert_eq!(told, name);
    }
    for nameless in [None, Some(""), Some("  ")] {
        let create = "SELECT token_auth.create_token($1, $2, '{email:send}', 'shop.example')";
        let refusal = product.manager.refused(create, &[&product.account, &nameless]);
        assert_eq!(refusal.code, "22023", "{refusal:?}");
        assert!(refusal.message.starts_with("name must not be "), "{refusal:?}");
    }
}

#[test]
fn ts3_a_key_sends_from_every_verified_domain_or_from_a_chosen_one() {
    let mut product = tosend();
    let [shop, blog] = ["shop.example", "blog.example"].map(|name| product.domain(name));
    let every = product.account_token("every domain", &SEND);
    let only = product.token("the shop only", &SEND, "shop.example");
    let send = |product: &mut Product, key: &NewToken| {
        ["shop.example", "blog.example"].map(|domain| product.code(key, "email:send", domain))
    };

    assert_eq!(send(&mut product, &every), ["domain_not_allowed", "domain_not_allowed"]);
    assert_eq!(send(&mut product, &only), ["domain_not_allowed", "domain_not_allowed"]);
    set_verified(&mut product, shop, true);
    assert_eq!(send(&mut product, &every), ["ok", "domain_not_allowed"]);
    assert_eq!(send(&mut product, &only), ["ok", "domain_not_allowed"]);
    set_verified(&mut product, blog, true);
    assert_eq!(send(&mut product, &every), ["ok", "ok"]);
    assert_eq!(send(&mut product, &only), ["ok", "domain_not_allowed"]);

    verified_domain(&mut product, "later.example");
    assert_eq!(product.code(&every, "email:send", "later.example"), "ok");
    set_verified(&mut product, shop, false);
    assert_eq!(send(&mut product, &every), ["domain_not_allowed", "ok"]);
    assert_eq!(send(&mut product, &only), ["domain_not_allowed", "domain_not_allowed"]);
    verified_domain(&mut tosend(), "strange.example");
    assert_eq!(product.code(&every, "email:send", "strange.example"), "domain_not_allowed");
}

#[test]
fn ts4_a_key_is_shown_once() {
    let mut product = tosend();
    verified_domain(&mut product, "shop.example");
    let key = product.token("shown once", &SEND, "shop.example");
    assert_eq!(product.code(&key, "email:send", "shop.example"), "ok", "what was shown is the key");
    product.assert_was_shown_once(&key);
}

/// What an application shows for the list of an account.
const LIST: &str = "
    SELECT name, hint, domain, CASE status WHEN 'active' THEN 'Active' ELSE 'Inactive' END, created_at
    FROM token_auth.tokens WHERE account_id = $1 ORDER BY id";

#[test]
fn ts5_the_list_shows_name_truncated_key_domain_status_and_creation_date() {
    let mut product = tosend();
    let account = product.account;
    product.domain("shop.example");
    let began: SystemTime = product.superuser.get("SELECT clock_timestamp()", &[]);
    let keys = [
        product.token("Newsletter", &SEND, "shop.example"),
        product.account_token("Every domain", &SEND),
        product.token("Old shop", &SEND, "shop.example"),
    ];
    let ended: SystemTime = product.superuser.get("SELECT clock_timestamp()", &[]);
    product.manager.run("SELECT token_auth.pause_token($1)", &[&keys[2].id]);

    let assert_listed = |product: &mut Product, statuses: [&str; 3]| {
        let listed = product.manager.rows(LIST, &[&account]);
        let shown: Vec<(&str, &str, Option<&str>, &str)> =
            listed.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
        let hints = keys.each_ref().map(|key| {
            let (first, last) = (&key.secret[..8], &key.secret[key.secret.len() - 4..]);
            format!("{first}...{last}")
        });
        assert_eq!(
            shown,
            [
                ("Newsletter", &*hints[0], Some("shop.example"), statuses[0]),
                ("Every domain", &*hints[1], None, statuses[1]),
                ("Old shop", &*hints[2], Some("shop.example"), statuses[2]),
            ]
        );
        let mut created = vec![began];
        created.extend(listed.iter().map(|row| row.get::<_, SystemTime>(4)));
        created.push(ended);
        assert!(created.is_sorted(), "{created:?}");
    };
    assert_listed(&mut product, ["Active", "Active", "Inactive"]);
    product.manager.run("SELECT token_auth.resume_token($1)", &[&keys[2].id]);
    assert_listed(&mut product, ["Active", "Active", "Active"]);
    product.manager.run("SELECT token_auth.pause_account($1)", &[&account]);
    assert_listed(&mut product, ["Inactive", "Inactive", "Inactive"]);
}

#[test]
fn ts6_deleting_a_key_takes_effect_at_once() {
    let mut product = tosend();
    verified_domain(&mut product, "shop.example");
    let key = product.token("leaked", &SEND, "shop.example");
    product.assert_stops_at_once(
        &key,
        ("email:send", "shop.example"),
        "SELECT token_auth.delete_token($1)",
        "not_found",
    );
    assert_eq!(product.tokens(), 0);
}

#[test]
fn ts7_a_whole_header_value_is_malformed_and_the_key_in_it_is_valid() {
    let mut product = tosend();
    verified_domain(&mut product, "shop.example");
    let key = product.token("of a backend", &SEND, "shop.example");
    let send = "SELECT code FROM token_auth.verify_token($1, 'email:send', 'shop.example')";
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer  ", "Basic ", " "] {
        let header = format!("{scheme}{}", key.secret);
        assert_eq!(product.verifier.get::<String>(send, &[&header]), "malformed", "{scheme:?}");
        let authenticate = "SELECT code FROM token_auth.authenticate($1)";
        let mut work = product.backend.transaction().expect("a transaction begins");
        assert_eq!(work.get::<String>(authenticate, &[&header]), "malformed", "{scheme:?}");
    }

    let header = format!("Bearer {}", key.secret);
    let (scheme, stripped) = header.split_once(' ').expect("a scheme and a key");
    assert_eq!((scheme, stripped), ("Bearer", &*key.secret));
    assert_eq!(product.verifier.get::<String>(send, &[&stripped]), "ok");
    // The same as docs/backend.md shows it.
    for line in
        [r#"scheme, _, secret = authorization.partition(" ")"#, r#"secret if scheme.lower() == "bearer" else None"#]
    {
        assert!(readme::BACKEND.contains(line), "docs/backend.md does not show how: {line}");
    }
}
