//! The command line.

use crate::sections;
use std::{env, path::PathBuf, process};

pub struct Options {
    /// How often everything is measured.
    pub repeats: usize,
    /// How long one measurement over a socket takes, without its warm-up.
    pub seconds: u64,
    /// Small sizes: to see whether the benchmark works, not what it says.
    pub quick: bool,
    /// Where benchmarks.md is written.
    pub out: PathBuf,
    /// The sections to measure; none means all.
    pub only: Vec<String>,
    /// Only to find mistakes in the options, before there is a cluster.
    pub dry_run: bool,
}

const USAGE: &str = "scripts/bench.sh [--repeats N] [--seconds S] [--quick] [--out DIR] [--only NAME,...] [--dry-run]";

impl Options {
    pub fn from_arguments() -> Options {
        Options::parse(env::args().skip(1)).unwrap_or_else(|complaint| {
            let names: Vec<&str> = sections::ALL.iter().map(|section| section.name).collect();
            eprintln!("{complaint}\n{USAGE}\nThe names are: {}", names.join(", "));
            process::exit(2)
        })
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let (mut repeats, mut seconds) = (None, None);
        let mut options =
            Options { repeats: 0, seconds: 0, quick: false, out: "docs".into(), only: Vec::new(), dry_run: false };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value."));
            match argument.as_str() {
                "--repeats" => repeats = Some(at_least_one(&value()?)?),
                "--seconds" => seconds = Some(at_least_one(&value()?)?),
                "--quick" => options.quick = true,
                "--dry-run" => options.dry_run = true,
                "--out" => options.out = value()?.into(),
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                _ => return Err(format!("{argument} is no option.")),
            }
        }
        if let Some(name) = options.only.iter().find(|name| sections::ALL.iter().all(|section| section.name != **name))
        {
            return Err(format!("{name} is no section."));
        }
        let (usual_repeats, usual_seconds) = if options.quick { (1, 1) } else { (9, 3) };
        options.repeats = repeats.unwrap_or(usual_repeats) as usize;
        options.seconds = seconds.unwrap_or(usual_seconds);
        Ok(options)
    }

    pub fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == section)
    }

    /// How long a measurement runs before it counts: caches fill, plans become generic.
    pub fn warm_up(&self) -> u64 {
        1
    }
}

fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or(format!("{text} is not a number from 1 on."))
}
