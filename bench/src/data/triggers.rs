//! Loading without triggers, which are afterwards in their former state: nothing is cached unless the triggers `_invalidate_cache`
//! are ENABLE ALWAYS.

use cluster::Sql as _;
use postgres::Client;

const TABLES: [&str; 4] = ["account", "domain", "token", "token_access"];

#[derive(Debug, PartialEq, Eq)]
struct Trigger {
    table: String,
    name: String,
    enabled: i8,
    internal: bool,
}

/// Runs `work` while the triggers of the tables are disabled, those of foreign keys included.
pub fn without(db: &mut Client, work: impl FnOnce(&mut Client)) {
    let before = triggers(db);
    let announcing = before.iter().filter(|trigger| trigger.name == "_invalidate_cache");
    assert_eq!(announcing.filter(|trigger| trigger.enabled == b'A' as i8).count(), TABLES.len(), "{before:?}");
    for table in TABLES {
        db.run(&format!("ALTER TABLE token_auth.{table} DISABLE TRIGGER ALL"), &[]);
    }
    work(db);
    for table in TABLES {
        db.run(&format!("ALTER TABLE token_auth.{table} ENABLE TRIGGER ALL"), &[]);
    }
    for Trigger { table, name, enabled, .. } in before.iter().filter(|trigger| !trigger.internal) {
        let how = match *enabled as u8 {
            b'O' => "ENABLE TRIGGER",
            b'A' => "ENABLE ALWAYS TRIGGER",
            b'R' => "ENABLE REPLICA TRIGGER",
            _ => "DISABLE TRIGGER",
        };
        db.run(&format!("ALTER TABLE token_auth.{table} {how} {name}"), &[]);
    }
    assert_eq!(triggers(db), before, "the triggers are not what they were");
}

fn triggers(db: &mut Client) -> Vec<Trigger> {
    let rows = db.rows(
        "SELECT relname::text, tgname::text, tgenabled, tgisinternal
           FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
          WHERE relnamespace = 'token_auth'::regnamespace AND relname = ANY ($1)
          ORDER BY relname, tgname",
        &[&&TABLES[..]],
    );
    let trigger = |row: &postgres::Row| Trigger {
        table: row.get(0),
        name: row.get(1),
        enabled: row.get(2),
        internal: row.get(3),
    };
    rows.iter().map(trigger).collect()
}
