//! What changers and verifiers share: the questions that are asked, what was done, and what went wrong.

use super::{
    Stress,
    change::Kind,
    changer::Mode,
    history::{Probe, Violation},
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
    /// The probes of each changer.
    hot: Vec<RwLock<Vec<Arc<Probe>>>>,
    ended: AtomicBool,
    tally: Mutex<Tally>,
}

/// What happened.
#[derive(Clone, Default)]
pub struct Tally {
    /// Committed changes.
    pub changes: u64,
    /// Those that were alone in their transactions.
    pub alone: BTreeMap<Kind, u64>,
    pub modes: BTreeMap<Mode, u64>,
    /// Transactions of changers that failed as they may.
    pub forgiven: u64,
    pub verifications: BTreeMap<Way, u64>,
    pub violations: Vec<Violation>,
    /// Who verifies answers from memory.
    pub remembers: bool,
}

impl Board {
    pub fn for_changers(count: usize) -> Board {
        let hot = (0..count).map(|_| RwLock::default()).collect();
        Board { hot, ended: AtomicBool::new(false), tally: Mutex::default() }
    }

    pub fn show(&self, changer: usize, probes: Vec<Arc<Probe>>) {
        *self.hot[changer].write().expect("no thread panics with it") = probes;
    }

    /// What is to be asked now.
    pub fn hot(&self) -> Vec<Arc<Probe>> {
        self.hot.iter().flat_map(|probes| probes.read().expect("no thread panics with it").clone()).collect()
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

    /// There was as much of everything as there had to be, and each verifier verified so often.
    pub fn assert_not_in_vain(&self, stress: &Stress, verifications: u64) {
        assert!(stress.is_enough(self), "{self}");
        assert!(self.remembers, "nothing is remembered");
        for way in stress.verifiers {
            assert!(self.verifications.get(way).is_some_and(|count| *count >= verifications), "{way:?}: {self}");
        }
    }

    /// How many wrong answers know nothing of a change of each kind.
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
