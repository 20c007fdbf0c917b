//! The command line.

use std::{env, path::PathBuf, process};

/// The options of the command line.
pub struct Options {
    /// The number of times that everything is measured.
    pub repeats: usize,
    /// The seconds of one measurement over a socket, without its warm-up.
    pub seconds: u64,
    /// Small sizes, to find out whether the benchmark works.
    pub quick: bool,
    /// The folder in which benchmarks.md is written.
    pub out: PathBuf,
    /// The sections to measure. None means all.
    pub only: Vec<String>,
    /// Only check the options, before there is a cluster.
    pub dry_run: bool,
}

const USAGE: &str = "scripts/bench.sh [--repeats N] [--seconds S] [--quick] [--out DIR] [--only NAME,...] [--dry-run]";

impl Options {
    /// Reads the command line. `sections` are the names of all sections. Ends the process if there is a mistake.
    pub fn from_arguments(sections: &[&str]) -> Options {
        Options::parse(env::args().skip(1), sections).unwrap_or_else(|complaint| {
            eprintln!("{complaint}\n{USAGE}\nThe names are: {}", sections.join(", "));
            process::exit(2)
        })
    }

    fn parse(mut arguments: impl Iterator<Item = String>, sections: &[&str]) -> Result<Options, String> {
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
                _ => return Err(format!("{argument} is not an option.")),
            }
        }
        if let Some(name) = options.only.iter().find(|name| !sections.contains(&name.as_str())) {
            return Err(format!("{name} is not a section."));
        }
        let (usual_repeats, usual_seconds) = if options.quick { (1, 1) } else { (9, 3) };
        options.repeats = repeats.unwrap_or(usual_repeats) as usize;
        options.seconds = seconds.unwrap_or(usual_seconds);
        Ok(options)
    }

    /// Returns true if a section is to be measured.
    pub fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == section)
    }

    /// Returns the seconds before a measurement counts: caches fill, and plans become generic.
    pub fn warm_up(&self) -> u64 {
        1
    }
}

fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or(format!("{text} is not a positive number."))
}
