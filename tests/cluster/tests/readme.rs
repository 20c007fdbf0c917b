//! The SQL in README.md runs, block after block in one psql session, and prints what README.md says it prints.

use cluster::Cluster;

const README: &str = include_str!("../../../README.md");

/// A block of SQL, and the output that follows it, where README.md shows one.
struct Example {
    sql: String,
    output: Option<String>,
}

#[test]
fn the_sql_in_readme_runs_and_prints_what_readme_says() {
    let examples = examples(README);
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

const BETWEEN: &str = "=== next block ===";

fn examples(markdown: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut fences = markdown.split("\n```");
    fences.next();
    while let Some(block) = fences.next() {
        let (language, text) = block.split_once('\n').expect("a fence has lines in it");
        match language {
            "sql" => examples.push(Example { sql: text.to_owned(), output: None }),
            "text" => examples.last_mut().expect("output comes after SQL").output = Some(text.to_owned()),
            _ => {}
        }
        fences.next();
    }
    examples
}

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
