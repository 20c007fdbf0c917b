//! The tokens that are due: those that expired longer ago than their profile keeps them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::pg::clock;
use crate::pg::datum::Timestamp;
use crate::pg::spi::{Query, ResultRow};

/// A position among the expired tokens, which are ordered by expiry and then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Microseconds, as in `timestamptz`.
    pub expires_at: i64,
    pub id: i64,
}

impl Position {
    /// The position above every token.
    pub const TOP: Self = Self { expires_at: i64::MAX, id: i64::MAX };
    /// The position below every token.
    pub const END: Self = Self { expires_at: i64::MIN, id: i64::MIN };
}

/// A token that is due.
#[derive(Clone, Copy)]
pub struct DueToken {
    id: i64,
    pub position: Position,
}

/// Locks at most `count` of the due tokens below a position. Returns them, and the position to continue from, or `None` if
/// there are no more.
///
/// Between the due tokens may be many that have expired and that their profile still keeps. They are skipped, one window at
/// a time. The smallest retention of all profiles is the first condition, because it can use the index on `expires_at`. The
/// retention of the token's own profile decides. A day has 24 hours, whatever the session's time zone.
///
/// If the sequence has never returned an id, the tokens are left alone. They come from a restore that is in progress, which
/// sets the sequences after it has restored the rows of all tables, or from logical replication, and belong to the
/// database that is replicated. A restore would miss the token whose access it restores next.
pub fn lock_next(below: Position, count: i64) -> (Vec<DueToken>, Option<Position>) {
    const WINDOW: i64 = 10_000;
    static EXPIRED: Query = Query::planned_for_arguments(
        "SELECT t.id, t.expires_at, t.expires_at <= ($3 AT TIME ZONE 'UTC' - p.expired_retention) AT TIME ZONE 'UTC' AS is_due
           FROM (SELECT id, expires_at, account_id
                   FROM token_auth.token
                  WHERE (expires_at, id) < ($1, $2)
                    AND expires_at <= ($3 AT TIME ZONE 'UTC' - (SELECT pg_catalog.min(expired_retention) FROM token_auth.profile))
                                      AT TIME ZONE 'UTC'
                    AND (SELECT is_called FROM token_auth.token_id_seq)
                  ORDER BY expires_at DESC, id DESC
                  LIMIT $4) t
           JOIN token_auth.account a ON a.id = t.account_id
           JOIN token_auth.profile p ON p.name = a.profile
          ORDER BY t.expires_at DESC, t.id DESC",
    );
    // A token that another session has locked is left for the next time, and so is one that is no longer due.
    static LOCK: Query = Query::new(
        "SELECT t.id
           FROM token_auth.token t
           JOIN token_auth.account a ON a.id = t.account_id
           JOIN token_auth.profile p ON p.name = a.profile
          WHERE t.id = ANY ($1)
            AND t.expires_at <= ($2 AT TIME ZONE 'UTC' - p.expired_retention) AT TIME ZONE 'UTC'
            FOR UPDATE OF t SKIP LOCKED",
    );
    let now = clock::now();
    let arguments = [Timestamp(below.expires_at).into(), below.id.into(), now.into(), WINDOW.into()];
    let expired = EXPIRED.rows(&arguments, |row: &ResultRow| {
        let (id, expires_at): (i64, Timestamp) = (row.get_not_null(1), row.get_not_null(2));
        (DueToken { id, position: Position { expires_at: expires_at.0, id } }, row.get_not_null::<bool>(3))
    });
    let is_last_window = (expired.len() as i64) < WINDOW;
    let mut passed = 0;
    let mut next = None;
    let mut due = Vec::new();
    for (token, is_due) in &expired {
        if due.len() as i64 == count {
            break;
        }
        passed += 1;
        next = Some(token.position);
        if *is_due {
            due.push(*token);
        }
    }
    if is_last_window && passed == expired.len() {
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

/// Deletes tokens, and returns how many are gone: a trigger can keep one without an error.
pub fn delete(tokens: &[DueToken]) -> i64 {
    static DELETE: Query = Query::new("DELETE FROM token_auth.token WHERE id = ANY ($1)");
    let ids: Vec<i64> = tokens.iter().map(|token| token.id).collect();
    DELETE.execute(&[ids.into()]) as i64
}
