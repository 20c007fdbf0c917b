//! The guard of a domain's last live token, for functions and for anybody's plain DML alike.
//!
//! A statement that ends a live token of a domain locks the domain's row and then looks for another
//! one under a snapshot taken after the lock: of two sessions that each end one of the last two, the second waits for
//! the first and then sees what it did, at every isolation level. (At REPEATABLE READ the row lock alone raises no
//! serialization failure, because the row was locked and not changed.) Whether the domain and the account still exist
//! is read the same way: a token may go with its domain or its account.

use pgrx::{PgTrigger, pg_trigger};

use crate::error::{Error, guarded};
use crate::pg::datum::Value;
use crate::pg::server;
use crate::pg::spi::Query;
use crate::triggers::immutable::{Outcome, check_table};

/// AFTER DELETE OR UPDATE of a token that was live, for each row.
#[pg_trigger(sql = false)]
fn keep_last_token<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    static LOCK_DOMAIN: Query = Query::new(
        "SELECT d.name, p.name
           FROM token_auth.domain d
           JOIN token_auth.account a ON a.id = d.account_id
           JOIN token_auth.profile p ON p.name = a.profile
          WHERE d.id = $1 AND p.keeps_last_token
            FOR NO KEY UPDATE OF d",
    );
    static OTHER: Query = Query::new(
        "SELECT true
           FROM token_auth.token
          WHERE domain_id = $1
            AND replaced_at IS NULL
            AND (expires_at IS NULL OR expires_at > $2)
          LIMIT 1",
    );
    guarded(|| {
        check_table(trigger)?;
        let old = trigger.old().ok_or(Error::NotOurTable)?;
        let home: Option<i64> = old.get_by_name("domain_id").map_err(|_| Error::NotOurTable)?;
        let kept = LOCK_DOMAIN.row_latest_snapshot(&[home.into()], |row| (row.get_not_null(1), row.get_not_null(2)));
        let Some((domain, profile)) = kept else { return Ok(()) };
        let live: [Value; 2] = [home.into(), server::now().into()];
        if OTHER.row_latest_snapshot(&live, |_| ()).is_some() {
            return Ok(());
        }
        // A transaction that still sees another live token did not know better, and may succeed when it is retried.
        let retry = server::snapshot_stands_still() && OTHER.row(&live, |_| ()).is_some();
        Err(Error::LastToken { domain, profile, retry })
    });
    Ok(None)
}

/// AFTER TRUNCATE of the tokens: the rows are gone, so it takes every domain of a profile that keeps the last token
/// for one that had some.
#[pg_trigger(sql = false)]
fn keep_last_tokens_on_truncate<'a>(trigger: &'a PgTrigger<'a>) -> Outcome<'a> {
    static DOMAIN: Query = Query::new(
        "SELECT d.name, p.name
           FROM token_auth.domain d
           JOIN token_auth.account a ON a.id = d.account_id
           JOIN token_auth.profile p ON p.name = a.profile
          WHERE p.keeps_last_token
          ORDER BY d.id
          LIMIT 1",
    );
    guarded(|| {
        check_table(trigger)?;
        match DOMAIN.row_latest_snapshot(&[], |row| (row.get_not_null(1), row.get_not_null(2))) {
            Some((domain, profile)) => Err(Error::LastTokenTruncated { domain, profile }),
            None => Ok(()),
        }
    });
    Ok(None)
}
