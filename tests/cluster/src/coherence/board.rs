//! The state that changers and verifiers share: the histories, the counts, and the wrong answers.

use super::{
    Stress,
    change::Kind,
    changer::Mode,
    history::{AnswerHistory, Violation},
    verifier::Way,
};
use std::{
    collections::BTreeMap,
    fmt::{Display, Formatter},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

pub struct Board {
    /// The histories of each changer.
    hot: Vec<RwLock<Vec<Arc<AnswerHistory>>>>,
    ended: AtomicBool,
    tally: Mutex<Tally>,
}

/// The counts.
#[derive(Clone, Default)]
pub struct Tally {
    /// Committed changes.
    pub changes: u64,
    /// Changes that were alone in their transactions.
    pub alone: BTreeMap<Kind, u64>,
    pub modes: BTreeMap<Mode, u64>,
    /// Transactions that failed with a forgiven error.
    pub forgiven: u64,
    pub verifications: BTreeMap<Way, u64>,
    pub violations: Vec<Violation>,
    /// A session verifies from its cache.
    pub uses_cache: bool,
}

impl Board {
    pub fn for_changers(count: usize) -> Board {
        let hot = (0..count).map(|_| RwLock::default()).collect();
        Board { hot, ended: AtomicBool::new(false), tally: Mutex::default() }
    }

    pub fn show(&self, changer: usize, histories: Vec<Arc<AnswerHistory>>) {
        *self.hot[changer].write().expect("no thread panics with it") = histories;
    }

    /// Returns the histories to verify now.
    pub fn hot(&self) -> Vec<Arc<AnswerHistory>> {
        self.hot.iter().flat_map(|histories| histories.read().expect("no thread panics with it").clone()).collect()
    }

    pub fn note<T>(&self, add: impl FnOnce(&mut Tally) -> T) -> T {
        add(&mut self.tally.lock().expect("no thread panics with it"))
    }

    pub fn violated(&self, violation: Violation) {
        self.note(|tally| tally.violations.push(violation));
    }

    pub fn end(&self) {
        self.ended.store(true, SeqCst);
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }
}

impl Tally {
    pub fn assert_never_stale(&self) {
        let shown: Vec<&str> = self.violations.iter().take(5).map(|violation| &*violation.report).collect();
        assert!(
            self.violations.is_empty(),
            "{} wrong answers, by changes missed: {:?}; such as:\n{}",
            self.violations.len(),
            self.missed(),
            shown.join("\n")
        );
    }

    /// Asserts that there was enough of everything, and that each verifier verified this often.
    pub fn assert_not_in_vain(&self, stress: &Stress, verifications: u64) {
        assert!(stress.is_enough(self), "{self}");
        assert!(self.uses_cache, "nothing is cached");
        for way in stress.verifiers {
            assert!(self.verifications.get(way).is_some_and(|count| *count >= verifications), "{way:?}: {self}");
        }
    }

    /// Returns the number of wrong answers that missed a change of each kind.
    pub fn missed(&self) -> BTreeMap<Kind, u64> {
        let mut missed = BTreeMap::new();
        for kind in self.violations.iter().flat_map(|violation| &violation.missed) {
            *missed.entry(*kind).or_default() += 1;
        }
        missed
    }
}

impl Display for Tally {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        write!(
            to,
            "{} changes, {} forgiven; alone: {:?}; transactions: {:?}; verifications: {:?}; wrong answers: {}",
            self.changes,
            self.forgiven,
            self.alone,
            self.modes,
            self.verifications,
            self.violations.len()
        )
    }
}
