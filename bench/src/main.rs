//! `make bench`: the cost of a verification, compared with alternatives.
//!
//! Everything that is compared is measured in turns within a repeat. A ratio is the median of the ratios of the repeats, so
//! that other load on the machine affects both sides. scripts/bench.sh starts the cluster and removes it.

mod bench;
mod data;
mod empty;
mod measurements;
mod one_processor;
mod options;
mod pgbench;
mod random;
mod report;
mod scenario;
mod sections;
mod server;
mod sizes;

use bench::Bench;
use options::Options;
use std::time::Instant;

fn main() {
    let names: Vec<&str> = sections::ALL.iter().map(|section| section.name).collect();
    let options = Options::from_arguments(&names);
    if options.dry_run {
        return;
    }
    let start = Instant::now();
    let mut bench = Bench::new(options);
    for section in sections::ALL {
        if bench.options.wants(section.name) {
            let began = Instant::now();
            println!("==> {}: {}", section.name, section.title);
            (section.measure)(&mut bench);
            println!("    done in {:.0} s", began.elapsed().as_secs_f64());
            // Written after each section, so that a later failure loses nothing.
            report::write(&bench, start.elapsed());
        }
    }
    println!("\n{}", report::required(&bench));
}
