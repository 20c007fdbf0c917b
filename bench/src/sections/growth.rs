//! The same verifications in databases with more and more tokens.

use super::socket::CLIENTS;
use crate::{bench::Bench, data, measurements::key, scenario::*};

pub const NAME: &str = "growth";

pub const SCENARIOS: [Scenario; 3] = [UNIFORM_CACHE_OFF, PK, HOT];

pub fn measure(bench: &mut Bench) {
    let mut turns = Vec::new();
    for tokens in bench.sizes.databases {
        let database = bench.database(tokens);
        data::into_memory(&bench.server, &database);
        for scenario in SCENARIOS {
            bench.check_answers(&database, &scenario, tokens);
            turns.push((tokens, database.clone(), scenario));
        }
    }
    bench.in_turns(turns.len(), |bench, repeat, turn| {
        let (tokens, database, scenario) = &turns[turn];
        let rate = bench.rate(database, scenario, *tokens, CLIENTS, bench.options.warm_up());
        bench.measured.record(key(NAME, scenario.name, *tokens), repeat, rate, "1/s");
    });
}
