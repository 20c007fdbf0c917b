//! A search for what must not leak: secrets, digests, and internals of the library.

use crate::{Cluster, NewToken, Refusal, Sql, digest_hex};

/// The texts that must not be found, and the errors that sessions received.
#[derive(Default)]
pub struct Watch {
    /// What it is, and its text in lower case.
    needles: Vec<(String, String)>,
    heard: Vec<(String, Refusal)>,
}

impl Watch {
    /// Watches for a token's secret and digest.
    pub fn token(&mut self, token: &NewToken) {
        self.secret(&format!("token {}", token.id), &token.secret);
    }

    /// Watches for a secret, its random part without prefix and checksum, and its digest.
    pub fn secret(&mut self, whose: &str, secret: &str) {
        self.needle(format!("the secret of {whose}"), secret);
        self.needle(format!("the random part of {whose}"), random_part(secret));
        self.digest(whose, &digest_hex(secret));
    }

    /// Watches for a digest: in hexadecimal (PostgreSQL shortens long values in messages, so its beginning is enough), and
    /// in the form in which Rust prints bytes.
    pub fn digest(&mut self, whose: &str, hex: &str) {
        self.needle(format!("the digest of {whose}"), &hex[..40]);
        let bytes: Vec<String> = (0..8)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal digits").to_string())
            .collect();
        self.needle(format!("the digest of {whose} as numbers"), &bytes.join(", "));
    }

    /// Runs a statement that must be refused with this SQLSTATE, and records the error.
    pub fn refused(
        &mut self,
        session: &mut impl Sql,
        code: &str,
        sql: &str,
        params: &[&(dyn postgres::types::ToSql + Sync)],
    ) -> Refusal {
        let refusal = session.refused(sql, params);
        assert_eq!(refusal.code, code, "{sql}\n{refusal:?}");
        self.heard(sql, refusal.clone());
        refusal
    }

    /// Records an error that a session received.
    pub fn heard(&mut self, statement: &str, refusal: Refusal) {
        self.heard.push((statement.to_owned(), refusal));
    }

    /// Asserts that the errors contain none of the texts, and no internals of the library.
    pub fn assert_sessions_heard_nothing(&self) {
        assert!(!self.heard.is_empty() && !self.needles.is_empty());
        let mut found = Vec::new();
        for (statement, refusal) in &self.heard {
            let text = refusal.text();
            for what in self.in_text(&text).into_iter().chain(insides(&text)) {
                found.push(format!("{what}, told after {statement}:\n{refusal:?}"));
            }
        }
        assert!(
            found.is_empty(),
            "{} leaks to sessions, such as:\n{}",
            found.len(),
            found[..found.len().min(5)].join("\n")
        );
    }

    /// Asserts that the server's log contains none of the texts, and no panic.
    pub fn assert_log_says_nothing(&self, cluster: &Cluster) {
        let log = cluster.log();
        let mut found = Vec::new();
        for line in log.text().lines() {
            let panic = ["panicked at", "stack backtrace"].into_iter().find(|word| line.contains(word));
            for what in self.in_text(line).into_iter().chain(panic) {
                found.push(format!("{what}: {line}"));
            }
        }
        assert!(
            found.is_empty(),
            "{} leaks to the log, such as:\n{}",
            found.len(),
            found[..found.len().min(5)].join("\n")
        );
    }

    /// Asserts that `pg_stat_statements` contains none of the texts.
    pub fn assert_statistics_say_nothing(&self, superuser: &mut impl Sql) {
        let queries: Vec<String> = superuser.list("SELECT query FROM pg_stat_statements", &[]);
        assert!(queries.iter().any(|query| query.contains("token_auth.")), "pg_stat_statements has not been watching");
        for query in queries {
            assert_eq!(self.in_text(&query), Vec::<&str>::new(), "{query}");
        }
    }

    fn needle(&mut self, what: String, needle: &str) {
        self.needles.push((what, needle.to_lowercase()));
    }

    fn in_text(&self, text: &str) -> Vec<&str> {
        let text = text.to_lowercase();
        self.needles.iter().filter(|(_, needle)| text.contains(needle)).map(|(what, _)| what.as_str()).collect()
    }
}

/// Returns the random part of a secret, between its prefix and its checksum. One that was imported has no other part.
pub fn random_part(secret: &str) -> &str {
    let end = secret.len().saturating_sub(6);
    end.checked_sub(43).map_or(secret, |start| &secret[start..end])
}

/// Returns a part of a message that is an internal of the library, if there is one.
fn insides(text: &str) -> Option<&'static str> {
    ["panicked", "backtrace", ".rs:", "unwrap()", "Option::"].into_iter().find(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "tok_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGcheck1";

    #[test]
    fn the_random_part_has_neither_prefix_nor_checksum() {
        assert_eq!(random_part(SECRET), "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG");
    }

    #[test]
    fn a_secret_and_a_digest_are_found_however_they_are_written() {
        let mut watch = Watch::default();
        watch.secret("mine", SECRET);
        let hex = digest_hex(SECRET);
        let numbers = format!(
            "[{}, ...",
            (0..8)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        );
        for (text, what) in [
            (format!("secret={}", random_part(SECRET)), "the random part of mine"),
            (format!("(1, \\x{}...)", &hex[..62]), "the digest of mine"),
            (hex.to_uppercase(), "the digest of mine"),
            (numbers, "the digest of mine as numbers"),
        ] {
            assert_eq!(watch.in_text(&text), [what], "{text}");
        }
        assert!(watch.in_text("tok_0123...eck1").is_empty());
    }
}
