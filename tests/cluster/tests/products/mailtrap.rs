//! What Mailtrap promises about its API tokens, under the preset `mailtrap`: one test for each promise.

use cluster::product::code;
use cluster::{NewDomain, NewToken, Product, Sql, TokenAuth, seconds, wait_until};
use std::time::SystemTime;

const VIEWER: [&str; 1] = ["*:read"];
const ADMIN: [&str; 1] = ["*"];

fn mailtrap() -> Product {
    Product::under("mailtrap")
}

/// A new domain and its own token.
fn domain(product: &mut Product, name: &str) -> NewDomain {
    product.manager.domain(product.account, name)
}

/// Gives a token an access level on one more domain, or another level on one that it has.
fn give(product: &mut Product, token: &NewToken, level: [&str; 1], domain: &str) {
    let grant = "SELECT token_auth.grant_access($1, $2, $3)";
    product.manager.run(grant, &[&token.id, &level.as_slice(), &domain]);
}

fn take(product: &mut Product, token: &NewToken, domain: &str) {
    product.manager.run("SELECT token_auth.revoke_access($1, $2)", &[&token.id, &domain]);
}

/// Resets a token and returns the successor.
fn reset(product: &mut Product, token: &NewToken) -> NewToken {
    let row = product.manager.row("SELECT token_id, secret FROM token_auth.reset_token($1)", &[&token.id]);
    NewToken { id: row.get(0), secret: row.get(1) }
}

fn name(product: &mut Product, token: &NewToken) -> String {
    product.manager.get("SELECT name FROM token_auth.tokens WHERE id = $1", &[&token.id])
}

/// Lets time pass for a token that has an expiry.
fn let_pass(product: &mut Product, token: &NewToken, time: &str) {
    let earlier = "UPDATE token_auth.token SET expires_at = expires_at - $2::text::interval WHERE id = $1";
    assert_eq!(product.superuser.run(earlier, &[&token.id, &time]), 1);
}

/// A token whose lifetime is over.
fn expired(product: &mut Product, name: &str, domain: &str) -> NewToken {
    let row = product.manager.row(
        "SELECT token_id, secret FROM token_auth.create_token(
             $1, $2, '{*}', $3, expires_at => clock_timestamp() + interval '1 day')",
        &[&product.account, &name, &domain],
    );
    let token = NewToken { id: row.get(0), secret: row.get(1) };
    assert_eq!(product.code(&token, None, None), "ok");
    let_pass(product, &token, "1 day");
    token
}

fn is_listed(product: &mut Product, token: &NewToken) -> bool {
    product.manager.get("SELECT EXISTS (SELECT FROM token_auth.tokens WHERE id = $1)", &[&token.id])
}

#[test]
fn mt1_a_token_is_created_with_a_name_and_an_access_level_for_each_domain() {
    let mut product = mailtrap();
    for name in ["one.example", "two.example", "three.example"] {
        domain(&mut product, name);
    }
    let token = product.token("dashboard", &ADMIN, "one.example");
    give(&mut product, &token, VIEWER, "two.example");

    let listed = product.manager.row("SELECT name, access FROM token_auth.tokens WHERE id = $1", &[&token.id]);
    assert_eq!((listed.get(0), listed.get(1)), ("dashboard", "one.example: full access; two.example: *:read"));
    for (domain, reads, writes) in [
        ("one.example", "ok", "ok"),
        ("two.example", "ok", "insufficient_scope"),
        ("three.example", "domain_not_allowed", "domain_not_allowed"),
    ] {
        for resource in ["stats", "suppressions", "templates"] {
            assert_eq!(product.code(&token, &*format!("{resource}:read"), domain), reads, "{resource} of {domain}");
            assert_eq!(product.code(&token, &*format!("{resource}:write"), domain), writes, "{resource} of {domain}");
        }
    }
}

#[test]
fn mt2_sending_from_a_domain_takes_admin_access_on_that_very_domain() {
    let mut product = mailtrap();
    for name in ["one.example", "two.example", "three.example"] {
        domain(&mut product, name);
    }
    let token = product.token("sender", &ADMIN, "one.example");
    give(&mut product, &token, VIEWER, "two.example");

    assert_eq!(product.code(&token, "email:send", "one.example"), "ok");
    assert_eq!(product.code(&token, "email:send", "two.example"), "insufficient_scope");
    assert_eq!(product.code(&token, "email:send", "three.example"), "domain_not_allowed");
    give(&mut product, &token, ADMIN, "two.example");
    assert_eq!(product.code(&token, "email:send", "two.example"), "ok");
    let everywhere = product.account_token("reads everywhere", &VIEWER);
    assert_eq!(product.code(&everywhere, "email:send", "one.example"), "insufficient_scope");
}

#[test]
fn mt3_a_new_domain_comes_with_its_own_token_admin_there_and_nowhere_else() {
    let mut product = mailtrap();
    domain(&mut product, "before.example");
    let new = domain(&mut product, "Mailtrap.example");
    domain(&mut product, "after.example");

    let listed = product.manager.rows("SELECT id, name FROM token_auth.tokens WHERE domain_id = $1", &[&new.id]);
    assert_eq!(listed.len(), 1, "one token of its own");
    assert_eq!(listed[0].get::<_, i64>(0), new.token.id);
    assert_eq!(listed[0].get::<_, &str>(1), format!("Mailtrap.example token {}", new.token.id));
    let access = product
        .manager
        .rows("SELECT domain_id, scopes FROM token_auth.token_access WHERE token_id = $1", &[&new.token.id]);
    assert_eq!(access.len(), 1, "access to one domain");
    assert_eq!((access[0].get(0), access[0].get(1)), (new.id, vec!["*"]));
    for scope in ["email:send", "stats:read", "domains:delete"] {
        assert_eq!(product.code(&new.token, scope, "mailtrap.example"), "ok", "{scope}");
        for other in [Some("before.example"), Some("after.example"), None] {
            assert_eq!(product.code(&new.token, scope, other), "domain_not_allowed", "{scope} on {other:?}");
        }
    }
}

#[test]
fn mt4_the_token_of_a_domain_can_be_given_access_to_further_domains() {
    let mut product = mailtrap();
    let first = domain(&mut product, "first.example");
    domain(&mut product, "second.example");
    domain(&mut product, "third.example");
    assert_eq!(product.code(&first.token, "stats:read", "second.example"), "domain_not_allowed");

    give(&mut product, &first.token, VIEWER, "second.example");
    give(&mut product, &first.token, ADMIN, "third.example");
    assert_eq!(product.code(&first.token, "stats:read", "second.example"), "ok");
    assert_eq!(product.code(&first.token, "email:send", "second.example"), "insufficient_scope");
    assert_eq!(product.code(&first.token, "email:send", "third.example"), "ok");
    assert_eq!(product.code(&first.token, "email:send", "first.example"), "ok", "what it had stays");
}

#[test]
fn mt5_the_list_shows_every_active_token_its_creator_and_its_access() {
    let mut product = mailtrap();
    let first = domain(&mut product, "first.example");
    product.manager.run("SET token_auth.actor = 'alice@customer.example'", &[]);
    let second = domain(&mut product, "second.example");
    let dashboard = product.token("dashboard", &VIEWER, "first.example");
    give(&mut product, &dashboard, ADMIN, "second.example");
    let new = reset(&mut product, &first.token);
    let ended = expired(&mut product, "ended", "first.example");

    let names = [&first.token, &second.token, &dashboard, &new].map(|token| name(&mut product, token));
    let listed = product.manager.rows(
        "SELECT name, created_by, access FROM token_auth.tokens
         WHERE account_id = $1 AND status IN ('active', 'retiring') ORDER BY id",
        &[&product.account],
    );
    let listed: Vec<[&str; 3]> = listed.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect();
    let alice = "alice@customer.example";
    assert_eq!(
        listed,
        [
            [&names[0], "manager", "first.example: full access"],
            [&names[1], alice, "second.example: full access"],
            ["dashboard", alice, "first.example: *:read; second.example: full access"],
            [&names[3], alice, "first.example: full access"],
        ]
    );
    let ended: String = product.manager.get("SELECT status FROM token_auth.tokens WHERE id = $1", &[&ended.id]);
    assert_eq!(ended, "expired");
}

#[test]
fn mt6_after_a_reset_the_old_token_is_valid_for_12_hours_and_a_new_one_has_the_same_access() {
    let mut product = mailtrap();
    domain(&mut product, "one.example");
    domain(&mut product, "two.example");
    let old = product.token("mailer", &ADMIN, "one.example");
    give(&mut product, &old, VIEWER, "two.example");

    let answer = product.manager.row(
        "SELECT token_id, secret, expires_at IS NULL,
                previous_expires_at - clock_timestamp() BETWEEN interval '11:59:30' AND interval '12:00:00',
                previous_expires_at
         FROM token_auth.reset_token($1)",
        &[&old.id],
    );
    let new = NewToken { id: answer.get(0), secret: answer.get(1) };
    assert!(new.id != old.id && new.secret != old.secret);
    assert!(answer.get::<_, bool>(2), "the new one lives as long as the old one was to: for ever");
    assert!(answer.get::<_, bool>(3), "the old one ends in 12 hours");
    let listed: SystemTime = product.manager.get("SELECT expires_at FROM token_auth.tokens WHERE id = $1", &[&old.id]);
    assert_eq!(listed, answer.get(4));

    let access = |product: &mut Product, token: &NewToken| -> Vec<String> {
        let rows =
            "SELECT domain_id || ': ' || scopes::text FROM token_auth.token_access WHERE token_id = $1 ORDER BY 1";
        product.manager.list(rows, &[&token.id])
    };
    assert_eq!(access(&mut product, &new), access(&mut product, &old));
    let may = |product: &mut Product, token: &NewToken| {
        [("email:send", "one.example"), ("stats:read", "two.example"), ("email:send", "two.example")]
            .map(|(scope, domain)| product.code(token, scope, domain))
    };
    let before = ["ok", "ok", "insufficient_scope"];
    assert_eq!(may(&mut product, &old), before);
    assert_eq!(may(&mut product, &new), before);

    let_pass(&mut product, &old, "11 hours 59 minutes");
    assert_eq!(may(&mut product, &old), before, "within the 12 hours");
    let_pass(&mut product, &old, "1 minute");
    assert_eq!(may(&mut product, &old), ["expired"; 3], "after them");
    assert_eq!(may(&mut product, &new), before);
}

#[test]
fn mt7_the_new_token_is_named_like_the_automatic_ones_with_its_own_id() {
    let mut product = mailtrap();
    let domain = domain(&mut product, "mailtrap.example");
    assert_eq!(name(&mut product, &domain.token), format!("mailtrap.example token {}", domain.token.id));
    let second = reset(&mut product, &domain.token);
    assert_eq!(name(&mut product, &second), format!("mailtrap.example token {}", second.id));
    let third = reset(&mut product, &second);
    assert_eq!(name(&mut product, &third), format!("mailtrap.example token {}", third.id));
    assert_eq!(
        name(&mut product, &domain.token),
        format!("mailtrap.example token {}", domain.token.id),
        "it keeps its own"
    );

    let by_hand = product.token("CI", &ADMIN, "mailtrap.example");
    let after_it = reset(&mut product, &by_hand);
    assert_eq!(name(&mut product, &after_it), format!("CI {}", after_it.id));
}

#[test]
fn mt8_an_expired_token_is_deleted_within_24_hours() {
    let mut product = mailtrap();
    let domain = domain(&mut product, "mail.example");
    let kept = reset(&mut product, &domain.token);
    let_pass(&mut product, &domain.token, "12 hours");
    let_pass(&mut product, &domain.token, "22 hours 30 minutes");

    // A token that still exists after three rounds is not removed.
    for round in 1..=3 {
        let was_reset = product.token("was reset", &ADMIN, "mail.example");
        product.manager.run("SELECT token_auth.reset_token($1)", &[&was_reset.id]);
        let_pass(&mut product, &was_reset, "12 hours");
        let due = [was_reset, expired(&mut product, "brief", "mail.example")];
        for token in &due {
            assert_eq!(product.code(token, None, None), "expired");
            let_pass(&mut product, token, "23 hours 59 minutes");
        }
        wait_until(&format!("the end of what is due in round {round}"), seconds(60), || {
            !due.iter().any(|token| is_listed(&mut product, token))
        });
        assert_eq!(due.each_ref().map(|token| product.code(token, None, None)), ["not_found", "not_found"]);
    }
    assert!(is_listed(&mut product, &domain.token), "it expired less than 23 hours ago");
    assert_eq!(product.code(&kept, "email:send", "mail.example"), "ok");
}

#[test]
fn mt9_a_token_that_was_reset_or_has_expired_cannot_be_reset() {
    let mut product = mailtrap();
    let domain = domain(&mut product, "mail.example");
    let new = reset(&mut product, &domain.token);
    let brief = expired(&mut product, "brief", "mail.example");
    let before = product.tokens();

    for (token, says) in [(&domain.token, "was already reset"), (&brief, "has expired")] {
        for reset in
            ["SELECT token_auth.reset_token($1)", "SELECT token_auth.reset_token($1, grace => interval '1 hour')"]
        {
            let refusal = product.manager.refused(reset, &[&token.id]);
            assert_eq!(refusal.code, "55000", "{refusal:?}");
            assert_eq!(refusal.message, format!("token {} {says}", token.id));
        }
    }
    // The grace is over, and it was reset.
    let_pass(&mut product, &domain.token, "12 hours");
    assert_eq!(product.manager.refused("SELECT token_auth.reset_token($1)", &[&domain.token.id]).code, "55000");
    assert_eq!(product.tokens(), before, "no token took over");
    assert_eq!(product.code(&new, "email:send", "mail.example"), "ok");
    reset(&mut product, &new);
}

#[test]
fn mt10_permissions_are_added_and_removed_at_any_time_with_immediate_effect() {
    let mut product = mailtrap();
    domain(&mut product, "one.example");
    domain(&mut product, "two.example");
    let token = product.token("dashboard", &VIEWER, "one.example");
    let mut elsewhere = product.session("verifier");
    elsewhere.run("BEGIN ISOLATION LEVEL REPEATABLE READ", &[]);
    let mut sends_from = |domain: &str| code(&mut elsewhere, &token, "email:send", domain);
    assert_eq!([sends_from("one.example"), sends_from("two.example")], ["insufficient_scope", "domain_not_allowed"]);

    for _ in 0..2 {
        give(&mut product, &token, ADMIN, "two.example");
        assert_eq!(sends_from("two.example"), "ok");
        give(&mut product, &token, VIEWER, "two.example");
        assert_eq!(sends_from("two.example"), "insufficient_scope");
        take(&mut product, &token, "two.example");
        assert_eq!(sends_from("two.example"), "domain_not_allowed");
        assert_eq!(sends_from("one.example"), "insufficient_scope");
    }
    // Down to nothing and up again, also while its end is near.
    take(&mut product, &token, "one.example");
    assert_eq!(sends_from("one.example"), "domain_not_allowed");
    reset(&mut product, &token);
    give(&mut product, &token, ADMIN, "one.example");
    assert_eq!(sends_from("one.example"), "ok");
}

#[test]
fn mt11_delete_is_immediate() {
    let mut product = mailtrap();
    let domain = domain(&mut product, "mail.example");
    product.token("stays", &ADMIN, "mail.example");
    product.assert_stops_at_once(
        &domain.token,
        ("email:send", "mail.example"),
        "SELECT token_auth.delete_token($1)",
        "not_found",
    );
    assert!(!is_listed(&mut product, &domain.token));
}

#[test]
fn mt12_the_last_token_of_a_domain_cannot_be_deleted() {
    let mut product = mailtrap();
    let domain = domain(&mut product, "mail.example");
    let last = &domain.token;
    // Access to the domain from elsewhere, and a token of another one, do not count.
    product.account_token("everywhere", &ADMIN);
    product.domain("other.example");

    let assert_stays = |product: &mut Product, last: &NewToken| {
        let refusals = [
            product.manager.refused("SELECT token_auth.delete_token($1)", &[&last.id]),
            product.superuser.refused("DELETE FROM token_auth.token WHERE id = $1", &[&last.id]),
            product.superuser.refused("UPDATE token_auth.token SET expires_at = now() WHERE id = $1", &[&last.id]),
        ];
        for refusal in refusals {
            assert_eq!(refusal.code, "23001", "{refusal:?}");
            let says = "domain \"mail.example\" must keep a live token, and this is its last \
                        (profile \"mailtrap\": keeps_last_token is true)";
            assert_eq!(refusal.message, says);
        }
        assert_eq!(product.code(last, "email:send", "mail.example"), "ok");
    };
    assert_stays(&mut product, last);

    // A retiring token does not count: its successor is the last.
    let successor = reset(&mut product, last);
    assert_stays(&mut product, &successor);
    product.manager.run("SELECT token_auth.delete_token($1)", &[&last.id]);
    let another = product.token("another", &VIEWER, "mail.example");
    product.manager.run("SELECT token_auth.delete_token($1)", &[&successor.id]);
    give(&mut product, &another, ADMIN, "mail.example");
    assert_stays(&mut product, &another);
    product.manager.run("SELECT token_auth.delete_domain($1)", &[&domain.id]);
    assert_eq!(product.code(&another, None, None), "not_found");
}

#[test]
fn mt13_a_token_can_be_copied_again_later() {
    let mut product = mailtrap();
    let domain = domain(&mut product, "mail.example");
    let by_hand = product.token("by hand", &VIEWER, "mail.example");
    let successor = reset(&mut product, &domain.token);
    for token in [&domain.token, &by_hand, &successor] {
        for _ in 0..2 {
            let copy: String = product.revealer.get("SELECT token_auth.reveal_token($1)", &[&token.id]);
            assert_eq!(copy, token.secret);
        }
    }
    // It takes the grant of its own.
    let refusal = product.manager.refused("SELECT token_auth.reveal_token($1)", &[&by_hand.id]);
    assert_eq!(refusal.code, "42501", "{refusal:?}");
}

#[test]
fn mt14_a_token_with_full_access_manages_tokens_and_none_stronger_than_itself() {
    let mut product = mailtrap();
    let account = product.account;
    let domain = domain(&mut product, "mail.example");
    let api = product.account_token("API client", &ADMIN);
    let viewer = product.account_token("viewer", &VIEWER);

    let made = product.act_as(&api, |work| work.token(account, "by the API", &ADMIN, "mail.example"));
    let listed = "SELECT access FROM token_auth.tokens WHERE account_id = $1 AND name = 'by the API'";
    let access: String = product.act_as(&api, |work| work.get(listed, &[&account]));
    assert_eq!(access, "mail.example: full access");
    let again: i64 =
        product.act_as(&api, |work| work.get("SELECT token_id FROM token_auth.reset_token($1)", &[&made.id]));
    for token in [made.id, again] {
        product.act_as(&api, |work| work.run("SELECT token_auth.delete_token($1)", &[&token]));
    }
    assert_eq!(product.code(&made, None, None), "not_found");

    // A viewer manages nothing, and the token of a domain nothing that has access to more.
    let create = "SELECT token_auth.create_token($1, 'x', '{*}', all_domains => true)";
    for (caller, says) in [(&viewer, "may not manage tokens here"), (&domain.token, "may not manage tokens here")] {
        let refusal = product.refused_as(caller, create, &[&account]);
        assert!(refusal.code == "42501" && refusal.message.contains(says), "{refusal:?}");
    }
    let local = product.token("for its domain", &ADMIN, "mail.example");
    give(&mut product, &local, VIEWER, "mail.example");
    let everywhere = "SELECT token_auth.grant_access($1, '{*}', all_domains => true)";
    let refusal = product.refused_as(&domain.token, everywhere, &[&local.id]);
    assert!(refusal.code == "42501" && refusal.message.contains("does not have"), "{refusal:?}");
    let refusal = product.refused_as(&domain.token, "SELECT token_auth.delete_token($1)", &[&api.id]);
    assert!(refusal.code == "42501", "{refusal:?}");
}
