//! The words in the field CONSTRAINT are part of the interface: docs/errors.md lists them all, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn docs_errors_lists_the_word_of_each_error() {
    let mut used = BTreeSet::new();
    for file in fs::read_dir(root().join("src/error")).expect("the folder of the errors") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a source file");
        used.extend(words_of(&text));
    }
    // The rule of a profile is its word.
    let profile = fs::read_to_string(root().join("src/model/profile.rs")).expect("a source file");
    used.extend(
        quoted(&profile)
            .into_iter()
            .filter(|text| text.starts_with("can_") || *text == "tokens_manage_tokens")
            .map(str::to_owned),
    );
    assert!(used.len() > 40, "{used:?}");

    let page = fs::read_to_string(root().join("docs/errors.md")).expect("a page");
    let table = page.split("| SQLSTATE | words |").nth(1).expect("the table of the words");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(2));
    let listed: BTreeSet<String> =
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect();
    assert_eq!(listed, used);
}

/// Returns the words of a source file: the results of its functions `word`, and the literals that a report or a tuple has
/// where a word belongs.
fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for function in text.split("fn word(").skip(1) {
        let body = function.split("\n    }\n").next().unwrap_or_default();
        words.extend(body.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    // A word stands alone on its line, before the message.
    let alone = text.lines().map(str::trim).filter_map(|line| line.strip_prefix('"')?.strip_suffix("\","));
    let in_tuple = text.split("=> {\n                (\"").skip(1).filter_map(|rest| rest.split('"').next());
    words.extend(alone.chain(in_tuple).filter(|text| is_word(text)).map(str::to_owned));
    words
}

fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
