//! The programs of docs/leaks.md: a report of GitHub's secret scanning, and the check without a database.

use std::fs;
use std::path::Path;
use std::process::Command;

use cluster::Sql as _;

use super::{DATABASE, root, run_as, server};

#[test]
fn a_report_of_github_pauses_the_token_only_if_its_signature_is_right() {
    let server = server();
    let mut superuser = server.connect(DATABASE, "postgres");
    superuser
        .batch_execute(
            "CREATE ROLE reporter LOGIN; GRANT EXECUTE ON FUNCTION token_auth.report_leaked_secret TO reporter",
        )
        .expect("a role");
    let mut python = Command::new("/usr/bin/python3");
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/leaked.py"));
    python.arg(root().join("examples/leaks"));
    let (output, _) = run_as("reporter", python);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..4], ["(401, [])"; 4], "{output}");
    assert_eq!(
        lines[4..],
        [
            "tell None of Acme: the token client was found in public, and is paused",
            "200 ['true_positive', 'false_positive'] [True, True]",
            "True",
            "1 True"
        ],
        "{output}"
    );
    let paused = "SELECT count(*) FROM token_auth.tokens WHERE status = 'paused' AND length(leak_source) = 255";
    assert_eq!(superuser.get::<i64>(paused, &[]), 1);
}

#[test]
fn the_programs_on_the_page_are_the_examples() {
    let page = fs::read_to_string(root().join("docs/leaks.md")).expect("the page");
    let blocks: Vec<&str> = page.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for (block, file) in blocks.into_iter().zip(["check.py", "github.py"]) {
        let text = fs::read_to_string(root().join("examples/leaks").join(file)).expect("an example");
        assert!(text.contains(block.trim_end()), "{file} does not contain:\n{block}");
    }
}
