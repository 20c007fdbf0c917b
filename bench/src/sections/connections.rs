//! More connections at a time than there are processors.

use super::socket;
use crate::{bench::Bench, measurements::key, scenario::*};

pub const NAME: &str = "connections";

/// Each session has its own cache, so there are few hot tokens.
pub const SCENARIOS: [Scenario; 4] = [
    Scenario { arguments: Arguments::Few, ..EMPTY_ROW },
    Scenario { arguments: Arguments::Few, ..HOT },
    Scenario { arguments: Arguments::FewIds, ..PK_HOT },
    UNIFORM,
];

pub fn measure(bench: &mut Bench) {
    let (database, tokens) = (bench.main_database(), bench.sizes.main());
    for scenario in &SCENARIOS {
        bench.check_answers(&database, scenario, tokens);
    }
    let connections = bench.sizes.connections;
    bench.in_fewer_turns(SCENARIOS.len() * connections.len(), |bench, repeat, turn| {
        let (scenario, clients) = (&SCENARIOS[turn % SCENARIOS.len()], connections[turn / SCENARIOS.len()]);
        // Long enough for each session to verify all hot tokens.
        let more = if scenario.name == HOT.name { clients / (8 * socket::CLIENTS) } else { 0 };
        let warm_up = bench.options.warm_up() + more;
        let rate = bench.rate(&database, scenario, tokens, clients, warm_up);
        bench.measured.record(key(NAME, scenario.name, clients), repeat, rate, "1/s");
    });
}
