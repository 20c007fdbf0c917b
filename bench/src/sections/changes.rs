//! Hot tokens are verified while other tokens, or rows of an unrelated table, change.

use super::socket::CLIENTS;
use crate::{
    bench::Bench,
    measurements::key,
    pgbench::{Run, Running},
    scenario::HOT,
};
use std::fs;

pub const NAME: &str = "changes";

/// The rate of verifications while tokens change. [`TOKENS_CHANGED`] is the rate of changes.
pub const TOKENS: &str = "hot_tokens_change";
pub const TOKENS_CHANGED: &str = "tokens_changed";
/// The same for rows of an unrelated table.
pub const UNRELATED: &str = "hot_unrelated_change";
pub const UNRELATED_CHANGED: &str = "unrelated_changed";

/// Enough for a thousand commits a second, which share their flushes.
const CHANGERS: u64 = 8;

/// Two changes for each transaction of pgbench: each statement is a commit.
const CHANGES: [(&str, &str, &str); 2] = [
    (TOKENS, TOKENS_CHANGED, "SELECT token_auth.pause_token(:id);\nSELECT token_auth.resume_token(:id);"),
    (
        UNRELATED,
        UNRELATED_CHANGED,
        "UPDATE bench.unrelated SET changes = changes + 1 WHERE id = :id;\n\
         UPDATE bench.unrelated SET changes = changes + 1 WHERE id = :id;",
    ),
];

pub fn measure(bench: &mut Bench) {
    let (database, tokens) = (bench.main_database(), bench.sizes.main());
    bench.check_answers(&database, &HOT, tokens);
    let rates = bench.sizes.changes;
    bench.in_turns(2 * rates.len(), |bench, repeat, turn| {
        let ((scenario, changed, statements), wanted) = (CHANGES[turn % 2], rates[turn / 2]);
        let changer = (wanted > 0).then(|| start_changes(bench, &database, scenario, statements, wanted));
        let rate = bench.rate(&database, &HOT, tokens, CLIENTS, bench.options.warm_up());
        let changes = changer.map_or(0.0, |changer| 2.0 * changer.rate());
        bench.measured.record(key(NAME, scenario, wanted), repeat, rate, "1/s");
        bench.measured.record(key(NAME, changed, wanted), repeat, changes, "1/s");
    });
}

fn start_changes(bench: &Bench, database: &str, name: &str, statements: &str, wanted: u64) -> Running {
    let script = bench.server.scratch_file(&format!("{name}.sql"));
    let text = format!("\\set id random(1, {})\n{statements}\n", bench.sizes.main());
    fs::write(&script, text).unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let run = Run {
        database,
        script: &script,
        clients: CHANGERS.min(wanted.div_ceil(10)),
        warm_up: bench.options.warm_up(),
        seconds: bench.options.seconds,
        options: "",
        rate: Some(wanted as f64 / 2.0),
    };
    run.start(&bench.server)
}
