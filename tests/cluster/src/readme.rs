//! The examples of README.md and of docs/: their SQL, and what they say that it prints.

/// The README.
pub const README: &str = include_str!("../../../README.md");
/// docs/profiles.md.
pub const PROFILES: &str = include_str!("../../../docs/profiles.md");
/// docs/row-level-security.md.
pub const ROW_LEVEL_SECURITY: &str = include_str!("../../../docs/row-level-security.md");
/// docs/verification.md.
pub const VERIFICATION: &str = include_str!("../../../docs/verification.md");
/// docs/products.md.
pub const PRODUCTS: &str = include_str!("../../../docs/products.md");

/// A block of SQL, and the output that follows it, where the text shows one.
pub struct Example {
    /// What to run.
    pub sql: String,
    /// What psql prints then.
    pub output: Option<String>,
}

/// All examples of a text, in its order.
pub fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut fences = text.split("\n```");
    fences.next();
    while let Some(block) = fences.next() {
        let (language, code) = block.split_once('\n').expect("a fence has lines in it");
        match language {
            "sql" => examples.push(Example { sql: code.to_owned(), output: None }),
            "text" => examples.last_mut().expect("output comes after SQL").output = Some(code.to_owned()),
            _ => {}
        }
        fences.next();
    }
    examples
}

/// The roles `token_verifier`, `token_manager` and `token_revealer`, with their GRANTs.
pub fn grants() -> String {
    let grants = examples(README).into_iter().find(|example| example.sql.contains("CREATE ROLE token_verifier"));
    grants.expect("README.md has the roles").sql
}
