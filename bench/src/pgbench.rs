//! pgbench: running it, and reading its output.

use crate::{
    one_processor::pin,
    server::{Server, check},
};
use cluster::Sql as _;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A run of a script.
pub struct Run<'a> {
    pub database: &'a str,
    pub script: &'a Path,
    pub clients: u64,
    /// The seconds before it counts.
    pub warm_up: u64,
    pub seconds: u64,
    /// The settings of the sessions, as in PGOPTIONS.
    pub options: &'a str,
    /// Transactions a second, if they are limited.
    pub rate: Option<f64>,
}

/// A run in progress.
pub struct Running {
    processes: Vec<(Command, Child)>,
}

impl Run<'_> {
    /// Starts a run. If there are enough processors, each client shares one with its backend: see `one_processor.rs`.
    pub fn start(&self, server: &Server) -> Running {
        if self.rate.is_some() || self.clients > processors() {
            return Running { processes: vec![self.start_clients(server, self.clients, "pgbench")] };
        }
        let name = |processor| format!("pgbench {processor}");
        let processes: Vec<_> =
            (0..self.clients).map(|processor| self.start_clients(server, 1, &name(processor))).collect();
        for (processor, (_, client)) in processes.iter().enumerate() {
            pin(processor, &client.id().to_string());
            pin(processor, &backend_of(server, &name(processor as u64)).to_string());
        }
        Running { processes }
    }

    fn start_clients(&self, server: &Server, clients: u64, name: &str) -> (Command, Child) {
        let mut command = server.program("pgbench", self.options);
        command.env("PGAPPNAME", name);
        command.args(["--no-vacuum", "--protocol=prepared", "--define=scope=email:read"]);
        command.arg(format!("--client={clients}")).arg(format!("--jobs={}", clients.min(2)));
        command.arg(format!("--time={}", self.warm_up + self.seconds)).arg(format!("--progress={}", self.warm_up));
        command.arg("--file").arg(self.script).args(self.rate.map(|rate| format!("--rate={rate}")));
        command.arg(self.database).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        (command, process)
    }

    /// Waits for its end and returns the transactions a second after the warm-up.
    pub fn rate(&self, server: &Server) -> f64 {
        self.start(server).rate()
    }
}

/// Returns the number of processors.
fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// Returns the server process of the client with this name.
fn backend_of(server: &Server, name: &str) -> i32 {
    let mut admin = server.admin();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let pids: Vec<i32> = admin.list("SELECT pid FROM pg_stat_activity WHERE application_name = $1", &[&name]);
        match pids[..] {
            [pid] => return pid,
            _ => assert!(Instant::now() < deadline, "{name} has {} backends", pids.len()),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Running {
    pub fn rate(self) -> f64 {
        let rate_of = |(command, process): (Command, Child)| {
            let output = check(&command, process.wait_with_output().expect("a child of ours"));
            let text = [output.stderr, output.stdout].concat();
            let text = String::from_utf8_lossy(&text);
            rate_after_warm_up(&text).unwrap_or_else(|| panic!("{command:?} printed\n{text}"))
        };
        self.processes.into_iter().map(rate_of).sum()
    }
}

/// Returns the transactions a second without those before the first progress report.
fn rate_after_warm_up(text: &str) -> Option<f64> {
    let number_after = |line: &str, words: &str| -> Option<f64> {
        let rest = &line[line.find(words)? + words.len()..];
        rest.split_whitespace().next()?.trim_end_matches(',').parse().ok()
    };
    let find = |words: &str| text.lines().find_map(|line| number_after(line, words));
    let transactions = find("transactions actually processed: ")?;
    if find("number of failed transactions: ").is_some_and(|failed| failed > 0.0) {
        return None;
    }
    // At a low rate a run can end before its first progress report, and needs no warm-up.
    let Some(progress) = text.lines().find(|line| line.starts_with("progress: ")) else {
        return Some(transactions / find("duration: ")?);
    };
    let (warm_up, rate_then) = (number_after(progress, "progress: ")?, number_after(progress, " s, ")?);
    let rate = find("tps = ")?;
    let seconds = transactions / rate;
    Some((transactions - warm_up * rate_then) / (seconds - warm_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "pgbench (15.20)\n\
        progress: 2.0 s, 100.0 tps, lat 1.3 ms stddev 0.4, 0 failed\n\
        progress: 4.0 s, 200.0 tps, lat 1.3 ms stddev 0.4, 0 failed\n\
        number of transactions actually processed: 800\n\
        number of failed transactions: 0 (0.000%)\n\
        initial connection time = 3.1 ms\n\
        tps = 160.000000 (without initial connection time)\n";

    #[test]
    fn the_warm_up_does_not_count() {
        // 800 in 5 seconds, of which 200 in the first 2.
        assert_eq!(rate_after_warm_up(PRINTED), Some(200.0));
    }

    #[test]
    fn a_run_without_a_report_of_progress_has_no_warm_up() {
        let printed =
            |transactions| format!("duration: 2 s\nnumber of transactions actually processed: {transactions}\n");
        assert_eq!(rate_after_warm_up(&printed(0)), Some(0.0));
        assert_eq!(rate_after_warm_up(&printed(1)), Some(0.5));
    }

    #[test]
    fn a_run_with_failures_has_no_rate() {
        assert_eq!(rate_after_warm_up(&PRINTED.replace("failed transactions: 0", "failed transactions: 1")), None);
        assert_eq!(rate_after_warm_up("pgbench: error"), None);
    }
}
