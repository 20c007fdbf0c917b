//! A stress test of the caches: sessions that change everything that a verification depends on, and sessions that verify. No answer
//! may be from before a change whose COMMIT had returned when the question was asked.

mod board;
pub mod change;
mod changer;
mod history;
mod random;
mod verifier;
mod world;

pub use change::Kind;
pub use changer::Mode;
pub use verifier::{Way, prepare_for_verifiers};

use crate::{Cluster, Sql, seconds};
use board::{Board, Tally};
use changer::Changer;
use history::AnswerHistory;
use std::time::{Duration, Instant};

pub const DATABASE: &str = "app";

/// The sessions, and how much of everything there must be.
pub struct Stress<'a> {
    pub change_on: &'a Cluster,
    pub verify_on: &'a Cluster,
    pub changers: usize,
    pub verifiers: &'a [Way],
    pub kinds: &'a [Kind],
    pub modes: &'a [Mode],
    /// The SQLSTATEs with which a change may fail.
    pub forgiven: &'a [&'a str],
    /// Committed changes.
    pub changes: u64,
    /// Changes of each kind that are alone in their transactions.
    pub alone: u64,
    /// Transactions of each mode.
    pub each_mode: u64,
}

/// After this time the stress test has come to a standstill.
const AT_MOST: Duration = seconds(120);

impl Stress<'_> {
    /// Runs until there was enough of everything.
    pub fn run(&self) -> Tally {
        self.run_while(|| false)
    }

    /// Runs until there was enough of everything and `goes_on` returns false.
    pub fn run_while(&self, mut goes_on: impl FnMut() -> bool) -> Tally {
        let board = Board::for_changers(self.changers);
        let changers: Vec<Changer> = (0..self.changers).map(|number| Changer::new(number, &board, self)).collect();
        let sessions: Vec<_> = self.verifiers.iter().map(|way| (*way, way.session(self.verify_on, DATABASE))).collect();
        std::thread::scope(|threads| {
            let _ends = EndsWithScope(&board);
            let board = &board;
            let changing: Vec<_> = changers
                .into_iter()
                .map(|mut changer| {
                    threads.spawn(move || {
                        let _ends = EndsWithScope(board);
                        while !board.has_ended() {
                            changer.round();
                        }
                    })
                })
                .collect();
            let verifying: Vec<_> = sessions
                .into_iter()
                .map(|(way, session)| {
                    threads.spawn(move || {
                        let _ends = EndsWithScope(board);
                        way.run(session, board);
                    })
                })
                .collect();
            let began = Instant::now();
            while goes_on() || !board.has_ended() && !board.note(|tally| self.is_enough(tally)) {
                assert!(began.elapsed() < AT_MOST, "after {AT_MOST:?}: {}", board.note(|tally| tally.to_string()));
                std::thread::sleep(Duration::from_millis(20));
            }
            board.end();
            for thread in changing.into_iter().chain(verifying) {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
        let uses_cache = self.uses_cache(&board);
        board.note(|tally| {
            tally.uses_cache = uses_cache;
            println!("{tally}");
            tally.clone()
        })
    }

    /// Returns true if a session repeats a verification without a scan of the index on digests.
    fn uses_cache(&self, board: &Board) -> bool {
        let mut session = self.verify_on.connect(DATABASE, "verifier");
        let scans = "pg_stat_get_xact_numscans('token_auth.token_digest_excl'::regclass)";
        let sql = format!("SELECT {scans}, (token_auth.verify_token($1)).code, {scans}");
        let mut looks = |history: &AnswerHistory| {
            let row = session.row(&sql, &[&history.secret]);
            row.get::<_, i64>(0) < row.get::<_, i64>(2)
        };
        board.hot().iter().any(|history| looks(history) && !looks(history))
    }

    fn is_enough(&self, tally: &Tally) -> bool {
        let has = |count: Option<&u64>, at_least: u64| count.copied().unwrap_or_default() >= at_least;
        tally.changes >= self.changes
            && self.kinds.iter().all(|kind| has(tally.alone.get(kind), self.alone))
            && self.modes.iter().all(|mode| has(tally.modes.get(mode), self.each_mode))
    }
}

/// Ends all threads when one ends.
struct EndsWithScope<'a>(&'a Board);

impl Drop for EndsWithScope<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
