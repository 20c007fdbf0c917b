//! The versions of the answer to a question, and which of them a session may get.
//!
//! A change raises `begun` before its COMMIT is sent and `committed` after it has returned. A verifier reads `committed`
//! before it sends the question, and `begun` after the answer arrived: only the versions in between are right.

use super::change::Kind;
use crate::digest_hex;
use std::sync::{
    RwLock,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// A question about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub scope: Option<&'static str>,
    pub domain: Option<&'static str>,
}

/// A token's secret, a question about it, and the versions of its answer.
pub struct AnswerHistory {
    pub secret: String,
    pub digest: String,
    pub question: Question,
    versions: RwLock<Vec<Version>>,
    begun: AtomicUsize,
    committed: AtomicUsize,
}

struct Version {
    answer: String,
    /// The change that led to it.
    change: Option<Kind>,
}

/// The oldest version that is a right answer to a question that is asked now.
#[derive(Clone, Copy)]
pub struct Asked(usize);

/// A wrong answer.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The changes that it missed. None if it was never right.
    pub missed: Vec<Kind>,
    pub report: String,
}

impl AnswerHistory {
    /// Returns a history whose first version is this answer.
    pub fn new(secret: &str, question: Question, answer: String) -> AnswerHistory {
        AnswerHistory {
            secret: secret.to_owned(),
            digest: digest_hex(secret),
            question,
            versions: RwLock::new(vec![Version { answer, change: None }]),
            begun: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
        }
    }

    /// Must be called before COMMIT is sent. Returns true if the change affects this answer.
    pub fn begin(&self, answer: String, change: Kind) -> bool {
        let mut versions = self.versions.write().expect("no thread panics with it");
        if versions.last().is_some_and(|last| last.answer == answer) {
            return false;
        }
        versions.push(Version { answer, change: Some(change) });
        self.begun.store(versions.len() - 1, SeqCst);
        true
    }

    /// Must be called after COMMIT has returned.
    pub fn commit(&self) {
        self.committed.store(self.begun.load(SeqCst), SeqCst);
    }

    /// Must be called before the question is sent.
    pub fn asked(&self) -> Asked {
        Asked(self.committed.load(SeqCst))
    }

    /// Must be called after the answer arrived.
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
