//! `make bench`: what a verification costs, beside what else an application could do.
//!
//! Everything that is compared is measured in turns within a repeat, and a ratio is the median of the ratios of the
//! repeats: what the machine does besides hits both sides. scripts/bench.sh starts the cluster and removes it.

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
    let options = Options::from_arguments();
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
            // After each: what was measured is not lost if a later one fails.
            report::write(&bench, start.elapsed());
        }
    }
    println!("\n{}", report::required(&bench));
}
