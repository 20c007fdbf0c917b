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
    for call in [create(", expires_at => 'infinity'"), create(", expires_at => now() + interval '61 minutes'")] {
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
    let made: i64 = work.get(
        "SELECT token_id FROM token_auth.create_token($1, 'made', '{email:send}', all_domains => true)",
        &[&account],
    );
    let of_itself: i64 = work.get("SELECT token_id FROM token_auth.reset_token($1)", &[&caller.id]);
    for token in [successor, of_domain, made, of_itself] {
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

/// Not by way of a token that could take its place either: a successor, or one that it creates.
#[test]
fn a_token_writes_no_metadata() {
    let mut scene = scene("");
    let account = scene.account;
    let caller = scene.token(&["*"]);
    let other = scene.token(&["email:send"]).id;
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);
    let successor: i64 = work.get("SELECT token_id FROM token_auth.reset_token($1)", &[&caller.id]);
    for function in ["set_token_metadata", "merge_token_metadata"] {
        for token in [caller.id, successor, other] {
            refused(&mut work, &format!(r#"{function}({token}, '{{"user": "admin"}}')"#), "may not write metadata");
        }
    }
    let create = |metadata| format!("create_token({account}, 'made', '{{*}}', all_domains => true{metadata})");
    refused(&mut work, &create(r#", metadata => '{"user": "admin"}'"#), "may not write metadata");
    allowed(&mut work, &create(", metadata => '{}'"));
}

/// What it would get, or give, lives longer than it does.
#[test]
fn a_token_that_ends_neither_reveals_nor_resumes_nor_extends_one_that_lives_longer() {
    let mut scene = scene("");
    let caller = scene.token(&["*"]);
    let longer = scene.token(&["email:send"]).id;
    let shorter = scene.token(&["email:send"]).id;
    for (token, minutes) in [(caller.id, 60), (shorter, 59)] {
        scene.superuser.run(
            "SELECT token_auth.set_token_expiry($1, now() + interval '1 minute' * $2)",
            &[&token, &f64::from(minutes)],
        );
    }
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);
    for (call, what) in [
        ("reveal_token($token)", "reveal the secret of"),
        ("resume_token($token)", "resume"),
        ("grant_access($token, '{email:send}', all_domains => true)", "grant access to"),
    ] {
        let message = format!("cannot {what} token {longer}, which lives longer than it does");
        refused(&mut work, &call.replace("$token", &longer.to_string()), &message);
        allowed(&mut work, &call.replace("$token", &shorter.to_string()));
        allowed(&mut work, &call.replace("$token", &caller.id.to_string()));
    }
    drop(work);
    // The old secret, in its grace, is not worth the new one.
    let old = scene.token(&["*"]);
    let new: i64 = scene.superuser.get("SELECT token_id FROM token_auth.reset_token($1)", &[&old.id]);
    let mut work = authenticated_as(&old, &mut bob);
    refused(&mut work, &format!("reveal_token({new})"), "which lives longer than it does");
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
