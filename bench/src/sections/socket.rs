//! Rates over a Unix socket, by pgbench with two clients.

use crate::{bench::Bench, measurements::key, scenario::*};

pub const NAME: &str = "socket";

pub const SCENARIOS: [Scenario; 14] = [
    EMPTY_NULL,
    EMPTY_ROW,
    HOT,
    HOT_CACHE_OFF,
    UNIFORM_SMALL_CACHE,
    UNIFORM_CACHE_OFF,
    WRONG,
    MALFORMED,
    PK_HOT,
    PK,
    PK_ROW,
    PLPGSQL,
    JWT,
    LOOKUP_UPDATE,
];

/// The number of clients.
pub const CLIENTS: u64 = 2;

pub fn measure(bench: &mut Bench) {
    let (database, tokens) = (bench.main_database(), bench.sizes.main());
    for scenario in &SCENARIOS {
        bench.check_answers(&database, scenario, tokens);
    }
    bench.in_turns(SCENARIOS.len(), |bench, repeat, turn| {
        let scenario = &SCENARIOS[turn];
        let rate = bench.rate(&database, scenario, tokens, CLIENTS, bench.options.warm_up());
        bench.measured.record(key(NAME, scenario.name, 0), repeat, rate, "1/s");
    });
}
