//! Tokens that manage tokens: the caller must itself have all access that a call grants, changes or removes with a token.

use cluster::scene::{PermissionScene, authenticated_as, refusal_of};
use cluster::{Client, Sql, TokenAuth};
use postgres::Transaction;

const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

/// Every call by which a token manages an existing token. Metadata is for roles: lifetime.rs.
const MANAGE: [&str; 9] = [
    "grant_access($token, '{email:send}', all_domains => true)",
    "revoke_access($token, all_domains => true)",
    "reset_token($token)",
    "reveal_token($token)",
    "pause_token($token)",
    "resume_token($token)",
    "rename_token($token, 'renamed')",
    "set_token_expiry($token, now() + interval '1 hour')",
    "delete_token($token)",
];

const LACKS: &str = "access that it does not have";
const NOT_HERE: &str = "may not manage tokens here";
const NOT_VALID: &str = "is no longer valid";

#[test]
fn a_weaker_token_cannot_manage_a_stronger_one_and_an_equal_one_can() {
    let mut scene = scene("");
    let strong = scene.token(&["tokens:full", "email:full"]);
    let lesser: [(&[&str], &str); 4] = [
        (&["tokens:full", "email:send"], LACKS),
        (&["tokens:full", "email.templates:full", "*:read"], LACKS),
        (&["tokens:full", "sms:full"], LACKS),
        (&["tokens.own:full", "email:full"], NOT_HERE),
    ];
    let create = format!("create_token({}, 'made', '{{email:full}}', all_domains => true)", scene.account);
    let mut bob = scene.session("bob");

    for (scopes, reason) in lesser {
        let caller = scene.token(scopes);
        let mut work = authenticated_as(&caller, &mut bob);
        for call in MANAGE {
            refused(&mut work, &about(call, strong.id), reason);
        }
        refused(&mut work, &create, reason);
    }
    let equal = scene.token(&["email:*", "tokens:*"]);
    let mut work = authenticated_as(&equal, &mut bob);
    for call in MANAGE {
        allowed(&mut work, &about(call, strong.id));
    }
    allowed(&mut work, &create);
}

#[test]
fn the_caller_must_have_the_access_before_and_after_a_change() {
    let mut scene = scene("");
    let caller = scene.token(&["tokens:full", "email:full"]);
    let own = caller.id;
    let lesser = scene.token_of("mail.example", &["email:send"]).id;
    let stronger = scene.token(&["email:full", "sms:send"]).id;
    let elsewhere = scene.token_of("mail.example", &["email:send"]).id;
    scene.superuser.run("SELECT token_auth.grant_access($1, '{sms:send}', 'spare.example')", &[&elsewhere]);
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&caller, &mut bob);

    allowed(&mut work, &format!("grant_access({lesser}, '{{email:full,email.templates:*}}', 'spare.example')"));
    allowed(&mut work, &format!("grant_access({lesser}, '{{email:full,tokens:full}}', all_domains => true)"));
    for up in ["sms:send", "*", "*:send", "emails:send"] {
        refused(&mut work, &format!("grant_access({lesser}, '{{email:send,{up}}}', 'mail.example')"), LACKS);
        refused(&mut work, &format!("grant_access({own}, '{{tokens:full,{up}}}', all_domains => true)"), LACKS);
    }
    for (token, there) in
        [(stronger, "all_domains => true"), (elsewhere, "'spare.example'"), (elsewhere, "'mail.example'")]
    {
        refused(&mut work, &format!("grant_access({token}, '{{email:send}}', {there})"), LACKS);
        refused(&mut work, &format!("revoke_access({token}, {there})"), LACKS);
    }

    // Access to one domain is no access to another one, nor to every one.
    drop(work);
    let local = scene.token_of("mail.example", &["tokens:full", "email:full"]);
    let mut work = authenticated_as(&local, &mut bob);
    allowed(&mut work, &format!("grant_access({lesser}, '{{email:full}}', 'mail.example')"));
    refused(&mut work, &format!("grant_access({lesser}, '{{email:send}}', all_domains => true)"), LACKS);
    // It is not told whether other domains exist.
    for domain in ["spare.example", "unknown.example"] {
        refused(
            &mut work,
            &format!("grant_access({lesser}, '{{email:send}}', '{domain}')"),
            "no access to that domain",
        );
        refused(&mut work, &format!("revoke_access({lesser}, '{domain}')"), "no access to that domain");
    }
}

#[test]
fn a_token_manages_itself_and_nothing_after_its_end() {
    let mut scene = scene("");
    let account = scene.account;
    let mut bob = scene.session("bob");
    let token = scene.token(&["tokens:full", "domains:full"]);
    let mut work = authenticated_as(&token, &mut bob);
    for call in MANAGE.iter().filter(|call| !call.starts_with("grant")) {
        allowed(&mut work, &about(call, token.id));
    }
    // It keeps its access during its grace.
    work.run("SELECT token_auth.reset_token($1)", &[&token.id]);
    allowed(&mut work, &about("rename_token($token, 'renamed')", token.id));
    drop(work);

    // Bob may do all of these.
    let rest = [
        format!("create_account('of {}')", scene.name),
        format!("rename_account({account}, 'renamed')"),
        format!("create_domain({account}, 'new.example')"),
        format!("create_token({account}, 'new', '{{*}}', all_domains => true)"),
        about("rename_token($token, 'renamed')", scene.token(&["email:send"]).id),
        about("resume_token($token)", token.id),
        "sweep()".to_owned(),
        "reseal_tokens()".to_owned(),
    ];
    for call in &rest {
        allowed(&mut bob.transaction().expect("a transaction begins"), call);
    }
    for end in ["reset_token($token, grace => '0')", "pause_token($token)", "delete_token($token)"] {
        let token = scene.token(&["tokens:full", "domains:full"]);
        let mut work = authenticated_as(&token, &mut bob);
        work.run(&format!("SELECT token_auth.{}", about(end, token.id)), &[]);
        assert_eq!(work.get::<Option<i64>>("SELECT token_auth.current_token_id()", &[]), None, "{end}");
        for call in &rest {
            let refusal = refusal_of(call, &mut work).expect(call);
            assert_eq!(refusal.code, "42501", "{call} after {end}: {refusal:?}");
            assert!(refusal.message.contains(&format!("token {} of this transaction", token.id)), "{refusal:?}");
        }
        // The same statement does not continue either.
        drop(work);
        let token = scene.token(&["tokens:full"]);
        let both = format!("SELECT token_auth.{}, token_auth.{}", about(end, token.id), rest[3]);
        let refusal = authenticated_as(&token, &mut bob).refused(&both, &[]);
        assert!(refusal.code == "42501" && refusal.message.contains(NOT_VALID), "{both}: {refusal:?}");
    }
}

#[test]
fn created_by_records_the_session_token_or_the_actor() {
    let mut scene = scene("");
    let token = scene.token(&["*"]);
    let account = scene.account;
    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&token, &mut bob);
    let made = [
        work.token(account, "made", &["email:send"], "mail.example").id,
        work.domain(account, "new.example").token.id,
        work.get("SELECT token_id FROM token_auth.reset_token($1)", &[&token.id]),
    ];
    work.run("SELECT token_auth.deauthenticate()", &[]);
    let by_bob = work.account_token(account, "made", &["email:send"]).id;
    let creator = |work: &mut Transaction, id| -> String {
        work.get("SELECT created_by FROM token_auth.tokens WHERE id = $1", &[&id])
    };
    for id in made {
        assert_eq!(creator(&mut work, id), format!("token {}", token.id));
    }
    assert_eq!(creator(&mut work, by_bob), "bob");
    assert_eq!(creator(&mut work, token.id), "alice");
}

#[test]
fn tokens_full_for_a_domain_manages_only_tokens_whose_home_it_is() {
    let mut scene = scene("");
    let account = scene.account;
    let local = scene.token_of("mail.example", &["tokens:full", "email:full"]);
    let at_home = scene.token_of("mail.example", &["email:send"]).id;
    let everywhere = scene.token_of("mail.example", &["email:send"]).id;
    let next_door = scene.token_of("spare.example", &["email:send"]).id;
    let homeless = scene.token(&["email:send"]).id;
    for (token, domain) in [(next_door, "mail.example"), (homeless, "mail.example")] {
        scene.superuser.run("SELECT token_auth.grant_access($1, '{email:send}', $2)", &[&token, &domain]);
    }
    scene.superuser.run("SELECT token_auth.grant_access($1, '{email:send}', all_domains => true)", &[&everywhere]);
    scene.superuser.run("SELECT token_auth.revoke_access($1, 'spare.example')", &[&next_door]);
    scene.superuser.run("SELECT token_auth.revoke_access($1, all_domains => true)", &[&homeless]);

    let mut bob = scene.session("bob");
    let mut work = authenticated_as(&local, &mut bob);
    for call in MANAGE.iter().filter(|call| !call.starts_with("grant")) {
        allowed(&mut work, &about(call, at_home));
        refused(&mut work, &about(call, everywhere), LACKS);
        refused(&mut work, &about(call, next_door), NOT_HERE);
        refused(&mut work, &about(call, homeless), NOT_HERE);
    }
    let create = |there| format!("create_token({account}, 'made', '{{email:send}}', {there})");
    allowed(&mut work, &create("'mail.example'"));
    allowed(&mut work, &create("'MAIL.example'"));
    refused(&mut work, &create("'mail.example', all_domains => true"), LACKS);
    refused(&mut work, &create("all_domains => true"), NOT_HERE);
    refused(&mut work, &create("'spare.example'"), NOT_HERE);
    // It is not told which other domains exist.
    refused(&mut work, &create("'none.example'"), NOT_HERE);
}

#[test]
fn tokens_full_for_an_unverified_domain_does_not_count_if_verification_refuses_it() {
    let mut scene = scene(r#""needs_verified_domain": true"#);
    let account = scene.account;
    let local = scene.token_of("mail.example", &["tokens:full", "email:full"]);
    let global = scene.token(&["tokens:full", "email:full"]);
    let target = scene.token_of("mail.example", &["email:send"]).id;
    let create = format!("create_token({account}, 'made', '{{email:send}}', 'mail.example')");
    let mut bob = scene.session("bob");
    for verified in [false, true] {
        let verify = "SELECT token_auth.set_domain_verified(id, $2) FROM token_auth.domain WHERE account_id = $1";
        scene.superuser.run(verify, &[&account, &verified]);
        for call in [about("rename_token($token, 'renamed')", target), create.clone()] {
            allowed(&mut authenticated_as(&global, &mut bob), &call);
            let mut work = authenticated_as(&local, &mut bob);
            if verified { allowed(&mut work, &call) } else { refused(&mut work, &call, NOT_HERE) }
        }
    }
}

#[test]
fn the_access_of_the_token_counts_and_not_the_actor_and_execute_is_needed() {
    let mut scene = scene(r#""admins_only": true"#);
    let strong = scene.token(&["*"]);
    let weak = scene.token(&["email:send"]);
    let [mut alice, mut bob, mut holder] = ["alice", "bob", "holder"].map(|role| scene.session(role));
    let rename = about("rename_token($token, 'renamed')", weak.id);
    let without = |session: &mut Client| refusal_of(&rename, &mut session.transaction().expect("it begins"));

    assert!(without(&mut alice).is_none());
    refused(&mut authenticated_as(&weak, &mut alice), &rename, NOT_HERE);
    assert!(without(&mut bob).is_some_and(|refusal| refusal.message.contains("is not an administrator")));
    allowed(&mut authenticated_as(&strong, &mut bob), &rename);
    refused(&mut authenticated_as(&strong, &mut holder), &rename, "permission denied for function rename_token");
}

#[test]
fn a_loss_of_access_counts_in_the_callers_next_statement() {
    for level in LEVELS {
        for (change, reason) in [
            ("SELECT token_auth.revoke_access($1, all_domains => true)", NOT_HERE),
            ("SELECT token_auth.grant_access($1, '{email:full}', all_domains => true)", NOT_HERE),
            ("SELECT token_auth.grant_access($1, '{tokens:full}', all_domains => true)", LACKS),
            ("SELECT token_auth.pause_token($1)", NOT_VALID),
            ("SELECT token_auth.delete_token($1)", NOT_VALID),
            ("SELECT token_auth.pause_account(account_id) FROM token_auth.token WHERE id = $1", NOT_VALID),
            (
                "UPDATE token_auth.profile SET tokens_manage_tokens = false WHERE name = $2",
                "tokens_manage_tokens is false",
            ),
        ] {
            let mut scene = scene("");
            let caller = scene.token(&["tokens:full", "email:full"]);
            let target = scene.token(&["email:send"]).id;
            let mut bob = scene.session_at(level);
            let mut work = authenticated_as(&caller, &mut bob);
            allowed(&mut work, &about("pause_token($token)", target));
            let change = change.replace("$1", &caller.id.to_string()).replace("$2", &format!("'{}'", scene.name));
            scene.superuser.run(&change, &[]);
            for call in MANAGE {
                refused(&mut work, &about(call, target), reason);
            }
        }
    }
}

#[test]
fn a_reset_copies_the_access_that_was_checked() {
    for level in LEVELS {
        let mut scene = scene("");
        let caller = scene.token(&["tokens:full", "email:full"]);
        for (granted, may) in [("email:full", true), ("*", false)] {
            let target = scene.token(&["email:send"]).id;
            let grant = about(&format!("grant_access($token, '{{{granted}}}', 'mail.example')"), target);
            let copied = scene.waiting(level, &caller, &grant, |work| {
                if let Some(refusal) = refusal_of(&about("reset_token($token)", target), work) {
                    return Err(refusal.code);
                }
                let new: i64 = work.get("SELECT token_id FROM token_auth.reset_token($1)", &[&target]);
                let access = "SELECT unnest(scopes) FROM token_auth.token_access WHERE token_id = $1 ORDER BY id";
                Ok(work.list(access, &[&new]))
            });
            let expected =
                if may { Ok(["email:send", granted].map(str::to_owned).to_vec()) } else { Err("42501".to_owned()) };
            assert_eq!(copied, expected, "{level}");
        }
    }
}

#[test]
fn a_call_that_waited_for_a_token_is_judged_by_its_state_after_the_wait() {
    let done = done_after_waiting(&["grant_access($token, '{*}', 'mail.example')"], &MANAGE);
    assert!(done.is_empty(), "done to a token that has become the stronger one:\n{}", done.join("\n"));
}

#[test]
fn a_deletion_that_waited_is_judged_by_the_tokens_of_the_domain_after_the_wait() {
    let becomes = "grant_access($token, '{*}', 'mail.example')";
    let comes = "create_token($account, 'stronger', '{*}', '$home')";
    let done = done_after_waiting(&[becomes, comes], &["delete_domain($domain)"]);
    assert!(done.is_empty(), "done to a domain with a stronger token:\n{}", done.join("\n"));
}

#[test]
fn a_call_that_waited_is_judged_by_the_callers_rights_after_the_wait() {
    let changes = [
        "rename_token($token, 'busy'), token_auth.pause_token($caller)",
        "rename_token($token, 'busy'), token_auth.delete_token($caller)",
        "rename_token($token, 'busy'), token_auth.grant_access($caller, '{email:full}', all_domains => true)",
    ];
    let calls: Vec<_> = MANAGE.into_iter().chain(["delete_domain($domain)"]).collect();
    let done = done_after_waiting(&changes, &calls);
    assert!(done.is_empty(), "done by a token that may not any more:\n{}", done.join("\n"));
}

/// Makes each call as a token while another session has made a change that the call must wait for. Returns the calls
/// that succeed after that session has committed.
fn done_after_waiting(others: &[&str], calls: &[&str]) -> Vec<String> {
    let mut scene = scene("");
    let mut done = Vec::new();
    // A call that only reads does not wait.
    for call in calls.iter().filter(|call| !call.starts_with("reveal")) {
        for (number, meanwhile) in others.iter().enumerate() {
            let caller = scene.token(&["tokens:full", "domains:full", "email:full"]);
            let home = format!("{number}.{}.example", call.split('(').next().expect("a name"));
            let insert = "INSERT INTO token_auth.domain (account_id, name) VALUES ($1, $2) RETURNING id";
            let domain: i64 = scene.superuser.get(insert, &[&scene.account, &home]);
            let token = scene.token_of(&home, &["email:send"]).id;
            if call.starts_with("resume") {
                scene.superuser.run("SELECT token_auth.pause_token($1)", &[&token]);
            }
            let account = scene.account;
            let filled = |sql: &str| {
                about(sql, token)
                    .replace("$caller", &caller.id.to_string())
                    .replace("$account", &account.to_string())
                    .replace("$domain", &domain.to_string())
                    .replace("$home", &home)
            };
            let (meanwhile, call) = (filled(meanwhile), filled(call));
            let refusal = scene.waiting("read committed", &caller, &meanwhile, |work| refusal_of(&call, work));
            if refusal.as_ref().is_none_or(|refusal| refusal.code != "42501") {
                done.push(format!("{call} after {meanwhile}: {refusal:?}"));
            }
        }
    }
    done
}

/// Creates an account whose tokens manage tokens, with two domains. `more` is JSON for its profile.
pub fn scene(more: &str) -> PermissionScene {
    let comma = if more.is_empty() { "" } else { ", " };
    let rules = r#""tokens_manage_tokens": true, "can_reveal": true, "keeps_last_token": false"#;
    let mut scene = PermissionScene::under(&format!("{{{rules}{comma}{more}}}"));
    for domain in ["mail.example", "spare.example"] {
        scene.superuser.domain(scene.account, domain);
    }
    scene
}

fn about(call: &str, token: i64) -> String {
    call.replace("$token", &token.to_string())
}

#[track_caller]
pub fn allowed(work: &mut Transaction, call: &str) {
    if let Some(refusal) = refusal_of(call, work) {
        panic!("{call}: {refusal:?}");
    }
}

#[track_caller]
pub fn refused(work: &mut Transaction, call: &str, reason: &str) {
    let refusal = refusal_of(call, work).expect(call);
    assert!(refusal.code == "42501" && refusal.message.contains(reason), "{call}: {refusal:?}, and not {reason}");
}
