//! Expired tokens that could not be removed, and the warning about them.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use serde::{Deserialize, Serialize};

use super::counted;
use crate::error::redacted;
use crate::pg::error_fields::ErrorFields;
use crate::pg::subtransaction::Failure;

/// The most reasons that are listed.
const MAX_REASONS: usize = 4;

/// The most bytes of the text of a reason.
const MAX_TEXT: usize = 250;

/// The weight of a token whose deletion takes long: up to two seconds, where another failure takes less than a millisecond.
const SLOW_WEIGHT: u32 = 50;

/// Expired tokens that could not be removed, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldTokens {
    pub count: u32,
    /// The count, with a token whose deletion takes long counted as [`SLOW_WEIGHT`].
    pub weight: u32,
    reasons: Vec<CountedReason>,
    /// The number of tokens whose reason is not listed.
    others: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CountedReason {
    count: u32,
    reason: HoldReason,
    text: String,
}

/// Why a token could not be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldReason {
    /// Rows of another table refer to it. The text names the table.
    Referenced,
    /// Another session has locked it, or rows that are deleted with it.
    Locked,
    /// A trigger kept it without an error.
    KeptByTrigger,
    /// Its deletion would take too long.
    Slow,
    /// Another error with this SQLSTATE. The text is the message of the first of these errors: a trigger may raise another
    /// message for each row.
    Failed(i32),
}

impl HeldTokens {
    /// Adds tokens with the same reason.
    pub fn add(&mut self, count: u32, reason: HoldReason, text: &str) {
        let text = &text[..text.floor_char_boundary(MAX_TEXT)];
        self.count += count;
        self.weight += if reason == HoldReason::Slow { count * SLOW_WEIGHT } else { count };
        let is_same = |listed: &CountedReason| {
            listed.reason == reason && (matches!(reason, HoldReason::Failed(_)) || listed.text == text)
        };
        match self.reasons.iter().position(is_same) {
            Some(index) => self.reasons[index].count += count,
            None if self.reasons.len() < MAX_REASONS => {
                self.reasons.push(CountedReason { count, reason, text: text.to_string() });
            }
            None => self.others += count,
        }
    }

    /// Adds a token that could not be deleted.
    pub fn add_failure(&mut self, failure: &Failure) {
        let fields = ErrorFields::of_last_error();
        let (reason, text) = match failure.code {
            PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION => {
                let fields = fields.filter(|fields| !fields.table().is_empty());
                let named = fields.map(|fields| {
                    redacted(&format!("{}.{} (foreign key {})", fields.schema(), fields.table(), fields.constraint()))
                });
                (HoldReason::Referenced, named.unwrap_or_else(|| redacted(&failure.message)))
            }
            PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED => {
                (HoldReason::Locked, String::new())
            }
            PgSqlErrorCode::ERRCODE_QUERY_CANCELED => (HoldReason::Slow, String::new()),
            code => (HoldReason::Failed(code as i32), redacted(&failure.message)),
        };
        self.add(1, reason, &text);
    }

    /// Adds all of `other`.
    pub fn add_all(&mut self, other: &Self) {
        other.reasons.iter().for_each(|listed| self.add(listed.count, listed.reason, &listed.text));
        self.count += other.others;
        self.weight += other.others;
        self.others += other.others;
    }

    /// Warns of these tokens.
    pub fn warn(&self, database: Option<&str>) {
        let place = database.map_or(String::new(), |name| format!(" of database \"{name}\""));
        let message =
            format!("token_auth: {}{place} could not be removed", counted(self.count.into(), "expired token"));
        let mut details = Vec::new();
        let mut hints = Vec::new();
        for listed in &self.reasons {
            let (why, hint) = explain(listed.reason, &listed.text);
            details.push(format!("{}: {why}", listed.count));
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        if self.others > 0 {
            details.push(format!("{}: other reasons", self.others));
        }
        ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "token_auth")
            .set_detail(format!("{}.", details.join("; ")))
            .set_hint(hints.join(" "))
            .report(PgLogLevel::WARNING);
    }
}

/// Returns a reason in words, and a hint.
fn explain(reason: HoldReason, text: &str) -> (String, &'static str) {
    match reason {
        HoldReason::Referenced => (
            format!("rows refer to them, in {text}"),
            "Declare the foreign key with ON DELETE CASCADE or ON DELETE SET NULL, or delete the rows.",
        ),
        HoldReason::Locked => (
            "other sessions have locked them, or rows that go with them".to_string(),
            "What is locked is tried again in the next round; end transactions that stay open.",
        ),
        HoldReason::KeptByTrigger => (
            "a trigger kept them".to_string(),
            "A BEFORE DELETE trigger on token_auth.token must not return NULL for a token that is to go.",
        ),
        HoldReason::Slow => (
            "their deletion takes too long".to_string(),
            "Create an index on the columns of each foreign key that refers to token_auth.token.",
        ),
        HoldReason::Failed(code) if code == PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as i32 => (
            format!("{} ({text})", sqlstate(code)),
            "Triggers run without rights here: make their functions SECURITY DEFINER, with a search_path of their own.",
        ),
        HoldReason::Failed(code) => (
            format!("{} ({text})", sqlstate(code)),
            "Look at the triggers on token_auth.token, and on the tables whose foreign keys refer to it.",
        ),
    }
}

/// Returns the five characters of an SQLSTATE, of six bits each (`MAKE_SQLSTATE` in utils/elog.h).
fn sqlstate(code: i32) -> String {
    (0..5).map(|index| ((code >> (6 * index) & 0x3f) as u8 + b'0') as char).collect()
}
