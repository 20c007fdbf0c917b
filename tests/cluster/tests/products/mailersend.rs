//! What MailerSend promises about its API tokens, under the preset `mailersend`: one test for each promise.

use cluster::product::code;
use cluster::{NewToken, Product, Sql, ToSql, TokenAuth};

/// The endpoints, and the levels of access that each has besides none.
const ENDPOINTS: [(&str, &[&str]); 9] = [
    ("email", &["full"]),
    ("domains", &["read", "full"]),
    ("activity", &["read", "full"]),
    ("analytics", &["read", "full"]),
    ("tokens", &["full"]),
    ("webhooks", &["full"]),
    ("templates", &["full"]),
    ("suppressions", &["read", "full"]),
    ("sms", &["read", "full"]),
];

fn mailersend() -> Product {
    Product::under("mailersend")
}

#[test]
fn ms1_a_token_created_under_a_domain_has_access_to_the_others_of_its_account() {
    let mut product = mailersend();
    let home = product.domain("home.example");
    product.domain("other.example");
    let row = product.manager.row(
        "SELECT token_id, secret FROM token_auth.create_token($1, 'sign-up', '{email:full}', 'home.example', all_domains => true)",
        &[&product.account],
    );
    let token = NewToken { id: row.get(0), secret: row.get(1) };
    product.domain("later.example");

    let listed = product.manager.row("SELECT domain_id, domain FROM token_auth.tokens WHERE id = $1", &[&token.id]);
    assert_eq!((listed.get(0), listed.get(1)), (home, "home.example"));
    for domain in ["home.example", "other.example", "later.example"] {
        assert_eq!(product.code(&token, "email:full", domain), "ok", "{domain}");
    }
    mailersend().domain("strange.example");
    assert_eq!(product.code(&token, "email:full", "strange.example"), "domain_not_allowed");
}

#[test]
fn ms2_a_token_has_a_free_form_name() {
    let mut product = mailersend();
    product.domain("mail.example");
    let longest = "ß".repeat(255);
    for name in ["CI", "Zoë's laptop – staging #2 (don't delete!) 🦀", "'; DROP TABLE tokens; --", "CI", &longest]
    {
        let token = product.token(name, &["email:full"], "mail.example");
        let listed: String = product.manager.get("SELECT name FROM token_auth.tokens WHERE id = $1", &[&token.id]);
        assert_eq!(listed, name);
        let told: String = product.verifier.get("SELECT name FROM token_auth.verify_token($1)", &[&token.secret]);
        assert_eq!(told, name);
    }
    for (name, says) in [
        (Some(" "), "name must not be blank"),
        (None, "name must not be NULL"),
        (Some(&*"ß".repeat(256)), "name is too long"),
    ] {
        let create = "SELECT token_auth.create_token($1, $2, '{*}', 'mail.example')";
        let refusal = product.manager.refused(create, &[&product.account, &name]);
        assert_eq!(refusal.code, "22023", "{refusal:?}");
        assert!(refusal.message.starts_with(says), "{refusal:?}");
    }
}

#[test]
fn ms3_full_access_reads_and_writes_every_part_of_the_account() {
    let mut product = mailersend();
    product.domain("one.example");
    product.domain("two.example");
    let token = product.account_token("full access", &["*"]);

    for domain in [Some("one.example"), Some("two.example"), None] {
        for (endpoint, _) in ENDPOINTS {
            for level in ["read", "write", "full"] {
                let scope = format!("{endpoint}:{level}");
                assert_eq!(product.code(&token, &*scope, domain), "ok", "{scope} on {domain:?}");
            }
        }
    }
    let (account, id) = (product.account, token.id);
    let listed: String = product.manager.get("SELECT access FROM token_auth.tokens WHERE id = $1", &[&id]);
    assert_eq!(listed, "every domain: full access");
    let equal = product.act_as(&token, |work| {
        work.run("SELECT token_auth.create_domain($1, 'three.example')", &[&account]);
        work.account_token(account, "as much", &["*"])
    });
    assert_eq!(product.code(&equal, "tokens:full", "three.example"), "ok");
}

#[test]
fn ms4_custom_access_is_given_an_endpoint_at_a_time_as_none_read_or_full() {
    let mut product = mailersend();
    product.domain("mail.example");
    let three_levels = ["domains", "activity", "analytics", "suppressions", "sms"];

    for (at, full) in three_levels.iter().enumerate() {
        let read = three_levels[(at + 1) % three_levels.len()];
        let token = product.token("custom", &[&format!("{full}:full"), &format!("{read}:read")], "mail.example");
        for (endpoint, _) in ENDPOINTS {
            let may = |level| match level {
                "read" => endpoint == *full || endpoint == read,
                _ => endpoint == *full,
            };
            for level in ["read", "write", "full"] {
                let expected = if may(level) { "ok" } else { "insufficient_scope" };
                let code = product.code(&token, &*format!("{endpoint}:{level}"), "mail.example");
                assert_eq!(code, expected, "{endpoint}:{level} with {full} full and {read} read only");
            }
        }
    }
}

#[test]
fn ms5_an_endpoint_has_its_own_levels_and_no_other() {
    let mut product = mailersend();
    product.domain("mail.example");
    for (endpoint, levels) in ENDPOINTS {
        for level in levels {
            let scope = format!("{endpoint}:{level}");
            let token = product.token("a level that there is", &[&scope], "mail.example");
            assert_eq!(product.code(&token, &*scope, "mail.example"), "ok", "{scope}");
        }
        for level in ["read", "write", "send", "none"].into_iter().filter(|level| !levels.contains(level)) {
            let meant: Vec<String> = levels.iter().map(|level| format!("{endpoint}:{level}")).collect();
            assert_unknown(&mut product, &format!("{endpoint}:{level}"), &meant.join(" or "));
        }
    }

    for (scope, meant) in [
        ("emails:full", "email:full"),
        ("domain:read", "domains:read"),
        ("token:full", "tokens:full"),
        ("sms.inbound:read", "sms:read"),
        ("billing:full", ""),
        ("*:read", ""),
    ] {
        assert_unknown(&mut product, scope, meant);
    }
    // Without any level there is no access.
    let create = "SELECT token_auth.create_token($1, 'none', '{}', 'mail.example')";
    assert_eq!(product.manager.refused(create, &[&product.account]).code, "22023");
    let known: usize = ENDPOINTS.iter().map(|(_, levels)| levels.len()).sum();
    assert_eq!(product.tokens(), known as i64, "a refused level makes no token");
}

/// A level that the preset does not know is refused, even beside a known one. The hint lists the known ones.
fn assert_unknown(product: &mut Product, scope: &str, meant: &str) {
    let create = "SELECT token_auth.create_token($1, 'x', $2, 'mail.example')";
    let refusal = product.manager.refused(create, &[&product.account, &["sms:read", scope].as_slice()]);
    assert_eq!(refusal.code, "22023", "{refusal:?}");
    assert_eq!(refusal.message, format!("profile \"mailersend\" does not know the scope \"{scope}\""));
    let suggestion = if meant.is_empty() { String::new() } else { format!("Did you mean {meant}? ") };
    assert!(refusal.hint.starts_with(&format!("{suggestion}It knows *, ")), "{refusal:?}");
    for (endpoint, levels) in ENDPOINTS {
        for level in levels {
            assert!(refusal.hint.contains(&format!(" {endpoint}:{level}")), "{endpoint}:{level} in {refusal:?}");
        }
    }
}

#[test]
fn ms6_a_token_manages_tokens_and_grants_no_more_than_it_has() {
    let mut product = mailersend();
    product.domain("mail.example");
    product.domain("other.example");
    let account = product.account;
    let keeper = product.account_token("keeper", &["tokens:full", "email:full"]);

    let made = product.act_as(&keeper, |work| work.token(account, "made", &["email:full"], "mail.example"));
    assert_eq!(product.code(&made, "email:full", "mail.example"), "ok");
    let changes: [(&str, &str, &str); 3] = [
        ("SELECT token_auth.rename_token($1, 'renamed')", "name", "renamed"),
        ("SELECT token_auth.pause_token($1)", "code", "paused"),
        ("SELECT token_auth.resume_token($1)", "code", "ok"),
    ];
    for (change, column, value) in changes {
        product.act_as(&keeper, |work| work.run(change, &[&made.id]));
        let sql = format!("SELECT {column}::text FROM token_auth.verify_token($1)");
        assert_eq!(product.verifier.get::<String>(&sql, &[&made.secret]), value, "{change}");
    }
    let creator: String = product.manager.get("SELECT created_by FROM token_auth.tokens WHERE id = $1", &[&made.id]);
    assert_eq!(creator, format!("token {}", keeper.id));
    product.act_as(&keeper, |work| work.run("SELECT token_auth.delete_token($1)", &[&made.id]));
    assert_eq!(product.code(&made, None, None), "not_found");

    // Only of its account: ids of another one are unknown.
    let mut neighbour = mailersend();
    let foreign = neighbour.account_token("a neighbour's", &["email:full"]);
    refused_alike(&mut product, &keeper, "P0002", "does not exist", neighbour.account, foreign.id, &["email:full"]);

    // Not without access to the endpoint.
    let weak = product.account_token("weak", &["email:full"]);
    let rest: Vec<String> = ENDPOINTS
        .iter()
        .filter(|(endpoint, _)| *endpoint != "tokens")
        .map(|(endpoint, _)| format!("{endpoint}:full"))
        .collect();
    let all_else = product.account_token("all else", &rest.iter().map(String::as_str).collect::<Vec<_>>());
    let says = format!("token {} may not manage tokens here", all_else.id);
    refused_alike(&mut product, &all_else, "42501", &says, account, weak.id, &["email:full"]);

    // No token grants, or takes over, more than it has: neither other endpoints nor other domains.
    let strong = product.account_token("strong", &["*"]);
    let says = "access that it does not have";
    for scopes in [["*"], ["domains:read"], ["sms:full"]] {
        refused_alike(&mut product, &keeper, "42501", says, account, strong.id, &scopes);
    }
    let local = product.token("local", &["tokens:full", "email:full"], "mail.example");
    for (domain, says) in [
        ("domain => 'other.example'", "may not manage tokens here"),
        ("domain => 'mail.example', all_domains => true", says),
        ("all_domains => true", "may not manage tokens here"),
    ] {
        let create = format!("SELECT token_auth.create_token($1, 'x', '{{email:full}}', {domain})");
        let refusal = product.refused_as(&local, &create, &[&account]);
        assert_eq!(refusal.code, "42501", "{refusal:?}");
        assert!(refusal.message.contains(says), "{domain}: {refusal:?}");
    }
    assert_eq!(product.tokens(), 5);
    assert_eq!(product.code(&strong, None, None), "ok");
}

/// Creating a token with these scopes, and changing or deleting one that is there, is refused with the same words.
fn refused_alike(
    product: &mut Product,
    caller: &NewToken,
    code: &str,
    says: &str,
    account: i64,
    token: i64,
    scopes: &[&str],
) {
    let by_id: &[&(dyn ToSql + Sync)] = &[&token];
    for (sql, params) in [
        ("SELECT token_auth.create_token($1, 'x', $2, all_domains => true)", &[&account as _, &scopes as _][..]),
        ("SELECT token_auth.rename_token($1, 'x')", by_id),
        ("SELECT token_auth.pause_token($1)", by_id),
        ("SELECT token_auth.resume_token($1)", by_id),
        ("SELECT token_auth.set_token_metadata($1, '{}')", by_id),
        ("SELECT token_auth.delete_token($1)", by_id),
    ] {
        let refusal = product.refused_as(caller, sql, params);
        assert_eq!(refusal.code, code, "{sql}: {refusal:?}");
        assert!(refusal.message.contains(says), "{sql}: {refusal:?}");
    }
}

#[test]
fn ms7_the_secret_is_shown_at_creation_and_never_again() {
    let mut product = mailersend();
    product.domain("mail.example");
    let token = product.token("shown once", &["email:full"], "mail.example");
    assert_eq!(product.code(&token, "email:full", "mail.example"), "ok", "what was shown is the secret");
    product.assert_was_shown_once(&token);
}

#[test]
fn ms8_pause_stops_a_token_at_once_and_resume_restores_it() {
    let mut product = mailersend();
    product.domain("mail.example");
    let token = product.account_token("in use", &["email:full", "domains:read"]);
    product.assert_stops_at_once(&token, ("email:full", "mail.example"), "SELECT token_auth.pause_token($1)", "paused");

    product.manager.run("SELECT token_auth.resume_token($1)", &[&token.id]);
    let mut elsewhere = product.session("verifier");
    for session in [&mut product.verifier, &mut elsewhere] {
        assert_eq!(code(session, &token, "email:full", "mail.example"), "ok");
        assert_eq!(code(session, &token, "domains:full", "mail.example"), "insufficient_scope", "no more than before");
    }
}

#[test]
fn ms9_rename_changes_the_name_only_and_permissions_can_be_viewed() {
    let mut product = mailersend();
    product.domain("mail.example");
    let token = product.token("before", &["email:full", "activity:read"], "mail.example");
    let all_but_the_name = |product: &mut Product| -> String {
        let stored = "SELECT (to_jsonb(t) - 'name')::text || (SELECT jsonb_agg(x) FROM token_auth.token_access x WHERE x.token_id = t.id)
             FROM token_auth.token t WHERE id = $1";
        product.superuser.get(stored, &[&token.id])
    };
    let before = all_but_the_name(&mut product);

    product.manager.run("SELECT token_auth.rename_token($1, 'after')", &[&token.id]);
    assert_eq!(all_but_the_name(&mut product), before);
    let viewed = product.manager.row("SELECT name, access FROM token_auth.tokens WHERE id = $1", &[&token.id]);
    assert_eq!((viewed.get(0), viewed.get(1)), ("after", "mail.example: email:full, activity:read"));
    let permissions = product.manager.row(
        "SELECT d.name, x.scopes FROM token_auth.token_access x JOIN token_auth.domain d ON d.id = x.domain_id
         WHERE x.token_id = $1",
        &[&token.id],
    );
    assert_eq!(permissions.get::<_, &str>(0), "mail.example");
    assert_eq!(permissions.get::<_, Vec<&str>>(1), ["email:full", "activity:read"]);
    assert_eq!(product.code(&token, "email:full", "mail.example"), "ok");
    assert_eq!(product.code(&token, "activity:full", "mail.example"), "insufficient_scope");
}

#[test]
fn ms10_permissions_cannot_be_changed_so_the_token_is_replaced() {
    let mut product = mailersend();
    product.domain("mail.example");
    product.domain("other.example");
    let token = product.token("reads", &["domains:read"], "mail.example");
    let full = product.account_token("full access", &["*"]);
    for edit in [
        "SELECT token_auth.grant_access($1, '{domains:full}', 'mail.example')",
        "SELECT token_auth.grant_access($1, '{domains:read}', 'other.example')",
        "SELECT token_auth.grant_access($1, '{*}', all_domains => true)",
        "SELECT token_auth.revoke_access($1, 'mail.example')",
        "SELECT token_auth.revoke_access($1, all_domains => true)",
    ] {
        let refusal = product.manager.refused(edit, &[&token.id]);
        product.assert_forbidden_by("can_edit_access", &refusal);
        let refusal = product.refused_as(&full, edit, &[&token.id]);
        product.assert_forbidden_by("can_edit_access", &refusal);
    }
    let may = |product: &mut Product, token: &NewToken| {
        ["domains:read", "domains:full"].map(|scope| product.code(token, scope, "mail.example"))
    };
    assert_eq!(may(&mut product, &token), ["ok", "insufficient_scope"]);

    product.manager.run("SELECT token_auth.delete_token($1)", &[&token.id]);
    let new = product.token("reads", &["domains:full"], "mail.example");
    assert_eq!(may(&mut product, &new), ["ok", "ok"]);
    assert_eq!(may(&mut product, &token), ["not_found", "not_found"]);
}

#[test]
fn ms11_delete_ends_a_token_at_once() {
    let mut product = mailersend();
    product.domain("mail.example");
    let token = product.token("leaked", &["*"], "mail.example");
    product.assert_stops_at_once(
        &token,
        ("email:full", "mail.example"),
        "SELECT token_auth.delete_token($1)",
        "not_found",
    );
    assert_eq!(product.tokens(), 0);
}

#[test]
fn ms12_all_tokens_of_a_domain_can_be_listed() {
    let mut product = mailersend();
    let domain = product.domain("mail.example");
    product.domain("other.example");
    product.token("first", &["email:full"], "mail.example");
    let second = product.token("second", &["sms:read"], "mail.example");
    product.token("of another domain", &["*"], "other.example");
    product.account_token("of none", &["*"]);
    product.manager.run(
        "SELECT token_auth.create_token($1, 'third', '{*}', 'mail.example', all_domains => true)",
        &[&product.account],
    );
    product.manager.run("SELECT token_auth.pause_token($1)", &[&second.id]);
    let mut namesake = mailersend();
    namesake.domain("mail.example");
    namesake.token("of another account", &["*"], "mail.example");

    let listed = product
        .manager
        .rows("SELECT name, access, status FROM token_auth.tokens WHERE domain_id = $1 ORDER BY id", &[&domain]);
    let listed: Vec<[&str; 3]> = listed.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect();
    assert_eq!(
        listed,
        [
            ["first", "mail.example: email:full", "active"],
            ["second", "mail.example: sms:read", "paused"],
            ["third", "every domain: full access", "active"],
        ]
    );
}
