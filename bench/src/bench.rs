//! The state that all sections share: the server, the databases, and the measurements.

use crate::{
    data,
    measurements::Measurements,
    options::Options,
    server::Server,
    sizes::{Sizes, short},
};
use std::{collections::BTreeMap, time::Instant};

/// The repeats of sections that are measured less often.
pub const FEWER: usize = 5;

pub struct Bench {
    pub options: Options,
    pub sizes: Sizes,
    pub server: Server,
    pub measured: Measurements,
    databases: BTreeMap<u64, String>,
}

impl Bench {
    pub fn new(options: Options) -> Bench {
        let server = Server::from_environment();
        Bench {
            sizes: if options.quick { Sizes::quick() } else { Sizes::full() },
            options,
            server,
            measured: Measurements::default(),
            databases: BTreeMap::new(),
        }
    }

    /// Returns the database with this many tokens. It is created when it is first used.
    pub fn database(&mut self, tokens: u64) -> String {
        if !self.databases.contains_key(&tokens) {
            let began = Instant::now();
            let name = data::create(&self.server, &self.sizes, tokens);
            println!("    loaded {} tokens in {:.0} s", short(tokens), began.elapsed().as_secs_f64());
            self.databases.insert(tokens, name);
        }
        self.databases[&tokens].clone()
    }

    /// Returns the database in which most is measured.
    pub fn main_database(&mut self) -> String {
        self.database(self.sizes.main())
    }

    /// Measures each of `count` scenarios once in each repeat. Each repeat begins with another one.
    pub fn in_turns(&mut self, count: usize, measure: impl FnMut(&mut Bench, usize, usize)) {
        self.in_turns_of(self.options.repeats, count, measure);
    }

    /// Measures in fewer repeats, for sections that take long and have no required ratio.
    pub fn in_fewer_turns(&mut self, count: usize, measure: impl FnMut(&mut Bench, usize, usize)) {
        self.in_turns_of(self.options.repeats.min(FEWER), count, measure);
    }

    fn in_turns_of(&mut self, repeats: usize, count: usize, mut measure: impl FnMut(&mut Bench, usize, usize)) {
        for repeat in 0..repeats {
            for place in 0..count {
                measure(self, repeat, (repeat + place) % count);
            }
            if repeats > 1 {
                println!("    repeat {} of {repeats}", repeat + 1);
            }
        }
    }
}
