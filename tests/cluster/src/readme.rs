//! The examples of README.md: its SQL, and what it says that this prints.

const README: &str = include_str!("../../../README.md");

/// A block of SQL, and the output that follows it, where README.md shows one.
pub struct Example {
    /// What to run.
    pub sql: String,
    /// What psql prints then.
    pub output: Option<String>,
}

/// All of them, in the order of the text.
pub fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut fences = README.split("\n```");
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

/// The roles `token_verifier` and `token_manager`, with their GRANTs.
pub fn grants() -> String {
    let grants = examples().into_iter().find(|example| example.sql.contains("CREATE ROLE token_verifier"));
    grants.expect("README.md has the roles").sql
}
