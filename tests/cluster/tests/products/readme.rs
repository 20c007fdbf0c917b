//! The SQL in README.md and in docs/ runs, block after block in one psql session, and prints what the page shows.

use cluster::{Cluster, Sql, plan_in_current_words, readme};

#[test]
fn the_sql_in_readme_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::README, 2);
}

#[test]
fn the_sql_in_installation_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::INSTALLATION, 1);
}

#[test]
fn the_sql_in_backend_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::BACKEND, 1);
}

#[test]
fn the_sql_in_functions_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::FUNCTIONS, 2);
}

#[test]
fn the_sql_in_errors_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::ERRORS, 1);
}

#[test]
fn the_sql_in_settings_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::SETTINGS, 1);
}

#[test]
fn the_sql_in_privileges_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::PRIVILEGES, 2);
}

#[test]
fn the_sql_in_leaks_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::LEAKS, 2);
}

#[test]
fn the_sql_in_operations_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::OPERATIONS, 2);
}

#[test]
fn the_sql_in_profiles_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::PROFILES, 4);
}

#[test]
fn the_sql_in_verification_runs_and_prints_what_the_page_shows() {
    let create = "\n```sql\nCREATE EXTENSION token_auth;\n```\n";
    runs_and_prints_what_the_page_shows(&format!("{create}{}", readme::VERIFICATION), 5);
}

#[test]
fn the_sql_in_row_level_security_runs_and_prints_what_the_page_shows() {
    runs_and_prints_what_the_page_shows(readme::ROW_LEVEL_SECURITY, 8);
}

#[test]
fn the_example_of_messages_is_the_one_that_row_level_security_explains() {
    let mut example = include_str!("../../../../examples/messages.sql");
    for explained in readme::examples(readme::ROW_LEVEL_SECURITY) {
        let (_, rest) = example.split_once(&explained.sql).unwrap_or_else(|| panic!("missing:\n{}", explained.sql));
        example = rest;
    }
}

fn runs_and_prints_what_the_page_shows(text: &str, at_least: usize) {
    let examples = readme::examples(text);
    assert!(examples.len() >= at_least, "examples are lost: {}", examples.len());
    let cluster = Cluster::builder().preload("token_auth").sealing_keys(&"5ea1".repeat(16)).start();
    cluster.create_database("readme");

    let script = cluster.file("readme.sql");
    let blocks: Vec<_> = examples.iter().map(|example| example.sql.as_str()).collect();
    std::fs::write(&script, blocks.join(&format!("\n\\echo {BETWEEN}\n"))).expect("a file of the test's own");
    let transcript = cluster.psql_transcript("readme", &script);
    let printed: Vec<_> = transcript.split(BETWEEN).collect();

    assert_eq!(printed.len(), examples.len(), "{transcript}");
    for (example, printed) in examples.iter().zip(printed) {
        match &example.output {
            Some(output) => assert_eq!(comparable(printed), comparable(output), "after:\n{}", example.sql),
            None => assert!(!printed.contains("ERROR"), "after:\n{}\n{printed}", example.sql),
        }
    }
}

/// A function that docs/privileges.md grants to no role is on one of these lists, so that a new one cannot be forgotten.
#[test]
fn the_roles_of_privileges_may_call_their_functions_and_no_others() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
    let callable = |db: &mut cluster::Client, role: &str| -> Vec<String> {
        db.list(
            "SELECT proname::text FROM pg_proc
             WHERE pronamespace = 'token_auth'::regnamespace AND has_function_privilege($1, oid, 'EXECUTE')
             ORDER BY 1",
            &[&role],
        )
    };
    // The functions about the caller's own transaction, and a default.
    let for_public = [
        "allowed_domain_ids",
        "allowed_domains",
        "allows",
        "any_account",
        "any_text",
        "current_account_id",
        "current_token_id",
        "deauthenticate",
    ];
    let with_public = |names: &[&str]| {
        let mut names: Vec<String> = names.iter().chain(&for_public).map(|name| name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(callable(&mut db, "token_verifier"), with_public(&["describe_token", "token_is_valid", "verify_token"]));
    assert_eq!(callable(&mut db, "token_revealer"), with_public(&["reveal_token"]));
    assert_eq!(callable(&mut db, "token_importer"), with_public(&["import_token"]));
    assert_eq!(callable(&mut db, "leak_reporter"), with_public(&["report_leaked_secret"]));
    let for_superusers = [
        "authenticate",
        "authenticate_digest",
        "sweep",
        "reseal_tokens",
        "verify_token_digest",
        "health",
        "refuse_expansion",
        "are_actions",
        "are_scopes",
        "is_name",
        "is_not_negative",
    ];
    let all: Vec<String> = db.list(
        "SELECT proname::text FROM pg_proc
         WHERE pronamespace = 'token_auth'::regnamespace AND prorettype <> 'trigger'::regtype
         ORDER BY 1",
        &[],
    );
    let for_others =
        ["verify_token", "token_is_valid", "describe_token", "reveal_token", "import_token", "report_leaked_secret"];
    let for_managers: Vec<String> = all
        .into_iter()
        .filter(|name| !for_others.contains(&name.as_str()) && !for_superusers.contains(&name.as_str()))
        .collect();
    assert_eq!(callable(&mut db, "token_manager"), for_managers);
}

const BETWEEN: &str = "=== next block ===";

/// Removes what differs from run to run: secrets, and column widths.
fn comparable(output: &str) -> Vec<String> {
    let output = plan_in_current_words(output);
    let lines = output.lines().map(|line| {
        let words = line.split_whitespace().map(|word| if is_secret(word) { "SECRET" } else { word });
        let line = words.collect::<Vec<_>>().join(" ");
        if line.starts_with('-') { line.split('-').filter(|part| !part.is_empty()).collect() } else { line }
    });
    lines.filter(|line| !line.is_empty()).collect()
}

fn is_secret(word: &str) -> bool {
    word.split_once('_')
        .map(|(_, rest)| rest)
        .is_some_and(|rest| rest.len() == 49 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
