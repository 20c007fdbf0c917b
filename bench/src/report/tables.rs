//! The tables of the page.

use super::number;
use crate::{
    bench::Bench,
    measurements::key,
    sections::{changes, connections, deletion, domains, growth, idle, in_loop, list, management, socket},
    sizes::{DOMAINS, short},
};
use std::fmt;

/// A Markdown table. All columns except the first are numbers.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Table {
        Table { header: header.iter().map(|title| (*title).to_owned()).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.header.len(), "{cells:?}");
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.header.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(self.header.len() - 1))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// Returns a measured number, or a dash.
fn cell(value: Option<f64>) -> String {
    value.map_or("–".into(), number)
}

pub fn socket(bench: &Bench) -> Table {
    let mut table = Table::new(&["call", "a second", "of the empty function with a row"]);
    let empty = key(socket::NAME, "empty_row", 0);
    for scenario in &socket::SCENARIOS {
        let this = key(socket::NAME, scenario.name, 0);
        let (rate, ratio) = (bench.measured.median(&this), bench.measured.ratio(&this, &empty));
        table.row(vec![scenario.label.into(), cell(rate), cell(ratio)]);
    }
    table
}

pub fn in_loop(bench: &Bench) -> Table {
    let mut table = Table::new(&["called", "µs", "more than the empty function with a row, µs"]);
    let empty = key(in_loop::NAME, "empty_row", 0);
    for called in &in_loop::LOOPS {
        let this = key(in_loop::NAME, called.name, 0);
        let (took, more) = (bench.measured.median(&this), bench.measured.difference(&this, &empty));
        table.row(vec![called.label.into(), cell(took), cell(more)]);
    }
    table
}

pub fn growth(bench: &Bench) -> Table {
    let sizes = bench.sizes.databases;
    let titles: Vec<String> = sizes.iter().map(|tokens| format!("{} tokens", short(*tokens))).collect();
    let last = format!("{} / {}", short(bench.sizes.largest()), short(bench.sizes.smallest()));
    let mut header = vec!["call, a second"];
    header.extend(titles.iter().map(String::as_str));
    header.push(&last);
    let mut table = Table::new(&header);
    for scenario in &growth::SCENARIOS {
        let at = |tokens| key(growth::NAME, scenario.name, tokens);
        let mut row = vec![scenario.label.to_owned()];
        row.extend(sizes.map(|tokens| cell(bench.measured.median(&at(tokens)))));
        row.push(cell(bench.measured.ratio(&at(bench.sizes.largest()), &at(bench.sizes.smallest()))));
        table.row(row);
    }
    table
}

pub fn connections(bench: &Bench) -> Table {
    let mut header = vec!["connections".to_owned()];
    header.extend(connections::SCENARIOS.iter().map(|scenario| scenario.label.to_owned()));
    header.push("hot / empty".into());
    let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for clients in bench.sizes.connections {
        let at = |name| key(connections::NAME, name, *clients);
        let mut row = vec![clients.to_string()];
        row.extend(connections::SCENARIOS.iter().map(|scenario| cell(bench.measured.median(&at(scenario.name)))));
        row.push(cell(bench.measured.ratio(&at("hot"), &at("empty_row"))));
        table.row(row);
    }
    table
}

pub fn domains(bench: &Bench) -> Table {
    let mut table = Table::new(&["domains of the token", "a second, over a socket", "µs a call in a loop"]);
    for count in DOMAINS {
        let at = |name| bench.measured.median(&key(domains::NAME, name, count));
        table.row(vec![number_of(count), cell(at(domains::SOCKET)), cell(at(domains::LOOP))]);
    }
    table
}

pub fn list(bench: &Bench) -> Table {
    let mut table = Table::new(&["page", "ms"]);
    for page in &list::PAGES {
        table.row(vec![page.label.into(), cell(bench.measured.median(&key(list::NAME, page.name, 0)))]);
    }
    table
}

pub fn changes(bench: &Bench) -> Table {
    let mut table = Table::new(&[
        "changes a second",
        "verifications while tokens change",
        "tokens changed",
        "verifications while other rows change",
        "rows changed",
        "ratio",
    ]);
    for wanted in bench.sizes.changes {
        let at = |name| key(changes::NAME, name, *wanted);
        let median = |name| cell(bench.measured.median(&at(name)));
        table.row(vec![
            number_of(*wanted),
            median(changes::TOKENS),
            median(changes::TOKENS_CHANGED),
            median(changes::UNRELATED),
            median(changes::UNRELATED_CHANGED),
            cell(bench.measured.ratio(&at(changes::TOKENS), &at(changes::UNRELATED))),
        ]);
    }
    table
}

pub fn management(bench: &Bench) -> Table {
    let mut table = Table::new(&["what", "time", "a second"]);
    for statement in &management::ONE_AT_A_TIME {
        let milliseconds = bench.measured.median(&key(management::NAME, statement.name, 0));
        let label = format!("{}, one at a time", statement.label);
        table.row(vec![label, with_unit(milliseconds, "ms"), cell(milliseconds.map(|took| 1e3 / took))]);
    }
    let many = bench.sizes.at_once;
    let seconds = bench.measured.median(&key(management::NAME, management::AT_ONCE, many));
    let label = format!("`create_token`, {} in one statement", number_of(many));
    table.row(vec![label, with_unit(seconds, "s"), cell(seconds.map(|took| many as f64 / took))]);
    table
}

pub fn idle(bench: &Bench) -> Table {
    let mut table = Table::new(&["idle backends", "`pause_token`, ms"]);
    for count in [0, bench.sizes.idle_backends as u64] {
        let milliseconds = bench.measured.median(&key(idle::NAME, idle::PAUSE, count));
        table.row(vec![number_of(count), cell(milliseconds)]);
    }
    table
}

pub fn deletion(bench: &Bench) -> Table {
    let mut table = Table::new(&["a verification, µs", "p50", "p99"]);
    for (label, names) in [("before", deletion::BEFORE), ("while the worker removes tokens", deletion::DURING)] {
        let at = |name| cell(bench.measured.median(&key(deletion::NAME, name, 0)));
        table.row(vec![label.into(), at(names[0]), at(names[1])]);
    }
    table
}

/// Returns the seconds that the worker took.
pub fn worker_seconds(bench: &Bench) -> String {
    let worker = key(deletion::NAME, deletion::WORKER, bench.sizes.expired);
    cell(bench.measured.median(&worker))
}

pub fn number_of(count: u64) -> String {
    if count < 1_000 { count.to_string() } else { number(count as f64) }
}

fn with_unit(value: Option<f64>, unit: &str) -> String {
    value.map_or("–".into(), |value| format!("{} {unit}", number(value)))
}
