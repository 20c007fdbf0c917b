//! docs/products.md has a line of SQL for each behavior of the four products, and each has the result that the page shows.

use cluster::{Cluster, Sql, readme};
use std::collections::BTreeMap;

#[test]
fn each_line_of_sql_in_products_has_the_result_that_the_page_shows() {
    let (script, expected) = script_of(readme::PRODUCTS);
    let all = [("MS", 12), ("MT", 14), ("TS", 7), ("MO", 10)];
    let all = all.iter().flat_map(|(product, count)| (1..=*count).map(move |nr| format!("{product}{nr}")));
    let mut all: Vec<String> = all.collect();
    all.sort();
    assert_eq!(expected.keys().cloned().collect::<Vec<_>>(), all);

    let cluster = Cluster::builder().preload("token_auth").sealing_keys(&"5ea1".repeat(16)).start();
    let mut superuser = cluster.create_database_with_token_auth("app");
    superuser.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
    superuser
        .batch_execute(
            "CREATE ROLE manager LOGIN IN ROLE token_manager, token_verifier, token_revealer;
             GRANT EXECUTE ON FUNCTION token_auth.authenticate TO manager;
             GRANT SET ON PARAMETER token_auth.actor TO manager;",
        )
        .expect("the role of the page");
    assert!(!superuser.get::<bool>("SELECT rolsuper FROM pg_roles WHERE rolname = 'manager'", &[]));

    let file = cluster.file("products.sql");
    std::fs::write(&file, script).expect("a file of the test's own");
    let transcript = cluster.psql_transcript("app", &file);
    let mut answered = BTreeMap::new();
    for part in transcript.split("== ").skip(1) {
        let (id, output) = part.split_once('\n').expect("each part has its id on a line");
        let lines: Vec<String> = output.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if id == SETUP {
            assert!(!output.contains("ERROR"), "{output}");
        } else {
            answered.insert(id.to_owned(), lines);
        }
    }
    assert_eq!(answered, expected);
}

const SETUP: &str = "setup";

/// Returns the page as a psql script that prints the id of each part, and the expected results by id.
fn script_of(page: &str) -> (String, BTreeMap<String, Vec<String>>) {
    let mut script =
        "\\connect - manager\n\\pset tuples_only on\n\\pset format unaligned\n\\set VERBOSITY sqlstate\n".to_owned();
    let mut expected = BTreeMap::new();
    let mut in_sql = false;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            in_sql = language == "sql";
            script += if in_sql { "\\echo == setup\n" } else { "" };
        } else if in_sql {
            script += &format!("{line}\n");
        } else if let Some((id, sql, answers)) = row(line) {
            script += &format!("\\echo == {id}\n{}\n", sql.join("\n"));
            expected.insert(id, answers);
        }
    }
    (script, expected)
}

/// Returns the id, the SQL and the results of a row of a table.
fn row(line: &str) -> Option<(String, Vec<String>, Vec<String>)> {
    // In a table a pipe is written with a backslash before it.
    let line = line.replace("\\|", "\0");
    let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('\0', "|")).collect();
    let [_, id, _, sql, answers, _] = cells.as_slice() else { return None };
    if !id.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    Some((id.clone(), code(sql), code(answers)))
}
