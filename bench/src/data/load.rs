//! Tokens by COPY, a million and more at a time.

use super::triggers;
use crate::{random::secret_of, server::Server};
use cluster::Sql as _;
use postgres::Client;
use std::{fmt::Write as _, io::Write as _, thread};
use token_auth_core::secret;

/// Tokens with consecutive ids. Each has a home in one of `accounts` in turn, and may read and send email.
pub struct Tokens {
    pub first: u64,
    pub count: u64,
    pub accounts: u64,
    /// True if they expired longer ago than any profile keeps them.
    pub expired: bool,
}

/// Fills both tables at the same time. Without foreign keys they do not depend on each other.
pub fn load(server: &Server, database: &str, tokens: &Tokens) {
    triggers::without(&mut server.connect(database), |_| {
        thread::scope(|scope| {
            scope.spawn(|| load_tokens(&mut server.connect(database), tokens));
            load_access(&mut server.connect(database), tokens);
        });
    });
    set_sequences(&mut server.connect(database));
}

impl Tokens {
    /// The id and the account. The tokens of an account are spread over the table, as in a real database.
    fn each(&self) -> impl Iterator<Item = (u64, u64)> {
        (self.first..self.first + self.count).map(|id| (id, id % self.accounts + 1))
    }
}

fn load_tokens(db: &mut Client, tokens: &Tokens) {
    // The id of an account is also that of its domain.
    let copy =
        "COPY token_auth.token (id, account_id, domain_id, name, digest, hint, expires_at, created_by) FROM STDIN";
    let expires_at = if tokens.expired { "2020-01-01" } else { "\\N" };
    copy_lines(db, copy, tokens.each(), |line, (id, account)| {
        let secret = secret_of(id);
        write!(line, "{id}\t{account}\t{account}\ttoken {id}\t\\\\x")?;
        for byte in secret::digest(secret.as_bytes()) {
            write!(line, "{byte:02x}")?;
        }
        writeln!(line, "\t{}\t{expires_at}\tbench", secret::hint(&secret))
    });
}

fn load_access(db: &mut Client, tokens: &Tokens) {
    // On every domain of the account, so that the code without a domain is ok.
    let copy = "COPY token_auth.token_access (account_id, token_id, domain_id, scopes) FROM STDIN";
    copy_lines(db, copy, tokens.each(), |line, (id, account)| {
        writeln!(line, "{account}\t{id}\t\\N\t{{email:read,email:send}}")
    });
}

/// Runs COPY with the line that `print` makes of each item.
pub fn copy_lines<T>(
    db: &mut Client,
    copy: &str,
    items: impl Iterator<Item = T>,
    mut print: impl FnMut(&mut String, T) -> std::fmt::Result,
) {
    let mut lines = String::new();
    let mut writer = db.copy_in(copy).unwrap_or_else(|error| panic!("{copy}: {error:?}"));
    for item in items {
        print(&mut lines, item).expect("a String takes everything");
        if lines.len() > 60_000 {
            writer.write_all(lines.as_bytes()).unwrap_or_else(|error| panic!("{copy}: {error:?}"));
            lines.clear();
        }
    }
    writer.write_all(lines.as_bytes()).unwrap_or_else(|error| panic!("{copy}: {error:?}"));
    writer.finish().unwrap_or_else(|error| panic!("{copy}: {error:?}"));
}

/// Sets the sequences after the existing ids.
pub fn set_sequences(db: &mut Client) {
    for table in ["account", "domain", "token", "token_access"] {
        db.run(
            &format!(
                "SELECT setval(pg_get_serial_sequence('token_auth.{table}', 'id'), max(id)) FROM token_auth.{table}"
            ),
            &[],
        );
    }
}
