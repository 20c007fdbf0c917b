//! A transaction that acts as a token: who is it, and how does it begin and end.

use pgrx::{pg_extern, warning};

use crate::arguments::Text;
use crate::error::{Error, answer};
use crate::store::{identity, server};
use crate::verify::{self, Verification};

/// Whoever was authenticated before is so no longer, also where this secret is refused.
#[pg_extern(sql = false)]
fn authenticate(secret: Text<'_>) -> Verification {
    answer(|| {
        check_not_parallel("authenticate")?;
        identity::renounce();
        let (verification, good) = verify::secret(secret, None, None);
        if let Some(token_id) = good {
            identity::assume(token_id);
            if server::is_alone_in_transaction() {
                warning!(
                    "authenticate() lasts until the end of the transaction, which is this statement: call it after BEGIN"
                );
            }
        }
        Ok(verification)
    })
}

#[pg_extern(sql = false)]
fn deauthenticate() {
    answer(|| {
        check_not_parallel("deauthenticate")?;
        identity::renounce();
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn current_token_id() -> Option<i64> {
    answer(|| Ok(identity::assumed().and_then(verify::good_token).map(|token| token.id)))
}

#[pg_extern(sql = false)]
fn current_account_id() -> Option<i64> {
    answer(|| Ok(identity::assumed().and_then(verify::good_token).map(|token| token.account_id)))
}

/// A setting cannot change while a parallel query runs; the workers have their copy already.
fn check_not_parallel(function: &'static str) -> Result<(), Error> {
    if server::is_in_parallel_mode() { Err(Error::Parallel(function)) } else { Ok(()) }
}
