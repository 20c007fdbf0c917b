//! Removing tokens that expired longer ago than their profile keeps them.
//!
//! A sweep walks down the tokens that are due, the latest expiry first, and deletes them in batches, each part of a batch in a
//! subtransaction of its own. A token that cannot go (a foreign key without ON DELETE, a trigger, a lock, a publication)
//! holds up itself alone: the part is made smaller until that token is alone in it, and the walk goes on behind it.

use std::collections::HashSet;
use std::time::{Duration, Instant as Clock};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_extern};

use crate::error::{Error, guarded, redacted};
use crate::permission;
use crate::pg::datum::Timestamp;
use crate::pg::error_fields::ErrorFields;
use crate::pg::server;
use crate::pg::shmem::{Attempt, HeldTokens, HoldReason, Position};
use crate::pg::spi::{Query, ResultRow};
use crate::pg::subtransaction::{self, Failure};
use crate::pg::user::LocalSetting;

/// How many tokens one statement removes: enough to be quick, few enough to hold no lock for long.
pub const BATCH: i64 = 1000;

/// How long the deletion of a token waits for somebody's lock on what goes with it.
const LOCK_TIMEOUT: &std::ffi::CStr = c"50ms";

#[pg_extern(sql = false)]
fn sweep(max_tokens: Option<i64>) -> i64 {
    guarded(|| {
        let wanted = max_tokens.unwrap_or(i64::MAX);
        if wanted <= 0 {
            return Err(Error::BadLimit);
        }
        permission::check_all_accounts("remove expired tokens")?;
        server::check_can_write(c"sweep()");
        let mut walk = Walk::from(Position::TOP, BATCH, Position::TOP);
        while walk.removed < wanted && !walk.is_over() {
            walk.batch(BATCH.min(wanted - walk.removed), None);
        }
        if walk.held.count > 0 {
            report(&walk.held, None);
        }
        Ok(walk.removed)
    })
}

/// A way down the tokens that are due.
pub struct Walk {
    /// What is above was tried. `None` at the end.
    position: Option<Position>,
    /// How many tokens are deleted at once: fewer where some of them cannot go, or take long.
    pub size: i64,
    /// Above this place is a token at which a worker had to be ended: there, each has a batch of its own.
    careful_until: Position,
    pub removed: i64,
    pub held: HeldTokens,
}

/// How long a batch may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Several tokens that take longer than this are tried again in smaller parts.
    pub part: Duration,
    /// No part begins after this.
    pub last_begin: Clock,
    /// A token that is not gone by then, though it was tried alone, is held.
    pub end: Clock,
    /// Told what is about to be tried, for the case that it never ends, and `None` when it has ended.
    pub tell: fn(Option<Attempt>),
}

impl Limits {
    /// For a part of so many tokens; `None` where it is not to begin any more.
    fn of_part(&self, size: i64) -> Option<Duration> {
        let now = Clock::now();
        let left = self.end.checked_duration_since(now)?;
        (now < self.last_begin).then(|| if size == 1 { left } else { left.min(self.part) })
    }
}

/// A transaction of the worker has no more subtransactions than PostgreSQL keeps at hand (PGPROC_MAX_CACHED_SUBXIDS): with
/// more, everybody's snapshots would take longer.
const MOST_PARTS: usize = 60;

/// In the worker a deferred trigger would fire at COMMIT, outside of its restricted operation.
static NOTHING_DEFERRED: Query = Query::as_caller("SET CONSTRAINTS ALL IMMEDIATE");

/// A part that takes no longer is followed by one of twice the size.
const QUICK: Duration = Duration::from_millis(100);

impl Walk {
    pub fn from(position: Position, size: i64, careful_until: Position) -> Self {
        Self { position: Some(position), size, careful_until, removed: 0, held: HeldTokens::default() }
    }

    pub fn is_over(&self) -> bool {
        self.position.is_none()
    }

    /// Where to go on; [`Position::END`] where there is no more.
    pub fn position(&self) -> Position {
        self.position.unwrap_or(Position::END)
    }

    /// Tries the next tokens, at most so many.
    pub fn batch(&mut self, count: i64, limits: Option<Limits>) {
        let Some(from) = self.position else { return };
        // What has gone before must be committed when the next one may end the process.
        let is_careful = self.careful_until < from && self.careful_until != Position::TOP;
        let count = if is_careful { 1 } else { count };
        let (due, next) = due(from, count);
        let _timeout = LocalSetting::set(c"lock_timeout", LOCK_TIMEOUT);
        let mut rest = &due[..];
        let mut parts = 0;
        while !rest.is_empty() {
            // The rest comes in another transaction, where the caller can begin one.
            if limits.is_some() && parts == MOST_PARTS {
                return;
            }
            parts += 1;
            let size = self.size.clamp(1, rest.len() as i64);
            let (part, after) = rest.split_at(size as usize);
            let limit = limits.as_ref().map(|limits| limits.of_part(size));
            if limit == Some(None) {
                return;
            }
            let last = part.last().map(|last| last.position);
            let tell = |attempt| limits.iter().for_each(|limits| (limits.tell)(attempt));
            tell(last.map(|last| Attempt { last, size }));
            let began = Clock::now();
            let result = subtransaction::run(limit.flatten(), || {
                // A trigger that a part before has set off may have changed that.
                if limits.is_some() {
                    NOTHING_DEFERRED.execute(&[]);
                }
                delete(part)
            });
            tell(None);
            match result {
                Ok(gone) => {
                    self.removed += gone;
                    let kept = size - gone;
                    if kept > 0 {
                        self.held.add(kept as u32, HoldReason::OwnedVarlena, "");
                    }
                    if began.elapsed() < QUICK && !is_careful {
                        self.size = (2 * self.size).min(BATCH);
                    }
                }
                // Where it was one of many, they are tried in smaller parts.
                Err(_) if size > 1 => {
                    self.size = (size / 5).max(1);
                    continue;
                }
                Err(failure) => self.hold(&failure),
            }
            rest = after;
            self.position = last;
        }
        self.position = next;
    }

    fn hold(&mut self, failure: &Failure) {
        let about = ErrorFields::of_last_error();
        let (why, text) = match failure.code {
            PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION => {
                let about = about.filter(|about| !about.table().is_empty());
                let named = about
                    .map(|about| format!("{}.{} (foreign key {})", about.schema(), about.table(), about.constraint()));
                (HoldReason::Referenced, named.unwrap_or_else(|| redacted(&failure.message)))
            }
            PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED => {
                (HoldReason::Locked, String::new())
            }
            PgSqlErrorCode::ERRCODE_QUERY_CANCELED => (HoldReason::Slow, String::new()),
            code => (HoldReason::Failed(code as i32), redacted(&failure.message)),
        };
        self.held.add(1, why, &text);
    }
}

/// A token that is due.
#[derive(Clone, Copy)]
struct Due {
    id: i64,
    position: Position,
}

/// The next tokens that are due below a position, locked, and where to go on; `None` where there are no more.
///
/// Tokens that have expired and are kept by their profile stand between those that are due, and may be many: they are passed
/// over, so many at a time. The smallest retention of all profiles comes first because it can use the index on
/// `expires_at`; the token's own decides.
///
/// Where the sequence has never handed out an id, the tokens are somebody else's: a restore that is under way, which
/// sets the sequences after it has brought back the rows of all tables, or a logical replication from the database
/// that owns them. They are left alone; a restore would find no token for the access that it brings next.
fn due(below: Position, count: i64) -> (Vec<Due>, Option<Position>) {
    const AT_A_TIME: i64 = 10_000;
    static EXPIRED: Query = Query::planned_for_arguments(
        "SELECT t.id, t.expires_at, t.expires_at <= $3 - p.expired_retention AS is_due
           FROM (SELECT id, expires_at, account_id
                   FROM token_auth.token
                  WHERE (expires_at, id) < ($1, $2)
                    AND expires_at <= $3 - (SELECT pg_catalog.min(expired_retention) FROM token_auth.profile)
                    AND (SELECT is_called FROM token_auth.token_id_seq)
                  ORDER BY expires_at DESC, id DESC
                  LIMIT $4) t
           JOIN token_auth.account a ON a.id = t.account_id
           JOIN token_auth.profile p ON p.name = a.profile
          ORDER BY t.expires_at DESC, t.id DESC",
    );
    // One that somebody else has locked is left for the next time rather than waited for, and one that is not due any more.
    static LOCK: Query = Query::new(
        "SELECT t.id
           FROM token_auth.token t
           JOIN token_auth.account a ON a.id = t.account_id
           JOIN token_auth.profile p ON p.name = a.profile
          WHERE t.id = ANY ($1)
            AND t.expires_at <= $2 - p.expired_retention
            FOR UPDATE OF t SKIP LOCKED",
    );
    let now = server::now();
    let arguments = [Timestamp(below.expires_at).into(), below.id.into(), now.into(), AT_A_TIME.into()];
    let expired = EXPIRED.rows(&arguments, |row: &ResultRow| {
        let (id, expires_at): (i64, Timestamp) = (row.get_not_null(1), row.get_not_null(2));
        (Due { id, position: Position { expires_at: expires_at.0, id } }, row.get_not_null::<bool>(3))
    });
    let is_last = (expired.len() as i64) < AT_A_TIME;
    let mut passed = 0;
    let mut next = None;
    let mut due = Vec::new();
    for (token, is_due) in expired.iter() {
        if due.len() as i64 == count {
            break;
        }
        passed += 1;
        next = Some(token.position);
        if *is_due {
            due.push(*token);
        }
    }
    if is_last && passed == expired.len() {
        next = None;
    }
    let ids: Vec<i64> = due.iter().map(|token| token.id).collect();
    if !ids.is_empty() {
        let locked: HashSet<i64> =
            LOCK.rows(&[ids.into(), now.into()], |row| row.get_not_null(1)).into_iter().collect();
        due.retain(|token| locked.contains(&token.id));
    }
    (due, next)
}

/// Deletes tokens, and returns how many of them are gone: a trigger can keep one without an error.
fn delete(tokens: &[Due]) -> i64 {
    static DELETE: Query = Query::new("DELETE FROM token_auth.token WHERE id = ANY ($1)");
    let ids: Vec<i64> = tokens.iter().map(|token| token.id).collect();
    DELETE.execute(&[ids.into()]) as i64
}

/// Warns of tokens that could not be removed.
pub fn report(held: &HeldTokens, database: Option<&str>) {
    let place = database.map_or(String::new(), |name| format!(" of database \"{name}\""));
    let message = format!("token_auth: {}{place} could not be removed", counted(held.count.into(), "expired token"));
    let mut details = Vec::new();
    let mut hints = Vec::new();
    for reason in held.reasons() {
        let (why, hint) = in_words(reason.why, reason.text());
        details.push(format!("{}: {why}", reason.count));
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    if held.others > 0 {
        details.push(format!("{}: other reasons", held.others));
    }
    ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "token_auth")
        .set_detail(format!("{}.", details.join("; ")))
        .set_hint(hints.join(" "))
        .report(PgLogLevel::WARNING);
}

/// HoldReason a token stays, and what to do.
fn in_words(why: HoldReason, text: &str) -> (String, &'static str) {
    match why {
        HoldReason::Referenced => (
            format!("rows refer to them, in {text}"),
            "Declare the foreign key with ON DELETE CASCADE or ON DELETE SET NULL, or delete the rows.",
        ),
        HoldReason::Locked => (
            "other sessions have locked them, or rows that go with them".to_string(),
            "What is locked is tried again in the next round; end transactions that stay open.",
        ),
        HoldReason::OwnedVarlena => (
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

/// The five characters of an SQLSTATE, of six bits each (`MAKE_SQLSTATE` in utils/elog.h).
fn sqlstate(code: i32) -> String {
    (0..5).map(|place| ((code >> (6 * place) & 0x3f) as u8 + b'0') as char).collect()
}

/// `1 thing`, `2 things`.
pub fn counted(count: i64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
