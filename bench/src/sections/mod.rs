//! The sections in the order of measurement. Those that change the tokens come last.

pub mod changes;
pub mod connections;
pub mod deletion;
pub mod domains;
pub mod growth;
pub mod idle;
pub mod in_loop;
pub mod list;
pub mod management;
pub mod socket;

use crate::bench::Bench;

pub struct Section {
    pub name: &'static str,
    pub title: &'static str,
    pub measure: fn(&mut Bench),
}

pub const ALL: &[Section] = &[
    Section { name: socket::NAME, title: "rates over a socket", measure: socket::measure },
    Section { name: in_loop::NAME, title: "microseconds a call in a loop", measure: in_loop::measure },
    Section { name: connections::NAME, title: "more connections", measure: connections::measure },
    Section { name: domains::NAME, title: "more domains on a token", measure: domains::measure },
    Section { name: growth::NAME, title: "more tokens", measure: growth::measure },
    Section { name: list::NAME, title: "pages of the list of tokens", measure: list::measure },
    Section { name: changes::NAME, title: "while tokens change", measure: changes::measure },
    Section { name: management::NAME, title: "create, reset", measure: management::measure },
    Section { name: idle::NAME, title: "pause beside idle backends", measure: idle::measure },
    Section { name: deletion::NAME, title: "while expired tokens are removed", measure: deletion::measure },
];
