//! A transaction that acts as a token: who is it, and how does it begin and end.

pub mod token;

use pgrx::{pg_extern, warning};

use crate::arguments::Text;
use crate::error::{Error, guarded};
use crate::pg::datum::OwnedArray;
use crate::pg::{protected_guc, server};
use crate::verify::{self, Verification};

/// Whoever was authenticated before is so no longer, also where this secret is refused.
#[pg_extern(sql = false)]
fn authenticate(secret: Text<'_>) -> Verification {
    guarded(|| {
        check_not_parallel("authenticate")?;
        protected_guc::clear_identity();
        let (verification, good) = verify::identify(secret);
        if let Some(identity) = good {
            protected_guc::set_identity(identity);
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
    guarded(|| {
        check_not_parallel("deauthenticate")?;
        protected_guc::clear_identity();
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn current_token_id() -> Option<i64> {
    token::with_current(|session_token| session_token.token.id)
}

#[pg_extern(sql = false)]
fn current_account_id() -> Option<i64> {
    token::with_current(|session_token| session_token.token.account_id)
}

/// It is asked for each row, so nothing stands between the call and the answer. What cannot be asked is not allowed.
#[pg_extern(sql = false)]
fn allows(scope: Text<'_>, domain: Text<'_>) -> bool {
    scope
        .and_then(|scope| token::with_current(|session_token| session_token.allows(scope, domain)))
        .flatten()
        .unwrap_or(false)
}

#[pg_extern(sql = false)]
fn allowed_domains(scope: Text<'_>) -> OwnedArray {
    let names =
        scope.and_then(|scope| token::with_current(|session_token| session_token.domain_names(scope))).flatten();
    names.unwrap_or_else(|| OwnedArray::array(Vec::<String>::new()))
}

#[pg_extern(sql = false)]
fn allowed_domain_ids(scope: Text<'_>) -> OwnedArray {
    let ids = scope.and_then(|scope| token::with_current(|session_token| session_token.domain_ids(scope))).flatten();
    ids.unwrap_or_else(|| OwnedArray::array(Vec::<i64>::new()))
}

/// A setting cannot change while a parallel query runs; the workers have their copy already.
fn check_not_parallel(function: &'static str) -> Result<(), Error> {
    if server::is_in_parallel_mode() { Err(Error::Parallel(function)) } else { Ok(()) }
}
