//! The guard of a domain's last live token, for functions and plain DML alike.
//!
//! A statement that ends a live token of a domain locks the domain's row, and then looks for another live token under a
//! snapshot that is taken after the lock. If two sessions each end one of the last two tokens, the second waits for the first
//! and then sees its change, at every isolation level. (At REPEATABLE READ the lock alone raises no serialization failure,
//! because the row was locked and not changed.) That the domain and the account still exist is read in the same way: a
//! token may be deleted with its domain or its account.

use pgrx::{PgTrigger, pg_trigger};

use super::{TriggerResult, check_table, old_row};
use crate::error::{DomainName, EnvironmentError, ProfileName, StateError, guarded};
use crate::pg::datum::TypedDatum;
use crate::pg::spi::{Query, ResultRow};
use crate::pg::{clock, xact};

/// AFTER DELETE OR UPDATE of a token that was live, for each row.
#[pg_trigger(sql = false)]
fn keep_last_token<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    static LOCK_DOMAIN: Query = Query::new(
        "SELECT d.id, d.name, p.name
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
        let old = old_row(trigger)?;
        let home: Option<i64> = old.get_by_name("domain_id").map_err(|_| EnvironmentError::ForeignTable)?;
        let guarded_domain = LOCK_DOMAIN.row_latest_snapshot(&[home.into()], domain_and_profile);
        let Some((domain, profile)) = guarded_domain else { return Ok(()) };
        let live: [TypedDatum; 2] = [home.into(), clock::now().into()];
        if OTHER.row_latest_snapshot(&live, |_| ()).is_some() {
            return Ok(());
        }
        // A transaction whose snapshot still shows another live token may succeed when it is retried.
        let retry = xact::uses_one_snapshot() && OTHER.row(&live, |_| ()).is_some();
        Err(StateError::LastToken { domain, profile, retry }.into())
    });
    Ok(None)
}

/// AFTER TRUNCATE of the tokens. The rows are gone, so every domain of a profile with `keeps_last_token` counts as one that
/// had tokens.
#[pg_trigger(sql = false)]
fn keep_last_tokens_on_truncate<'a>(trigger: &'a PgTrigger<'a>) -> TriggerResult<'a> {
    static DOMAIN: Query = Query::new(
        "SELECT d.id, d.name, p.name
           FROM token_auth.domain d
           JOIN token_auth.account a ON a.id = d.account_id
           JOIN token_auth.profile p ON p.name = a.profile
          WHERE p.keeps_last_token
          ORDER BY d.id
          LIMIT 1",
    );
    guarded(|| {
        check_table(trigger)?;
        match DOMAIN.row_latest_snapshot(&[], domain_and_profile) {
            Some((domain, profile)) => Err(StateError::LastTokenTruncated { domain, profile }.into()),
            None => Ok(()),
        }
    });
    Ok(None)
}

fn domain_and_profile(row: &ResultRow) -> (DomainName, ProfileName) {
    let domain = DomainName { id: row.get_not_null(1), name: row.get_not_null(2) };
    (domain, ProfileName(row.get_not_null(3)))
}
