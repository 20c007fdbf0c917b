//! What all sections share: the server, the databases as far as they are needed, and the measurements.

use crate::{
    data,
    measurements::Measurements,
    options::Options,
    server::Server,
    sizes::{Sizes, short},
};
use std::{collections::BTreeMap, time::Instant};

/// Repeats of what is measured less often.
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

    /// The database with so many tokens, which is made when it is first asked for.
    pub fn database(&mut self, tokens: u64) -> String {
        if !self.databases.contains_key(&tokens) {
            let began = Instant::now();
            let name = data::create(&self.server, &self.sizes, tokens);
            println!("    loaded {} tokens in {:.0} s", short(tokens), began.elapsed().as_secs_f64());
            self.databases.insert(tokens, name);
        }
        self.databases[&tokens].clone()
    }

    /// The database in which most is measured.
    pub fn main_database(&mut self) -> String {
        self.database(self.sizes.main())
    }

    /// Has each of `count` things measured once a repeat, in an order that begins with another one each time.
    pub fn in_turns(&mut self, count: usize, measure: impl FnMut(&mut Bench, usize, usize)) {
        self.in_turns_of(self.options.repeats, count, measure);
    }

    /// The same for what no ratio is required of, and takes long.
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
