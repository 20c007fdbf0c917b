//! Verifications while the worker removes a large number of expired tokens. Measured once.

use crate::{
    bench::Bench,
    data::{Tokens, load, settle},
    measurements::{key, quantile},
    one_processor::on_one_processor,
    random::{ids, secret_of},
    sizes::TOKENS_PER_ACCOUNT,
};
use cluster::Sql as _;
use postgres::Client;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

pub const NAME: &str = "deletion";

/// The seconds that the worker took. `at` is the number of tokens.
pub const WORKER: &str = "worker";
/// Quantiles over the whole time, without and with the worker.
pub const BEFORE: [&str; 2] = ["p50_before", "p99_before"];
pub const DURING: [&str; 2] = ["p50_during", "p99_during"];
/// Quantiles of each second. `at` is the second, from 0 on. The worker starts in second [`CALM`].
pub const BY_SECOND: [&str; 2] = ["p50_by_second", "p99_by_second"];

const QUANTILES: [f64; 2] = [0.5, 0.99];

/// The seconds before the worker starts.
pub const CALM: u64 = 10;

pub fn measure(bench: &mut Bench) {
    let database = bench.main_database();
    let first: i64 = bench.server.connect(&database).get("SELECT max(id) + 1 FROM token_auth.token", &[]);
    let count = bench.sizes.expired;
    let accounts = bench.sizes.main() / TOKENS_PER_ACCOUNT;
    load(&bench.server, &database, &Tokens { first: first as u64, count, accounts, expired: true });
    settle(&mut bench.server.connect(&database));

    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let (calls, start, took) = thread::scope(|scope| {
        let calls =
            scope.spawn(|| on_one_processor(&bench.server, &database, |db| verify_until(bench, db, &stop, began)));
        let stop_at_the_end = StopAtTheEnd(&stop);
        thread::sleep(Duration::from_secs(CALM));
        let start = began.elapsed();
        // The worker sweeps only this database, and soon.
        bench.server.reload_with("token_auth.databases", &database);
        bench.server.reload_with("token_auth.sweep_interval", "1s");
        wait_until_removed(bench, &database);
        let took = began.elapsed() - start;
        drop(stop_at_the_end);
        (calls.join().expect("the verifications"), start, took)
    });

    bench.measured.record(key(NAME, WORKER, count), 0, took.as_secs_f64(), "s");
    let of = |from: Duration, until: Duration| {
        calls.iter().filter(move |(at, _)| from <= *at && *at < until).map(|(_, took)| took.as_secs_f64() * 1e6)
    };
    let mut record = |names: [&'static str; 2], at: u64, from: Duration, until: Duration| {
        for (name, part) in names.into_iter().zip(QUANTILES) {
            if let Some(microseconds) = quantile(of(from, until), part) {
                bench.measured.record(key(NAME, name, at), 0, microseconds, "us");
            }
        }
    };
    record(BEFORE, 0, Duration::ZERO, start);
    record(DURING, 0, start, start + took);
    for second in 0..(start + took).as_secs() {
        record(BY_SECOND, second, Duration::from_secs(second), Duration::from_secs(second + 1));
    }
}

/// Ends the verifications, also after a panic: the thread scope would wait for ever.
struct StopAtTheEnd<'a>(&'a AtomicBool);

impl Drop for StopAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The time and the duration of each call.
fn verify_until(bench: &Bench, db: &mut Client, stop: &AtomicBool, began: Instant) -> Vec<(Duration, Duration)> {
    let verify = db.prepare("SELECT * FROM token_auth.verify_token($1, $2, NULL)").expect("the extension's function");
    let secrets: Vec<String> = ids(bench.sizes.main(), bench.sizes.hot).into_iter().map(secret_of).collect();
    for secret in &secrets {
        db.execute(&verify, &[&secret, &"email:read"]).expect("a verification");
    }
    let mut calls = Vec::new();
    for secret in secrets.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let at = began.elapsed();
        db.execute(&verify, &[&secret, &"email:read"]).expect("a verification");
        calls.push((at, began.elapsed() - at));
    }
    calls
}

fn wait_until_removed(bench: &Bench, database: &str) {
    let mut db = bench.server.connect(database);
    let left = "SELECT EXISTS (SELECT FROM token_auth.token WHERE expires_at < '2020-01-02')";
    while db.get::<bool>(left, &[]) {
        thread::sleep(Duration::from_millis(500));
    }
}
