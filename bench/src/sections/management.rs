//! Tokens are created and reset, one at a time and many at once.

use crate::{
    bench::Bench,
    measurements::{key, median},
    one_processor::on_one_processor,
    random,
    sizes::TOKENS_PER_ACCOUNT,
};
use cluster::Sql as _;
use std::time::Instant;

pub const NAME: &str = "management";

/// A statement that is called with one number after another. Each call is a transaction.
pub struct Statement {
    pub name: &'static str,
    pub label: &'static str,
    sql: &'static str,
}

pub const ONE_AT_A_TIME: [Statement; 3] = [
    Statement {
        name: "create_token",
        label: "`create_token`",
        sql: "SELECT * FROM token_auth.create_token($1::bigint % $2::bigint + 1, 'made', '{email:read}', 'd' || $1 % $2 + 1 || '.example')",
    },
    Statement {
        name: "reset_token",
        label: "`reset_token`",
        sql: "SELECT * FROM token_auth.reset_token($1::bigint + 0 * $2::bigint)",
    },
    Statement {
        name: "update",
        label: "an UPDATE of a row by its key, for comparison",
        sql: "UPDATE bench.unrelated SET changes = changes + 1 WHERE id = $1::bigint + 0 * $2::bigint",
    },
];

pub const AT_ONCE: &str = "create_many";

pub fn measure(bench: &mut Bench) {
    let (database, tokens) = (bench.main_database(), bench.sizes.main());
    // A token can be reset once.
    let ids = random::ids(tokens, tokens);
    bench.in_fewer_turns(ONE_AT_A_TIME.len() + 1, |bench, repeat, turn| match ONE_AT_A_TIME.get(turn) {
        Some(statement) => {
            let count = bench.sizes.one_at_a_time as usize;
            one_at_a_time(bench, &database, statement, &ids[repeat * count..(repeat + 1) * count], repeat);
        }
        None => at_once(bench, &database, repeat),
    });
}

fn one_at_a_time(bench: &mut Bench, database: &str, statement: &Statement, ids: &[u64], repeat: usize) {
    let accounts = (bench.sizes.main() / TOKENS_PER_ACCOUNT) as i64;
    let milliseconds = on_one_processor(&bench.server, database, |db| {
        let failed = |error| -> ! { panic!("{}: {error:?}", statement.name) };
        let prepared = db.prepare(statement.sql).unwrap_or_else(|error| failed(error));
        let call = |id: &u64| {
            let began = Instant::now();
            db.execute(&prepared, &[&(*id as i64), &accounts]).unwrap_or_else(|error| failed(error));
            began.elapsed().as_secs_f64() * 1e3
        };
        median(ids.iter().map(call)).expect("at least one call")
    });
    bench.measured.record(key(NAME, statement.name, 0), repeat, milliseconds, "ms");
}

fn at_once(bench: &mut Bench, database: &str, repeat: usize) {
    let mut db = bench.server.connect(database);
    let (count, accounts) = (bench.sizes.at_once, bench.sizes.main() / TOKENS_PER_ACCOUNT);
    let began = Instant::now();
    let made: i64 = db.get(
        &format!(
            "SELECT count(token.secret)
               FROM generate_series(1, {count}) AS n,
                    token_auth.create_token(n % {accounts} + 1, 'made', '{{email:read}}',
                                            'd' || n % {accounts} + 1 || '.example') AS token"
        ),
        &[],
    );
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(made, count as i64);
    bench.measured.record(key(NAME, AT_ONCE, count), repeat, seconds, "s");
}
