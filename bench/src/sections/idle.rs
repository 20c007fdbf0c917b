//! A token is paused while many sessions are idle, all of which receive the message.

use crate::{
    bench::Bench,
    measurements::{key, median},
    one_processor::on_one_processor,
    random::Random,
};
use postgres::{Client, Statement};
use std::time::Instant;

pub const NAME: &str = "idle";

/// `at` is the number of idle backends.
pub const PAUSE: &str = "pause_token";

/// The statements that an idle session has prepared and used.
const STATEMENTS: [&str; 5] = [
    "SELECT valid, code FROM token_auth.verify_token($1::text, 'email:read', NULL)",
    "SELECT name FROM token_auth.token WHERE name = $1::text AND id = 1",
    "SELECT count(*) FROM token_auth.tokens WHERE domain = $1::text AND id = 1",
    "SELECT id FROM peer.token WHERE name = $1::text AND id = 1",
    "UPDATE bench.unrelated SET filler = $1::text WHERE id = 0",
];

pub fn measure(bench: &mut Bench) {
    let database = bench.main_database();
    let idle = bench.sizes.idle_backends;
    bench.in_turns(2, |bench, repeat, turn| {
        let count = turn * idle;
        let backends: Vec<_> = (0..count).map(|_| idle_backend(bench, &database)).collect();
        let milliseconds = on_one_processor(&bench.server, &database, |db| pauses(bench, db, repeat));
        bench.measured.record(key(NAME, PAUSE, count as u64), repeat, milliseconds, "ms");
        drop(backends);
    });
}

/// A session and its prepared statements. If they were dropped, the server would close them.
fn idle_backend(bench: &Bench, database: &str) -> (Client, Vec<Statement>) {
    let mut backend = bench.server.connect_with(database, "-c plan_cache_mode=force_generic_plan");
    let prepared = STATEMENTS.map(|sql| {
        let statement = backend.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        for _ in 0..2 {
            backend.execute(&statement, &[&"none"]).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        statement
    });
    (backend, prepared.into())
}

/// Returns the median over some tokens, which are resumed afterwards.
fn pauses(bench: &Bench, db: &mut Client, repeat: usize) -> f64 {
    let pause = db.prepare("SELECT token_auth.pause_token($1)").expect("the extension's function");
    let resume = db.prepare("SELECT token_auth.resume_token($1)").expect("the extension's function");
    let mut random = Random::new(repeat as u64);
    let mut milliseconds = Vec::new();
    for _ in 0..bench.sizes.one_at_a_time {
        let id = 1 + random.below(bench.sizes.main()) as i64;
        let began = Instant::now();
        db.execute(&pause, &[&id]).expect("a token to pause");
        milliseconds.push(began.elapsed().as_secs_f64() * 1e3);
        db.execute(&resume, &[&id]).expect("a token to resume");
    }
    median(milliseconds).expect("at least one call")
}
