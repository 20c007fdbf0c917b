//! The examples in README.md and docs/: their SQL, and the output that the page shows.

/// README.md
pub const README: &str = include_str!("../../../README.md");
/// docs/installation.md
pub const INSTALLATION: &str = include_str!("../../../docs/installation.md");
/// docs/backend.md
pub const BACKEND: &str = include_str!("../../../docs/backend.md");
/// docs/functions.md
pub const FUNCTIONS: &str = include_str!("../../../docs/functions.md");
/// docs/errors.md
pub const ERRORS: &str = include_str!("../../../docs/errors.md");
/// docs/settings.md
pub const SETTINGS: &str = include_str!("../../../docs/settings.md");
/// docs/leaks.md
pub const LEAKS: &str = include_str!("../../../docs/leaks.md");
/// docs/privileges.md
pub const PRIVILEGES: &str = include_str!("../../../docs/privileges.md");
/// docs/operations.md
pub const OPERATIONS: &str = include_str!("../../../docs/operations.md");
/// docs/profiles.md
pub const PROFILES: &str = include_str!("../../../docs/profiles.md");
/// docs/row-level-security.md
pub const ROW_LEVEL_SECURITY: &str = include_str!("../../../docs/row-level-security.md");
/// docs/verification.md
pub const VERIFICATION: &str = include_str!("../../../docs/verification.md");
/// docs/products.md
pub const PRODUCTS: &str = include_str!("../../../docs/products.md");

/// A block of SQL, and the output that follows it, if the page shows one.
pub struct Example {
    /// The SQL.
    pub sql: String,
    /// The output of psql.
    pub output: Option<String>,
}

/// Returns the examples of a page, in their order.
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

/// Returns the statement of docs/verification.md that sets the sequences of a subscriber that takes over.
pub fn sequences() -> String {
    let all = examples(VERIFICATION).into_iter().find(|example| example.sql.contains("pg_get_serial_sequence"));
    all.expect("docs/verification.md has the statement").sql
}

/// Returns the statement of docs/privileges.md that lets the roles name the actor. A superuser runs it.
pub fn actor_grant() -> String {
    let grant = examples(PRIVILEGES).into_iter().find(|example| example.sql.contains("GRANT SET ON PARAMETER"));
    grant.expect("docs/privileges.md has the statement").sql
}

/// Returns the SQL of docs/privileges.md that creates the roles `token_verifier`, `token_manager` and so on.
pub fn grants() -> String {
    let roles = examples(PRIVILEGES).into_iter().find(|example| example.sql.contains("CREATE ROLE token_verifier"));
    let sql = roles.expect("docs/privileges.md has the roles").sql;
    sql.split_once("CREATE EXTENSION token_auth;").expect("the page creates the extension").1.to_owned()
}
