//! The removal of tokens that expired longer ago than their profile keeps them.
//!
//! A sweep walks down the due tokens, the latest expiry first, and deletes them in batches, each part of a batch in a
//! subtransaction. A token that cannot be deleted (a foreign key without ON DELETE, a trigger, a lock, a publication) stops
//! only itself: the part is made smaller until it contains that token alone, and the walk continues behind it.

mod due;
mod held;

use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::pg_extern;
use serde::{Deserialize, Serialize};

pub use self::due::Position;
pub use self::held::{HeldTokens, HoldReason};
use crate::error::{ArgumentError, guarded};
use crate::permission::check_not_token;
use crate::pg::guc::LocalGuc;
use crate::pg::spi::Query;
use crate::pg::{subtransaction, xact};

/// The most tokens that one statement deletes: many enough to be fast, and few enough to hold no lock for long.
pub const MAX_BATCH: i64 = 1000;

/// How long the deletion of a token waits for a lock of another session.
const LOCK_TIMEOUT: &CStr = c"50ms";

#[pg_extern(sql = false)]
fn sweep(max_tokens: Option<i64>) -> i64 {
    guarded(|| {
        let limit = max_tokens.unwrap_or(i64::MAX);
        if limit <= 0 {
            return Err(ArgumentError::BadLimit.into());
        }
        check_not_token("remove expired tokens")?;
        xact::check_not_read_only(c"sweep()");
        let mut walk = Walk::from(Position::TOP, MAX_BATCH, Position::TOP);
        while walk.removed < limit && !walk.is_over() {
            walk.batch(MAX_BATCH.min(limit - walk.removed), None);
        }
        if walk.held.count > 0 {
            walk.held.warn(None);
        }
        Ok(walk.removed)
    })
}

/// A walk down the due tokens.
pub struct Walk {
    /// The tokens above were tried. `None` at the end.
    position: Option<Position>,
    /// The number of tokens that are deleted together: fewer if some of them cannot be deleted, or take long.
    pub part_size: i64,
    /// Down to this position each token has a batch of its own: at one of them a worker had to be terminated.
    single_until: Position,
    pub removed: i64,
    pub held: HeldTokens,
}

/// The time limits of a batch in a background worker.
#[derive(Clone, Copy)]
pub struct TimeLimits {
    /// Several tokens that take longer than this are tried again in smaller parts.
    pub part: Duration,
    /// No part begins after this.
    pub last_begin: Instant,
    /// A single token whose deletion has not ended by then is held.
    pub end: Instant,
    /// Is called with an attempt before it begins, in case it never ends, and with `None` after it.
    pub record: fn(Option<Attempt>),
}

/// Tokens that are deleted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The position of the last of them.
    pub last: Position,
    pub size: i64,
}

impl TimeLimits {
    /// Returns the limit of a part of `size` tokens, or `None` if it must not begin any more.
    fn of_part(&self, size: i64) -> Option<Duration> {
        let now = Instant::now();
        let left = self.end.checked_duration_since(now)?;
        (now < self.last_begin).then(|| if size == 1 { left } else { left.min(self.part) })
    }
}

/// The most subtransactions of a worker's transaction: as many as PostgreSQL caches (PGPROC_MAX_CACHED_SUBXIDS). More would
/// make all snapshots slower.
const MAX_PARTS: usize = 60;

/// In a worker a deferred trigger would fire at COMMIT, outside its security-restricted operation.
static CONSTRAINTS_IMMEDIATE: Query = Query::as_caller("SET CONSTRAINTS ALL IMMEDIATE");

/// A part that takes no longer is followed by one of twice the size.
const QUICK: Duration = Duration::from_millis(100);

impl Walk {
    /// Begins a walk below a position.
    pub fn from(position: Position, part_size: i64, single_until: Position) -> Self {
        Self { position: Some(position), part_size, single_until, removed: 0, held: HeldTokens::default() }
    }

    /// Returns true if there are no more due tokens.
    pub fn is_over(&self) -> bool {
        self.position.is_none()
    }

    /// Returns the position to continue from, or [`Position::END`].
    pub fn position(&self) -> Position {
        self.position.unwrap_or(Position::END)
    }

    /// Tries the next tokens, at most `count`.
    pub fn batch(&mut self, count: i64, limits: Option<TimeLimits>) {
        let Some(from) = self.position else { return };
        // Tokens that were deleted must be committed before the next attempt may end the process.
        let is_single = self.single_until < from && self.single_until != Position::TOP;
        let count = if is_single { 1 } else { count };
        let (due, next) = due::lock_next(from, count);
        let _lock_timeout = LocalGuc::set(c"lock_timeout", LOCK_TIMEOUT);
        let mut rest = &due[..];
        let mut parts = 0;
        while !rest.is_empty() {
            // A worker tries the rest in another transaction.
            if limits.is_some() && parts == MAX_PARTS {
                return;
            }
            parts += 1;
            let size = self.part_size.clamp(1, rest.len() as i64);
            let (part, after) = rest.split_at(size as usize);
            let limit = limits.as_ref().map(|limits| limits.of_part(size));
            if limit == Some(None) {
                return;
            }
            let last = part.last().map(|last| last.position);
            let record = |attempt| limits.iter().for_each(|limits| (limits.record)(attempt));
            record(last.map(|last| Attempt { last, size }));
            let began = Instant::now();
            let result = subtransaction::run(limit.flatten(), || {
                // A trigger of an earlier part may have changed it.
                if limits.is_some() {
                    CONSTRAINTS_IMMEDIATE.execute(&[]);
                }
                due::delete(part)
            });
            record(None);
            match result {
                Ok(deleted) => {
                    self.removed += deleted;
                    let not_deleted = size - deleted;
                    if not_deleted > 0 {
                        self.held.add(not_deleted as u32, HoldReason::KeptByTrigger, "");
                    }
                    if began.elapsed() < QUICK && !is_single {
                        self.part_size = (2 * self.part_size).min(MAX_BATCH);
                    }
                }
                // The same tokens are tried again in smaller parts.
                Err(_) if size > 1 => {
                    self.part_size = (size / 5).max(1);
                    continue;
                }
                Err(failure) => self.held.add_failure(&failure),
            }
            rest = after;
            self.position = last;
        }
        self.position = next;
    }
}

/// Returns `1 thing` or `2 things`.
pub fn counted(count: i64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
