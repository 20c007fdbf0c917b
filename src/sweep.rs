//! Removing tokens that expired longer ago than their profile keeps them.

use pgrx::pg_extern;

use crate::authority;
use crate::error::{Error, answer};
use crate::store::server;
use crate::store::statement::Statement;

/// How many tokens one statement removes: enough to be quick, few enough to hold no lock for long.
pub const BATCH: i64 = 1000;

#[pg_extern(sql = false)]
fn sweep(max_tokens: Option<i64>) -> i64 {
    answer(|| {
        let wanted = max_tokens.unwrap_or(i64::MAX);
        if wanted <= 0 {
            return Err(Error::BadLimit);
        }
        authority::check_all_accounts("remove expired tokens")?;
        let mut removed = 0;
        while removed < wanted {
            let batch = BATCH.min(wanted - removed);
            let gone = remove(batch);
            removed += gone;
            if gone < batch {
                break;
            }
        }
        Ok(removed)
    })
}

/// A token that somebody else has locked is left for the next time rather than waited for. The smallest retention of
/// all profiles comes first because it can use the index on `expires_at`; the token's own decides.
///
/// Where the sequence has never handed out an id, the tokens are somebody else's: a restore that is under way, which
/// sets the sequences after it has brought back the rows of all tables, or a logical replication from the database
/// that owns them. They are left alone; a restore would find no token for the access that it brings next.
fn remove(limit: i64) -> i64 {
    static REMOVE: Statement = Statement::planned_for_arguments(
        "WITH due AS MATERIALIZED (
             SELECT t.id
               FROM token_auth.token t
               JOIN token_auth.account a ON a.id = t.account_id
               JOIN token_auth.profile p ON p.name = a.profile
              WHERE t.expires_at <= $1 - (SELECT pg_catalog.min(expired_retention) FROM token_auth.profile)
                AND t.expires_at <= $1 - p.expired_retention
                AND (SELECT is_called FROM token_auth.token_id_seq)
              ORDER BY t.expires_at
              LIMIT $2
                FOR UPDATE OF t SKIP LOCKED
         )
         DELETE FROM token_auth.token t USING due WHERE t.id = due.id",
    );
    REMOVE.run(&[server::now().into(), limit.into()]) as i64
}
