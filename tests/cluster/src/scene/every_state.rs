//! A database with every kind of state that tokens can be in, for what copies databases.

use crate::{Client, NewToken, Sql, TokenAuth};

/// More digits than a float or a bigint holds.
const BIG_NUMBERS: &str = r#"{"big": 123456789012345678901234567890.000000000123456789, "int": 9223372036854775808}"#;

/// The secrets of the tokens of such a database.
pub struct EveryState {
    pub tokens: Vec<NewToken>,
}

impl EveryState {
    /// Creates the profiles, accounts, domains and tokens.
    pub fn create(db: &mut Client) -> EveryState {
        db.own_profile("own", r#"{"secret_prefix": "own_", "reset_grace": "90 minutes", "keeps_last_token": false}"#);
        db.run(
            "INSERT INTO token_auth.profile_resource (profile, resource, actions)
             VALUES ('own', 'email', '{read,send}'), ('own', 'stats', '{read}')",
            &[],
        );
        let mut tokens = tokens_of_a_busy_account(db);
        tokens.extend(tokens_of_a_paused_account(db));
        tokens.extend(tokens_of_an_account_under_its_own_profile(db));
        assert!(db.get::<bool>("SELECT ok FROM token_auth.health() WHERE name = 'trigger_states'", &[]));
        EveryState { tokens }
    }

    /// Returns the verification of each secret for each scope and domain. Every code is among them.
    pub fn answers(&self, db: &mut Client) -> Vec<String> {
        let mut answers = Vec::new();
        for token in &self.tokens {
            for scope in [None, Some("email:send"), Some("email:read"), Some("stats:read"), Some("billing:read")] {
                for domain in
                    [None, Some("mail.example"), Some("SHOP.example"), Some("bare.example"), Some("none.example")]
                {
                    let answer = db.verify(&token.secret, scope, domain);
                    answers.push(format!("token {} {scope:?} {domain:?}: {}", token.id, answer.row));
                }
            }
        }
        assert!(cover_every_code(&answers), "{answers:#?}");
        answers
    }
}

/// Every row of every table, and the state of every sequence, as the extension marks them to be dumped.
pub fn everything(db: &mut Client) -> Vec<String> {
    let relations: Vec<String> = db.list(
        "SELECT config::regclass::text
         FROM pg_extension, unnest(extconfig) config
         WHERE extname = 'token_auth'
         ORDER BY 1",
        &[],
    );
    assert!(relations.len() > 6, "{relations:?}");
    let mut rows = Vec::new();
    for relation in relations {
        // A sequence's log_cnt counts what the WAL has ahead, which is no part of its state.
        let columns = if relation.ends_with("_seq") { "(last_value, is_called)::text" } else { "r::text" };
        let of_relation: Vec<String> = db.list(&format!("SELECT {columns} AS row FROM {relation} r ORDER BY row"), &[]);
        rows.extend(of_relation.iter().map(|row| format!("{relation}: {row}")));
    }
    rows
}

fn cover_every_code(answers: &[String]) -> bool {
    ["not_found", "paused", "expired", "network_not_allowed", "domain_not_allowed", "insufficient_scope", "ok"]
        .iter()
        .all(|code| answers.iter().any(|answer| answer.contains(&format!(",{code},"))))
}

/// Imports a token of another system.
fn import(db: &mut Client, account: i64) -> NewToken {
    let secret = "21|a plain text token of another system".to_owned();
    let id = db.get(
        "SELECT token_auth.import_token($1, 'imported', '{*}', all_domains => true, secret => $2, scheme => 'sha256_after_pipe')",
        &[&account, &secret],
    );
    NewToken { id, secret }
}

fn tokens_of_a_busy_account(db: &mut Client) -> Vec<NewToken> {
    let account = db.account("Busy \"quoted\", \\ and näïve; 漢字");
    db.run("SELECT token_auth.add_account_admin($1, 'alice')", &[&account]);
    db.run("SELECT token_auth.add_account_admin($1, 'bob@example.org')", &[&account]);
    let mail = db.domain(account, "mail.example");
    let shop = db.domain(account, "Shop.Example");
    let last = db.domain(account, "last.example");
    db.run("SELECT token_auth.rename_token($1, 'the last one')", &[&last.token.id]);
    db.run("SELECT token_auth.set_domain_verified($1, true)", &[&mail.id]);

    let paused = db.token(account, "paused", &["email:send"], "mail.example");
    db.run("SELECT token_auth.pause_token($1)", &[&paused.id]);

    let retiring = db.token(account, "retiring", &["email:*"], "mail.example");
    let successor = reset(db, &retiring);

    let orphan = db.token(account, "replaced by a token that is gone", &["email:*"], "mail.example");
    let gone = reset(db, &orphan);
    db.run("SELECT token_auth.delete_token($1)", &[&gone.id]);

    let expired = db.token(account, "expired, not swept", &["email:*"], "mail.example");
    db.run("UPDATE token_auth.token SET expires_at = now() - interval '1 hour' WHERE id = $1", &[&expired.id]);

    let several = db.token(account, "on several domains", &["email:send"], "mail.example");
    db.run("SELECT token_auth.grant_access($1, '{email:read,stats:*}', domain => 'shop.example')", &[&several.id]);
    let everywhere = db.account_token(account, "everywhere", &["email:full", "*:read"]);
    let big = db.account_token(account, "with big numbers", &["*"]);
    db.run("SELECT token_auth.set_token_metadata($1, $2::text::jsonb)", &[&big.id, &BIG_NUMBERS]);
    db.run("SELECT token_auth.set_token_expiry($1, '2200-01-01')", &[&big.id]);

    let owned = db.account_token(account, "of a person, from some networks", &["*"]);
    db.run("SELECT token_auth.set_token_owner($1, 'user-1')", &[&owned.id]);
    db.run("SELECT token_auth.set_token_networks($1, '{192.0.2.0/24,2001:db8::/32}')", &[&owned.id]);
    let leaked = db.account_token(account, "leaked", &["*"]);
    db.run("SELECT token_auth.report_leaked_secret($1, 'a gist')", &[&leaked.secret]);
    let imported = import(db, account);

    let ended = domain_without_a_live_token(db, account);
    vec![
        mail.token, shop.token, last.token, paused, retiring, successor, orphan, gone, expired, several, everywhere,
        big, owned, leaked, imported, ended,
    ]
}

fn tokens_of_a_paused_account(db: &mut Client) -> Vec<NewToken> {
    let account = db.account("paused");
    let mail = db.domain(account, "mail.example");
    db.run("SELECT token_auth.pause_account($1)", &[&account]);
    vec![mail.token]
}

fn tokens_of_an_account_under_its_own_profile(db: &mut Client) -> Vec<NewToken> {
    let account: i64 = db.get(
        "SELECT token_auth.create_account(name => 'own rules', profile => 'own', metadata => $1::text::jsonb)",
        &[&BIG_NUMBERS],
    );
    let mail = db.domain(account, "mail.example");
    let limited = db.token(account, "limited", &["stats:read"], "mail.example");
    // Its domain has no live token: this profile has no keeps_last_token, and the next one has.
    db.run("SELECT token_auth.delete_token($1)", &[&limited.id]);
    db.run("SELECT token_auth.delete_token($1)", &[&mail.token.id]);
    db.run("SELECT token_auth.set_account_profile($1, 'default')", &[&account]);
    db.run("SELECT token_auth.set_account_profile($1, 'own')", &[&account]);
    let everywhere = db.account_token(account, "everywhere", &["email:send"]);
    vec![mail.token, limited, everywhere]
}

/// A state that no function creates: the profile has keeps_last_token, and the domain has no live token.
fn domain_without_a_live_token(db: &mut Client, account: i64) -> NewToken {
    let bare = db.domain(account, "bare.example");
    // Not DISABLE TRIGGER ALL: ENABLE TRIGGER ALL would not leave the triggers as they were.
    db.run("SET session_replication_role = replica", &[]);
    db.run("UPDATE token_auth.token SET expires_at = now() - interval '2 days' WHERE id = $1", &[&bare.token.id]);
    db.run("RESET session_replication_role", &[]);
    bare.token
}

fn reset(db: &mut Client, token: &NewToken) -> NewToken {
    let row = db.row("SELECT token_id, secret FROM token_auth.reset_token(id => $1)", &[&token.id]);
    NewToken { id: row.get(0), secret: row.get(1) }
}
