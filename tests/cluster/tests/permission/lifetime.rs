//! A token that manages tokens gives none a longer life than its own, and changes nothing about itself that a backend trusts.

use cluster::scene::authenticated_as;
use cluster::{Sql, TokenAuth};
use postgres::Transaction;

use crate::session_token::{allowed, refused, scene};

const LONGER: &str = "a longer life than its own";

#[test]
fn a_token_gives_no_token_a_longer_life_than_its_own() {
    let mut scene = scene("");
    let account = scene.account;
    let caller = scene.token(&["*"]);
    let (own, other) = (caller.id, scene.token(&["email:send"]).id);
    scene.superuser.run("SELECT token_auth.set_token_expiry($1, now() + interval '1 hour')", &[&own]);
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);

    let create = |expiry| format!("create_token({account}, 'made', '{{email:send}}', all_domains => true{expiry})");
    for call in [
        create(""),
        create(", expires_at => NULL"),
        create(", expires_at => 'infinity'"),
        create(", expires_at => now() + interval '61 minutes'"),
    ] {
        refused(&mut work, &call, LONGER);
    }
    for token in [own, other] {
        for expiry in ["NULL", "'infinity'", "now() + interval '61 minutes'"] {
            refused(&mut work, &format!("set_token_expiry({token}, {expiry})"), LONGER);
        }
        for expiry in ["'infinity'", "now() + interval '61 minutes'"] {
            refused(&mut work, &format!("reset_token({token}, expires_at => {expiry})"), LONGER);
        }
    }

    allowed(&mut work, &create(", expires_at => now() + interval '59 minutes'"));
    for token in [own, other] {
        allowed(&mut work, &format!("set_token_expiry({token}, now() + interval '59 minutes')"));
        allowed(&mut work, &format!("reset_token({token}, expires_at => now() + interval '59 minutes')"));
    }
}

#[test]
fn a_lifetime_by_default_ends_with_that_of_the_token_that_gives_it() {
    let mut scene = scene("");
    let account = scene.account;
    let caller = scene.token(&["*"]);
    let other = scene.token(&["email:send"]).id;
    scene.superuser.run("SELECT token_auth.set_token_expiry($1, now() + interval '1 hour')", &[&caller.id]);
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);

    let successor: i64 = work.get("SELECT token_id FROM token_auth.reset_token($1)", &[&other]);
    let of_domain: i64 = work.get("SELECT token_id FROM token_auth.create_domain($1, 'new.example')", &[&account]);
    let of_itself: i64 = work.get("SELECT token_id FROM token_auth.reset_token($1)", &[&caller.id]);
    for token in [successor, of_domain, of_itself] {
        assert!(ends_within_the_hour(&mut work, token), "token {token}");
    }
}

#[test]
fn a_token_that_never_expires_limits_no_lifetime() {
    let mut scene = scene("");
    let account = scene.account;
    let caller = scene.token(&["*"]);
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);
    let made = work.account_token(account, "made", &["email:send"]).id;
    assert!(!ends_within_the_hour(&mut work, made));
    for expiry in ["'2999-01-01Z'", "'infinity'"] {
        allowed(&mut work, &format!("set_token_expiry({made}, {expiry})"));
    }
}

#[test]
fn a_token_cannot_change_its_own_metadata_but_that_of_another_one() {
    let mut scene = scene("");
    let caller = scene.token(&["*"]);
    let other = scene.token(&["email:send"]).id;
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);
    for function in ["set_token_metadata", "merge_token_metadata"] {
        let call = |token| format!(r#"{function}({token}, '{{"user": "admin"}}')"#);
        refused(&mut work, &call(caller.id), "may not change its own metadata");
        allowed(&mut work, &call(other));
    }
}

#[test]
fn an_active_token_does_not_come_out_of_a_paused_one() {
    let mut scene = scene("");
    let caller = scene.token(&["*"]);
    let paused = scene.token(&["email:send"]).id;
    scene.superuser.run("SELECT token_auth.pause_token($1)", &[&paused]);
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);
    let row = work.row("SELECT token_id FROM token_auth.reset_token($1)", &[&paused]);
    let status: String = work.get("SELECT status FROM token_auth.tokens WHERE id = $1", &[&row.get::<_, i64>(0)]);
    assert_eq!(status, "paused");
}

fn ends_within_the_hour(work: &mut Transaction, token: i64) -> bool {
    let soon = "SELECT expires_at <= now() + interval '1 hour' IS TRUE FROM token_auth.tokens WHERE id = $1";
    work.get(soon, &[&token])
}
