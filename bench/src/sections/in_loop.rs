//! A call in a loop: one session, one statement, one call for each row of its table.

use crate::{bench::Bench, measurements::key, scenario::Cache};
use cluster::Sql as _;
use std::time::Instant;

pub const NAME: &str = "loop";

pub struct Loop {
    pub name: &'static str,
    pub label: &'static str,
    /// The call, with the column `secret`.
    pub call: &'static str,
    pub table: &'static str,
    /// The code of all results.
    pub answer: Option<&'static str>,
    pub cache: Cache,
}

const VERIFY: &str = "token_auth.verify_token(secret, 'email:read', NULL)";

const fn verify(name: &'static str, label: &'static str, table: &'static str, cache: Cache) -> Loop {
    Loop { name, label, call: VERIFY, table, answer: Some("ok"), cache }
}

const fn compared(name: &'static str, label: &'static str, call: &'static str, table: &'static str) -> Loop {
    Loop { name, label, call, table, answer: Some("ok"), cache: Cache::Default }
}

const fn refused(name: &'static str, label: &'static str, table: &'static str, code: &'static str) -> Loop {
    Loop { name, label, call: VERIFY, table, answer: Some(code), cache: Cache::Default }
}

pub const LOOPS: [Loop; 10] = [
    Loop {
        name: "empty_null",
        label: "empty function, returns NULL",
        call: "bench.empty_null(secret, 'email:read', NULL)",
        table: "bench.list_hot",
        answer: None,
        cache: Cache::Default,
    },
    compared(
        "empty_row",
        "empty function, returns a constant row",
        "bench.empty_row(secret, 'email:read', NULL)",
        "bench.list_hot",
    ),
    verify("hot", "verify_token, hot tokens", "bench.list_hot", Cache::Default),
    verify("hot_cache_off", "verify_token, hot tokens, cache off", "bench.list_hot", Cache::Off),
    verify("uniform_small_cache", "verify_token, all tokens, small cache", "bench.list_uniform", Cache::Small),
    verify("uniform_cache_off", "verify_token, all tokens, cache off", "bench.list_uniform", Cache::Off),
    refused("wrong", "verify_token, unknown secrets", "bench.list_wrong", "not_found"),
    refused("malformed", "verify_token, malformed secrets", "bench.list_malformed", "malformed"),
    compared(
        "plpgsql",
        "the same in PL/pgSQL, hot tokens",
        "peer.verify_token(secret, 'email:read', NULL)",
        "bench.list_hot",
    ),
    compared(
        "jwt",
        "JSON Web Token (HS256), pgcrypto and PL/pgSQL",
        "peer.verify_jwt(secret, 'email:read')",
        "bench.list_jwt",
    ),
];

pub fn measure(bench: &mut Bench) {
    let database = bench.main_database();
    for Loop { call, table, answer, .. } in &LOOPS {
        bench.check_calls(&database, call, table, *answer);
    }
    bench.in_turns(LOOPS.len(), |bench, repeat, turn| {
        let Loop { name, call, table, cache, .. } = &LOOPS[turn];
        let microseconds = bench.microseconds_a_call(&database, call, table, *cache);
        bench.measured.record(key(NAME, name, 0), repeat, microseconds, "us");
    });
}

impl Bench {
    /// Measures in a new session, after more calls than there are hot tokens.
    pub fn microseconds_a_call(&self, database: &str, call: &str, table: &str, cache: Cache) -> f64 {
        let mut db = self.server.connect_with(database, self.cache_options(cache));
        db.run("SET max_parallel_workers_per_gather = 0", &[]);
        let rows: i64 = db.get(&format!("SELECT count(*) FROM {table}"), &[]);
        let few = (5 * self.sizes.hot).min(self.sizes.calls);
        let all: i64 = db.get(&format!("SELECT count({call}) FROM (SELECT * FROM {table} LIMIT {few}) AS few"), &[]);
        let statement =
            db.prepare(&format!("SELECT count({call}) FROM {table}")).expect("a statement as the one before");
        let began = Instant::now();
        let counted: i64 = db.query_one(&statement, &[]).expect("a statement as the one before").get(0);
        let elapsed = began.elapsed();
        assert_eq!(counted, if all == 0 { 0 } else { rows }, "{call}");
        elapsed.as_secs_f64() * 1e6 / rows as f64
    }

    /// Panics unless all these calls return this code.
    pub fn check_calls(&self, database: &str, call: &str, table: &str, answer: Option<&str>) {
        let codes: Vec<Option<String>> = self.server.connect(database).list(
            &format!(
                "SELECT DISTINCT (answer).code FROM (SELECT {call} AS answer FROM {table} LIMIT 500 OFFSET 0) AS few"
            ),
            &[],
        );
        assert_eq!(codes, [answer.map(str::to_owned)], "{call} of {table}");
    }
}
