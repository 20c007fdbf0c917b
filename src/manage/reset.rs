//! The reset of a token: a new token succeeds it, and the old secret stays valid until its grace ends.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_extern;
use token_auth_core::limits::{MAX_EXPIRY, MAX_GRACE};

use super::issue::{NewToken, TokenName, written};
use super::target::Target;
use crate::error::{ArgumentError, guarded};
use crate::model::token::Token;
use crate::pg::clock;
use crate::pg::datum::Timestamp;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;

/// Returns `(token_id, name, secret, hint, expires_at, previous_expires_at)`.
#[pg_extern(sql = false)]
fn reset_token(
    id: Option<i64>,
    grace: Option<Interval>,
    expires_at: Option<TimestampWithTimeZone>,
    account_id: Option<i64>,
) -> Record<6> {
    static RETIRE: Query =
        Query::new("UPDATE token_auth.token SET replaced_at = $2, replaced_by = $3, expires_at = $4 WHERE id = $1");
    guarded(|| {
        let target = Target::token(id, account_id)?.lock_home().lock_access_domains().lock()?;
        let mut target = target.authorize()?;
        let access = target.take_access();
        let (profile, old) = (&target.account.profile, &target.row);
        profile.check_can_reset()?;
        old.check_live()?;

        let now = clock::now();
        let grace_end = clock::add(now, grace.unwrap_or(profile.reset_grace))
            .filter(|end| *end >= now && end.0 - now.0 <= MAX_GRACE)
            .ok_or(ArgumentError::ImpossibleGrace)?;
        let retires_at = old.expires_at.map_or(grace_end, |expiry| expiry.min(grace_end));
        let same_lifetime = profile.limit_expiry(expiry_of_successor(old, now), now);
        let expires_at = target.expiry_or(expires_at, same_lifetime)?;
        // The successor's access needs no check: the caller may manage the old token, which has the same access.
        let successor = NewToken {
            account: &target.account,
            home: old.home,
            name: TokenName::AfterReset { name: &old.name, id: old.id },
            owner: old.owner.clone(),
            networks: target.limit_networks(old.networks.clone())?,
            expires_at,
            metadata: old.metadata.clone(),
            is_paused: old.is_paused,
            access: &access,
        };
        let new = successor.issue(None)?;
        // The successor exists before the old token ends, so the last token of a domain can be reset.
        written("token", RETIRE.execute(&[old.id.into(), now.into(), new.id.into(), retires_at.into()]))?;
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

/// Returns the expiry of the successor: it lives as long as the old token was to live from its creation.
///
/// It never expires if the old token does not. It has the last possible expiry if its own would be later. If the old token expires
/// before its creation, the successor has the same expiry.
fn expiry_of_successor(old: &Token, now: Timestamp) -> Option<Timestamp> {
    let expiry = old.expires_at.filter(|expiry| expiry.0 != i64::MAX)?;
    let lifetime = expiry.0.checked_sub(old.created_at.0)?;
    if lifetime <= 0 {
        return Some(expiry);
    }
    Some(Timestamp(now.0.saturating_add(lifetime).min(MAX_EXPIRY - 1)))
}
