//! The requirements, and whether the figures reach them.

use super::{number, tables::Table};
use crate::{
    bench::Bench,
    measurements::{Key, key},
    sections::{changes, growth, idle, in_loop, list, socket},
    sizes::short,
};

enum Target {
    AtLeast(f64),
    AtMost(f64),
}

struct Requirement {
    what: String,
    measured: Option<f64>,
    target: Target,
    unit: &'static str,
}

fn requirements(bench: &Bench) -> Vec<Requirement> {
    let measured = &bench.measured;
    let in_loop = |name| key(in_loop::NAME, name, 0);
    let socket = |name| key(socket::NAME, name, 0);
    let more = |what: &str, this, than, microseconds| Requirement {
        what: format!("In a loop: {what}"),
        measured: measured.difference(&in_loop(this), &in_loop(than)),
        target: Target::AtMost(microseconds),
        unit: " µs",
    };
    let ratio = |what: String, this: Key, that: Key, target| Requirement {
        what,
        measured: measured.ratio(&this, &that),
        target,
        unit: "",
    };
    let over_socket = |what: &str, this, that, at_least| {
        ratio(format!("Over a socket: {what}"), socket(this), socket(that), Target::AtLeast(at_least))
    };
    let cold = growth::SCENARIOS[0].name;
    let (smallest, largest) = (bench.sizes.smallest(), bench.sizes.largest());
    let changing = |name| key(changes::NAME, name, 100);
    let idle = |backends| key(idle::NAME, idle::PAUSE, backends);
    let mut all = vec![
        more("hot tokens − empty function with a row", "hot", "empty_row", 1.0),
        more("hot tokens − empty function with NULL", "hot", "empty_null", 1.0),
        more("malformed secrets − empty function with a row", "malformed", "empty_row", 0.3),
        more("malformed secrets − empty function with NULL", "malformed", "empty_null", 0.3),
        over_socket("hot tokens / empty function with a row", "hot", "empty_row", 0.93),
        over_socket("hot tokens / empty function with NULL", "hot", "empty_null", 0.93),
        over_socket("hot tokens / SELECT of one column by primary key, of the same", "hot", "pk_hot", 1.3),
        over_socket("hot tokens / SELECT of one column by primary key, of all tokens", "hot", "pk", 1.3),
        over_socket("hot tokens / SELECT of a verification's columns by primary key", "hot", "pk_row", 1.3),
        over_socket("all tokens with a small cache / SELECT of one column", "uniform_small_cache", "pk", 0.9),
        over_socket(
            "all tokens with a small cache / SELECT of a verification's columns",
            "uniform_small_cache",
            "pk_row",
            0.9,
        ),
        over_socket("hot tokens / the same in PL/pgSQL", "hot", "plpgsql", 1.8),
        over_socket("hot tokens / lookup, then UPDATE", "hot", "lookup_update", 10.0),
        ratio(
            format!("Cache off, all tokens: {} tokens / {}", short(largest), short(smallest)),
            key(growth::NAME, cold, largest),
            key(growth::NAME, cold, smallest),
            Target::AtLeast(0.8),
        ),
        ratio(
            "Hot tokens while 100 tokens a second change / while 100 other rows do".into(),
            changing(changes::TOKENS),
            changing(changes::UNRELATED),
            Target::AtLeast(0.9),
        ),
        ratio(
            format!("Time of `pause_token` beside {} idle backends / beside none", bench.sizes.idle_backends),
            idle(bench.sizes.idle_backends as u64),
            idle(0),
            Target::AtMost(2.0),
        ),
    ];
    all.extend(list::PAGES.iter().map(|page| Requirement {
        what: format!("A page of the list of tokens: {}", page.label),
        measured: measured.median(&key(list::NAME, page.name, 0)),
        target: Target::AtMost(1.0),
        unit: " ms",
    }));
    all
}

pub fn table(bench: &Bench) -> Table {
    let mut table = Table::new(&["required", "target", "measured", "reached"]);
    for Requirement { what, measured, target, unit } in requirements(bench) {
        let (sign, bound) = match target {
            Target::AtLeast(bound) => ("≥", bound),
            Target::AtMost(bound) => ("≤", bound),
        };
        let reached = measured.map_or("not measured", |value| match target {
            Target::AtLeast(bound) if value >= bound => "yes",
            Target::AtMost(bound) if value <= bound => "yes",
            _ => "**no**",
        });
        let value = measured.map_or("–".into(), |value| format!("{}{unit}", number(value)));
        table.row(vec![what, format!("{sign} {bound}{unit}"), value, reached.into()]);
    }
    table
}
