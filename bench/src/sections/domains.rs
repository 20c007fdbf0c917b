//! Tokens with more and more domains, each verified for one of them by name.

use super::socket::CLIENTS;
use crate::{
    bench::Bench,
    measurements::key,
    scenario::{Arguments, Cache, HOT, Scenario},
    sizes::DOMAINS,
};

pub const NAME: &str = "domains";

pub const SOCKET: &str = "socket";
pub const LOOP: &str = "loop";

const CALL: &str = "token_auth.verify_token(secret, 'email:read', domain)";

pub fn measure(bench: &mut Bench) {
    let (database, tokens) = (bench.main_database(), bench.sizes.main());
    let scenario = |domains| Scenario {
        name: "hot_by_name",
        arguments: Arguments::Domains(domains),
        statements: "SELECT * FROM token_auth.verify_token(:s@, :scope, :domain);",
        ..HOT
    };
    for domains in DOMAINS {
        bench.check_answers(&database, &scenario(domains), tokens);
        bench.check_calls(&database, CALL, &list(domains), Some("ok"));
    }
    bench.in_turns(DOMAINS.len(), |bench, repeat, turn| {
        let domains = DOMAINS[turn];
        let rate = bench.rate(&database, &scenario(domains), tokens, CLIENTS, bench.options.warm_up());
        bench.measured.record(key(NAME, SOCKET, domains), repeat, rate, "1/s");
        let microseconds = bench.microseconds_a_call(&database, CALL, &list(domains), Cache::Default);
        bench.measured.record(key(NAME, LOOP, domains), repeat, microseconds, "us");
    });
}

fn list(domains: u64) -> String {
    format!("bench.list_domains_{domains}")
}
