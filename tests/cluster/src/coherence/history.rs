//! What a question must be answered, version after version, and who may hear which.
//!
//! A change raises `begun` before its COMMIT is sent and `committed` after it has returned. Whoever asks reads `committed`
//! before the question is sent and `begun` after the answer is there: only the versions from the one to the other are right.

use super::change::Kind;
use crate::digest_hex;
use std::sync::{
    RwLock,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// What is asked about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub scope: Option<&'static str>,
    pub domain: Option<&'static str>,
}

/// A token's secret, a question about it, and what that was answered when.
pub struct Probe {
    pub secret: String,
    pub digest: String,
    pub question: Question,
    versions: RwLock<Vec<Version>>,
    begun: AtomicUsize,
    committed: AtomicUsize,
}

struct Version {
    answer: String,
    /// What made it of the one before.
    change: Option<Kind>,
}

/// The oldest version that an answer to a question asked now may be of.
#[derive(Clone, Copy)]
pub struct Asked(usize);

/// An answer that nobody should have heard.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The changes that it knows nothing of; none where the answer was never right.
    pub missed: Vec<Kind>,
    pub report: String,
}

impl Probe {
    /// A probe whose first version is this answer.
    pub fn new(secret: &str, question: Question, answer: String) -> Probe {
        Probe {
            secret: secret.to_owned(),
            digest: digest_hex(secret),
            question,
            versions: RwLock::new(vec![Version { answer, change: None }]),
            begun: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
        }
    }

    /// To be called before COMMIT is sent. Whether the change is one of this answer.
    pub fn begin(&self, answer: String, change: Kind) -> bool {
        let mut versions = self.versions.write().expect("no thread panics with it");
        if versions.last().is_some_and(|last| last.answer == answer) {
            return false;
        }
        versions.push(Version { answer, change: Some(change) });
        self.begun.store(versions.len() - 1, SeqCst);
        true
    }

    /// To be called after COMMIT has returned.
    pub fn commit(&self) {
        self.committed.store(self.begun.load(SeqCst), SeqCst);
    }

    /// To be called before the question is sent.
    pub fn asked(&self) -> Asked {
        Asked(self.committed.load(SeqCst))
    }

    /// To be called after the answer is there.
    pub fn judge(&self, who: &str, asked: Asked, answer: &str) -> Option<Violation> {
        let newest = self.begun.load(SeqCst);
        let versions = self.versions.read().expect("no thread panics with it");
        if versions[asked.0..=newest].iter().any(|version| version.answer == answer) {
            return None;
        }
        let is_of = versions[..asked.0].iter().rposition(|version| version.answer == answer);
        let since = is_of.map_or(asked.0, |was| was + 1);
        let missed = match is_of {
            Some(_) => versions[since..=asked.0].iter().filter_map(|version| version.change).collect(),
            None => Vec::new(),
        };
        let right: Vec<&str> = versions[asked.0..=newest].iter().map(|version| &*version.answer).collect();
        let report = format!(
            "{who}: {:?} was answered {answer}, which is {}; right were the versions {}..={newest}: {right:?}, made by {:?}",
            self.question,
            is_of.map_or("of no version before".to_owned(), |was| format!("version {was}")),
            asked.0,
            versions[asked.0].change,
        );
        Some(Violation { missed, report })
    }
}
