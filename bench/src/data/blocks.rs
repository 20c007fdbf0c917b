//! Tables of secrets for pgbench, which cannot compute one, and for loops.
//!
//! A row of a table of blocks is a page with a hundred secrets. A script fetches one and uses each of them, so
//! a hundred statements share the cost of the fetch.

use super::load::copy_lines;
use crate::sizes::BLOCK;
use cluster::Sql as _;
use postgres::Client;
use std::fmt::{Display, Write as _};

/// `id`, and `s0` to `s99`.
pub fn secrets(db: &mut Client, table: &str, secrets: impl Iterator<Item = String>) {
    create(db, table, "", 's', "text", BLOCK as usize);
    fill(db, table, BLOCK as usize, secrets);
}

/// `id`, and `i0` to `i99`.
pub fn ids(db: &mut Client, table: &str, ids: &[u64]) {
    create(db, table, "", 'i', "bigint", BLOCK as usize);
    fill(db, table, BLOCK as usize, ids.iter());
}

/// Creates a table of blocks without rows. PLAIN keeps a row in one piece on its page.
pub fn create(db: &mut Client, table: &str, first: &str, prefix: char, kind: &str, size: usize) {
    let columns: Vec<String> = (0..size).map(|n| format!("{prefix}{n} {kind}")).collect();
    db.run(&format!("CREATE TABLE {table} (id int PRIMARY KEY, {first} {})", columns.join(", ")), &[]);
    if kind == "text" {
        let plain: Vec<String> = (0..size).map(|n| format!("ALTER {prefix}{n} SET STORAGE PLAIN")).collect();
        db.run(&format!("ALTER TABLE {table} {}", plain.join(", ")), &[]);
    }
}

fn fill<T: Display>(db: &mut Client, table: &str, size: usize, items: impl Iterator<Item = T>) {
    copy_lines(db, &format!("COPY {table} FROM STDIN"), items.enumerate(), |line, (n, item)| {
        if n.is_multiple_of(size) {
            write!(line, "{}", n / size)?;
        }
        write!(line, "\t{item}")?;
        if n % size == size - 1 { writeln!(line) } else { Ok(()) }
    });
}

/// Creates a list with one secret in each row, for loops.
pub fn list(db: &mut Client, table: &str, secrets: impl Iterator<Item = String>) {
    db.run(&format!("CREATE TABLE {table} (secret text)"), &[]);
    copy_lines(db, &format!("COPY {table} FROM STDIN"), secrets, |line, secret| writeln!(line, "{secret}"));
}
