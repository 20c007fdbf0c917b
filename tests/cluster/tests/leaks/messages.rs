//! No secret and no digest leaks during the life of tokens and in refused calls: not into the log, not into statistics, not
//! into errors.

use cluster::{NewToken, Sql, Stage, ToSql, TokenAuth, random_part, talkative};

#[test]
fn a_tokens_whole_life_leaves_no_trace_of_its_secret() {
    let mut stage = Stage::start(talkative().preload("token_auth"));
    live_a_life(&mut stage);
    provoke_functions(&mut stage);
    stage.assert_no_leaks();
}

/// Every user may have plans printed into the log, with the values that they were made for.
#[test]
fn a_plan_that_is_printed_has_no_digest_in_it() {
    let mut stage = Stage::start(
        talkative()
            .preload("token_auth")
            .setting("debug_print_plan", "on")
            .setting("plan_cache_mode", "force_custom_plan"),
    );
    let token = stage.manager.token(stage.account, "planned for", &["email:send"], "mail.example");
    assert!(stage.verifier.is_good(&token.secret));
    // PostgreSQL prints bytes in this way, and the log contains a digest that a statement spells out.
    let digest = stage.superuser.get::<Vec<u8>>("SELECT digest FROM token_auth.token WHERE id = $1", &[&token.id]);
    let printed = |digest: &[u8]| digest.iter().map(|byte| format!(" {}", *byte as i8)).collect::<String>();
    let known = stage.superuser.get::<Vec<u8>>("SELECT sha256('known') || ''::bytea", &[]);
    stage.superuser.run(&format!("SELECT 1 FROM token_auth.token WHERE digest = '\\x{}'", hex(&known)), &[]);
    let log = stage.cluster.log();
    let log = log.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(log.contains(&printed(&known)), "the log has no plans in it");
    assert!(!log.contains(&printed(&digest)), "a plan has the digest in it");
}

/// The mistake is frequent, and the statement has a secret in it. The server logs the error without the statement.
#[test]
fn the_error_of_authenticate_outside_a_block_is_logged_without_its_statement() {
    let mut stage = Stage::start(cluster::Cluster::builder().preload("token_auth"));
    let secret = stage.manager.token(stage.account, "sender", &["email:send"], "mail.example").secret;
    let error = stage.superuser.batch_execute(&format!("SELECT token_auth.authenticate('{secret}')"));
    assert!(error.is_err());
    let log = stage.cluster.log();
    assert!(log.text().contains("authenticate can only be used in transaction blocks"));
    assert!(!log.text().contains(random_part(&secret)));
}

/// A role that reads some names of a table does not read all of them.
#[test]
fn names_that_row_level_security_hides_are_in_no_message() {
    let mut stage = Stage::start(cluster::Cluster::builder().preload("token_auth"));
    let hidden = stage.superuser.account("hidden");
    let last = stage.superuser.domain(hidden, "hidden.example").token.id;
    stage
        .superuser
        .batch_execute(
            "CREATE ROLE tenant LOGIN;
             GRANT EXECUTE ON FUNCTION token_auth.delete_token, token_auth.create_account TO tenant;
             GRANT SELECT ON token_auth.domain, token_auth.account, token_auth.profile TO tenant",
        )
        .expect("a role");
    let mut tenant = stage.cluster.connect("app", "tenant");
    let mut message = || tenant.refused("SELECT token_auth.delete_token($1)", &[&last]).message;
    assert!(message().contains("hidden.example"), "{}", message());
    stage
        .superuser
        .batch_execute(
            "ALTER TABLE token_auth.domain ENABLE ROW LEVEL SECURITY;
             CREATE POLICY none ON token_auth.domain USING (false)",
        )
        .expect("a policy");
    assert!(!message().contains("hidden.example"), "{}", message());
}

/// The server runs with RUST_BACKTRACE set. Verification and the functions for policies are guarded only while they read.
#[test]
fn an_error_within_a_policy_contains_no_backtrace() {
    let mut stage = Stage::start(talkative().preload("token_auth"));
    stage.superuser.run("GRANT EXECUTE ON FUNCTION token_auth.authenticate TO verifier", &[]);
    let mut locks = stage.cluster.connect("app", "postgres");
    for (table, question) in [
        ("token", "SELECT token_auth.current_token_id()"),
        ("domain", "SELECT token_auth.allows('email:send', 'mail.example')"),
        ("domain", "SELECT token_auth.allowed_domains('email:send')"),
        ("domain", "SELECT token_auth.allowed_domain_ids('email:send')"),
        // The domain is not cached.
        ("domain", "SELECT token_auth.verify_token('$secret', NULL, 'mail.example')"),
    ] {
        let mut work = stage.verifier.transaction().expect("it begins");
        work.run("SELECT token_auth.authenticate($1)", &[&stage.token.secret]);
        work.run("SET LOCAL lock_timeout = '100ms'", &[]);
        let mut lock = locks.transaction().expect("it begins");
        lock.run(&format!("LOCK TABLE token_auth.{table} IN ACCESS EXCLUSIVE MODE"), &[]);
        let refusal = work.refused(&question.replace("$secret", &stage.token.secret), &[]);
        assert_eq!((&*refusal.code, &*refusal.detail), ("55P03", ""), "{question}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn live_a_life(stage: &mut Stage) {
    let Stage { manager, verifier, account, watch, .. } = stage;
    let domain = manager.domain(*account, "life.example");
    let token = manager.token(*account, "a life", &["email:send"], "life.example");
    let everywhere = manager.account_token(*account, "everywhere", &["*"]);
    for token in [&domain.token, &token, &everywhere] {
        watch.token(token);
        assert_eq!(verifier.verify(&token.secret, Some("email:send"), Some("life.example")).code, "ok");
    }
    assert_eq!(verifier.verify(&token.secret, Some("email:read"), Some("life.example")).code, "insufficient_scope");
    assert_eq!(verifier.verify(&token.secret, Some("email:send"), Some("mail.example")).code, "domain_not_allowed");
    let flipped = token.secret.replace("tok_", "tik_");
    watch.secret("a typo", &flipped);
    assert_eq!(verifier.verify(&flipped, None, None).code, "malformed");

    for (sql, code) in [
        ("SELECT token_auth.pause_token($1)", "paused"),
        ("SELECT token_auth.resume_token($1)", "ok"),
        ("SELECT token_auth.rename_token($1, 'another name')", "ok"),
        ("SELECT token_auth.set_token_metadata($1, '{\"a\": 1}')", "ok"),
        ("SELECT token_auth.merge_token_metadata($1, '{\"b\": 2}')", "ok"),
        ("SELECT token_auth.set_token_expiry($1, now() + interval '1 day')", "ok"),
        ("SELECT token_auth.set_token_owner($1, 'ann')", "ok"),
        ("SELECT token_auth.set_token_networks($1, '{192.0.2.0/24}')", "network_not_allowed"),
        ("SELECT token_auth.set_token_networks($1, '{0.0.0.0/0,::/0}')", "ok"),
        ("SELECT token_auth.grant_access($1, '{stats:read}', all_domains => true)", "ok"),
        ("SELECT token_auth.revoke_access($1, all_domains => true)", "ok"),
    ] {
        manager.run(sql, &[&token.id]);
        assert_eq!(verifier.verify(&token.secret, Some("email:send"), Some("life.example")).code, code, "{sql}");
    }
    let row = manager.row("SELECT token_id, secret FROM token_auth.reset_token(id => $1)", &[&token.id]);
    let successor = NewToken { id: row.get(0), secret: row.get(1) };
    watch.token(&successor);
    assert!(verifier.is_good(&successor.secret) && verifier.is_good(&token.secret));
    manager.rows("SELECT * FROM token_auth.tokens", &[]);
    manager.run("SELECT token_auth.delete_token($1)", &[&token.id]);
    assert_eq!(verifier.verify(&token.secret, None, None).code, "not_found");
    manager.run("SELECT token_auth.delete_domain($1)", &[&domain.id]);
    manager.run("SELECT token_auth.sweep()", &[]);
}

/// Every documented error of the functions, with values bound as parameters.
fn provoke_functions(stage: &mut Stage) {
    let Stage { manager, verifier, superuser, account, token, watch, .. } = stage;
    let (account, id, secret) = (&*account, &token.id, &token.secret);
    let (nobody, blank, long, control) = (&-1_i64, &" ", &"x".repeat(300), &"a\nb");
    let many: Vec<String> = (0..257).map(|i| format!("r{i}:read")).collect();
    let metadata = &format!("{{\"a\": \"{}\"}}", "x".repeat(9000));

    for bad in [&blank as &(dyn ToSql + Sync), long, &control] {
        for sql in [
            "SELECT token_auth.create_account(name => $1)",
            "SELECT token_auth.rename_account((SELECT min(id) FROM token_auth.account), $1)",
            "SELECT token_auth.add_account_admin((SELECT min(id) FROM token_auth.account), $1)",
            "SELECT token_auth.create_domain((SELECT min(id) FROM token_auth.account), $1)",
            "SELECT token_auth.rename_domain((SELECT min(id) FROM token_auth.domain), $1)",
            "SELECT token_auth.rename_token((SELECT min(id) FROM token_auth.tokens), $1)",
            "SELECT token_auth.create_token(
                 (SELECT min(id) FROM token_auth.account), $1, '{email:send}', all_domains => true)",
        ] {
            watch.refused(manager, "22023", sql, &[bad]);
        }
    }
    let create = "SELECT token_auth.create_token($1, 'x', $2, domain => $3, metadata => $4::text::jsonb)";
    let domain = &"mail.example";
    watch.refused(manager, "22023", create, &[account, &vec!["email"], domain, &"{}"]);
    watch.refused(manager, "22023", create, &[account, &Vec::<String>::new(), domain, &"{}"]);
    watch.refused(manager, "22023", create, &[account, &many, domain, &"{}"]);
    watch.refused(manager, "22023", create, &[account, &vec!["email:send"], &None::<&str>, &"{}"]);
    watch.refused(manager, "22023", create, &[account, &vec!["email:send"], domain, metadata]);
    watch.refused(manager, "P0002", create, &[account, &vec!["email:send"], &"unknown.example", &"{}"]);
    watch.refused(manager, "P0002", create, &[nobody, &vec!["email:send"], domain, &"{}"]);

    let grant = "SELECT token_auth.grant_access($1, $2, domain => $3)";
    watch.refused(manager, "22023", grant, &[id, &vec!["email:"], domain]);
    watch.refused(manager, "22023", grant, &[id, &many, domain]);
    watch.refused(manager, "P0002", grant, &[id, &vec!["email:send"], &"unknown.example"]);
    watch.refused(manager, "P0002", grant, &[nobody, &vec!["email:send"], domain]);

    watch.refused(manager, "23505", "SELECT token_auth.create_account(name => $1)", &[&"acme"]);
    watch.refused(manager, "23505", "SELECT token_auth.create_domain($1, $2)", &[account, &"MAIL.example"]);
    watch.refused(
        manager,
        "23505",
        "SELECT token_auth.rename_domain((SELECT max(id) FROM token_auth.domain), $1)",
        &[&"MAIL.example"],
    );
    watch.refused(manager, "P0002", "SELECT token_auth.create_account(name => 'x', profile => $1)", &[&"none"]);
    watch.refused(manager, "P0002", "SELECT token_auth.add_account_admin($1, $2)", &[nobody, &"alice"]);
    watch.refused(manager, "P0002", "SELECT token_auth.create_domain($1, $2)", &[nobody, &"x.example"]);
    watch.refused(manager, "22023", "SELECT token_auth.delete_account($1, $2)", &[account, &"not acme"]);
    watch.refused(manager, "22023", "SELECT token_auth.set_token_expiry($1, now())", &[id]);
    watch.refused(manager, "22023", "SELECT token_auth.reset_token($1, grace => '-1 second')", &[id]);
    for sql in [
        "SELECT token_auth.delete_token($1)",
        "SELECT token_auth.pause_token($1)",
        "SELECT token_auth.reset_token($1)",
        "SELECT token_auth.set_token_metadata($1, '{}')",
    ] {
        watch.refused(manager, "P0002", sql, &[nobody]);
    }
    let last: i64 = manager.get("SELECT id FROM token_auth.tokens WHERE domain = 'spare.example'", &[]);
    watch.refused(manager, "23001", "SELECT token_auth.delete_token($1)", &[&last]);

    let row = manager.row("SELECT token_id, secret FROM token_auth.reset_token(id => $1)", &[id]);
    watch.token(&NewToken { id: row.get(0), secret: row.get(1) });
    watch.refused(manager, "55000", "SELECT token_auth.reset_token($1)", &[id]);
    watch.refused(manager, "22023", "SELECT token_auth.set_token_expiry($1, 'infinity')", &[id]);

    let imported = &"an old secret of another system, 0123456789";
    watch.secret("imported", imported);
    let import =
        "SELECT token_auth.import_token($1, 'x', '{*}', all_domains => true, secret => $2, hint => $3, scheme => $4)";
    superuser.run(import, &[account, imported, &None::<&str>, &"sha256"]);
    watch.refused(superuser, "23505", import, &[account, imported, &None::<&str>, &"sha256"]);
    watch.refused(superuser, "22023", import, &[account, imported, imported, &"sha512"]);
    watch.refused(superuser, "22023", import, &[account, imported, &None::<&str>, &"token_auth"]);
    watch.refused(superuser, "22023", import, &[account, imported, &None::<&str>, &"md5"]);
    let import = "SELECT token_auth.import_token($1, 'x', '{*}', all_domains => true, digest => $2, created_at => $3::text::timestamptz)";
    watch.refused(superuser, "22023", import, &[account, &vec![7_u8; 31], &None::<&str>]);
    watch.refused(superuser, "22023", import, &[account, &vec![7_u8; 32], &"2999-01-01"]);
    watch.refused(
        superuser,
        "22023",
        "SELECT token_auth.import_token($1, 'x', '{*}', all_domains => true)",
        &[account],
    );
    watch.refused(superuser, "22023", "SELECT token_auth.report_leaked_secret($1, ' ')", &[secret]);
    watch.refused(superuser, "22023", "SELECT token_auth.verify_token_digest('x', scheme => $1)", &[secret]);
    for (code, sql) in [
        ("22023", "SELECT token_auth.revoke_tokens()"),
        ("22023", "SELECT token_auth.revoke_tokens(owner => 'ann', action => $1)"),
        ("22023", "SELECT token_auth.revoke_tokens(owner => 'ann', domain => $1)"),
        ("22004", "SELECT token_auth.revoke_tokens(owner => nullif($1, $1))"),
        ("22004", "SELECT token_auth.set_token_networks((SELECT min(id) FROM token_auth.tokens), NULL)"),
        ("22023", "SELECT token_auth.set_token_networks((SELECT min(id) FROM token_auth.tokens), '{}')"),
        ("22023", "SELECT token_auth.set_token_owner((SELECT min(id) FROM token_auth.tokens), $1 || chr(7))"),
    ] {
        let arguments: &[&(dyn ToSql + Sync)] = if sql.contains("$1") { &[secret] } else { &[] };
        watch.refused(manager, code, sql, arguments);
    }

    for scope in ["email", "email:*", "*", "", "Email:Send"] {
        watch.refused(verifier, "22023", "SELECT token_auth.verify_token($1, $2)", &[secret, &scope]);
    }
    watch.refused(verifier, "42501", "SELECT token_auth.delete_token($1)", &[id]);
    watch.refused(verifier, "42501", "SELECT token_auth.verify_token_digest($1)", &[&vec![0_u8; 32]]);
    watch.refused(manager, "42501", "SELECT token_auth.verify_token($1)", &[secret]);
    watch.refused(manager, "42501", "SELECT digest FROM token_auth.token WHERE id = $1", &[id]);

    superuser.run("SELECT set_config('token_auth.actor', $1, false)", &[&control]);
    watch.refused(superuser, "22023", create, &[account, &vec!["email:send"], domain, &"{}"]);
    superuser.run("RESET token_auth.actor", &[]);
}
