//! The SQL in README.md runs, block after block in one psql session, and prints what README.md says it prints.

use cluster::{Cluster, Sql, readme};

#[test]
fn the_sql_in_readme_runs_and_prints_what_readme_says() {
    let examples = readme::examples();
    assert!(examples.len() >= 8, "README.md has lost its examples: {}", examples.len());
    let cluster = Cluster::builder().preload("token_auth").start();
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

/// A function that README.md gives to nobody is on one of these lists, so that a new one cannot be forgotten.
#[test]
fn the_roles_of_readme_may_call_what_they_are_for_and_nothing_else() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.batch_execute(&readme::grants()).expect("README.md's GRANTs");
    let callable = |db: &mut cluster::Client, role: &str| -> Vec<String> {
        db.list(
            "SELECT proname::text FROM pg_proc
             WHERE pronamespace = 'token_auth'::regnamespace AND has_function_privilege($1, oid, 'EXECUTE')
             ORDER BY 1",
            &[&role],
        )
    };
    assert_eq!(callable(&mut db, "token_verifier"), ["verify_token"]);
    let for_nobody = ["sweep", "verify_token_digest", "are_actions", "are_scopes", "is_name", "is_not_negative"];
    let all: Vec<String> = db.list(
        "SELECT proname::text FROM pg_proc
         WHERE pronamespace = 'token_auth'::regnamespace AND prorettype <> 'trigger'::regtype
         ORDER BY 1",
        &[],
    );
    let for_managers: Vec<String> =
        all.into_iter().filter(|name| name != "verify_token" && !for_nobody.contains(&name.as_str())).collect();
    assert_eq!(callable(&mut db, "token_manager"), for_managers);
}

const BETWEEN: &str = "=== next block ===";

/// Without what differs from run to run: secrets, and the column widths that follow from ids.
fn comparable(output: &str) -> Vec<String> {
    let lines = output.lines().map(|line| {
        let words = line.split_whitespace().map(|word| if is_secret(word) { "SECRET" } else { word });
        let line = words.collect::<Vec<_>>().join(" ");
        if line.starts_with('-') { line.split('-').filter(|part| !part.is_empty()).collect() } else { line }
    });
    lines.filter(|line| !line.is_empty()).collect()
}

fn is_secret(word: &str) -> bool {
    word.strip_prefix("tok_")
        .is_some_and(|rest| rest.len() == 49 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
