//! Reset: a new token takes over, and the old one works until its grace ends.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_extern;

use crate::arguments;
use crate::error::{Error, guarded};
use crate::manage::access;
use crate::manage::account::Account;
use crate::manage::issue::{NewToken, TokenName};
use crate::manage::token::Token;
use crate::permission::{self, Action};
use crate::pg::datum::Timestamp;
use crate::pg::server;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;

/// A century, in microseconds; what a profile's `reset_grace` is limited to is no longer.
const LONGEST_GRACE: i64 = 36_525 * 24 * 3_600 * 1_000_000;

/// `END_TIMESTAMP` (datatype/timestamp.h): the first instant of the year 294277, which `timestamptz` does not reach.
const END_OF_TIME: i64 = 9_223_371_331_200_000_000;

/// Returns `(token_id, name, secret, hint, expires_at, previous_expires_at)`.
#[pg_extern(sql = false)]
fn reset_token(
    token_id: Option<i64>,
    grace: Option<Interval>,
    expires_at: Option<TimestampWithTimeZone>,
    account_id: Option<i64>,
) -> Record<6> {
    // The domains of the access that is copied: none of them goes meanwhile, and they come before the token.
    static LOCK_DOMAINS: Query = Query::new(
        "SELECT d.id
           FROM token_auth.token_access x
           JOIN token_auth.domain d ON d.id = x.domain_id
          WHERE x.token_id = $1
          ORDER BY d.id
            FOR KEY SHARE OF d",
    );
    static RETIRE: Query =
        Query::new("UPDATE token_auth.token SET replaced_at = $2, replaced_by = $3, expires_at = $4 WHERE id = $1");
    guarded(|| {
        let (account, id) = Account::of_token(token_id, account_id)?;
        Token::lock_home(id);
        LOCK_DOMAINS.execute(&[id.into()]);
        let old = Token::lock(id)?;
        permission::check(&account, Action::ManageToken(id))?;
        let profile = &account.profile;
        profile.check_can_reset()?;
        old.check_live()?;

        let now = server::now();
        let grace_end = server::add(now, grace.unwrap_or(profile.reset_grace))
            .filter(|end| *end >= now && end.0 - now.0 <= LONGEST_GRACE)
            .ok_or(Error::GraceNotPossible)?;
        let retires_at = old.expires_at.map_or(grace_end, |expiry| expiry.min(grace_end));
        let expires_at = match expires_at {
            Some(_) => arguments::expiry(expires_at, profile)?,
            None => same_lifetime_again(&old, now),
        };

        // Read now that nobody else changes it through a function, and the same that is copied is asked about.
        let access = access::of_token(id);
        permission::check_gives(&access)?;
        let successor = NewToken {
            account: &account,
            home: old.home,
            name: TokenName::AfterReset { name: &old.name, id: old.id },
            expires_at,
            metadata: old.metadata.clone(),
            access: &access,
        };
        let new = successor.issue()?;
        // The successor is there before the old one goes: the last token of a domain can be reset.
        RETIRE.execute(&[old.id.into(), now.into(), new.id.into(), retires_at.into()]);
        Ok(Record([
            new.id.into(),
            new.name.into(),
            new.secret.into(),
            new.hint.into(),
            new.expires_at.into(),
            retires_at.into(),
        ]))
    })
}

/// As long from now as the old one was to live from its creation; never, where it never expires or where that is past
/// the end of `timestamptz`. One that says it is yet to be created has no lifetime: its successor takes its expiry.
fn same_lifetime_again(old: &Token, now: Timestamp) -> Option<Timestamp> {
    let expiry = old.expires_at.filter(|expiry| expiry.0 != i64::MAX)?;
    let lifetime = expiry.0.checked_sub(old.created_at.0)?;
    if lifetime <= 0 {
        return Some(expiry);
    }
    now.0.checked_add(lifetime).filter(|expiry| *expiry < END_OF_TIME).map(Timestamp)
}
