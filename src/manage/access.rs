//! The functions that change the access of a token, domain by domain.

use pgrx::{Array, pg_extern};
use token_auth_core::scope::access::Access;

use super::checked;
use super::target::{Authorized, Target};
use crate::arguments::TextArg;
use crate::error::{ArgumentError, Error, guarded};
use crate::model::token::Token;
use crate::pg::spi::Query;

#[pg_extern(sql = false)]
fn grant_access(
    id: Option<i64>,
    scopes: Option<Array<'_, &[u8]>>,
    domain: TextArg<'_>,
    all_domains: Option<bool>,
    account_id: Option<i64>,
) -> bool {
    static GRANT: Query = Query::new(
        "INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (token_id, domain_id) DO UPDATE SET scopes = excluded.scopes
          WHERE token_access.scopes <> excluded.scopes",
    );
    guarded(|| {
        let (target, domain_id) = authorized(id, domain, all_domains, account_id)?;
        target.check_caller_reaches("grant access to")?;
        let scopes = checked::scopes(scopes, &target.account.profile)?;
        target.check_grants(&[Access::new(domain_id, scopes.iter().map(String::as_str))])?;
        Ok(GRANT.execute(&[target.account.id.into(), target.row.id.into(), domain_id.into(), scopes.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn revoke_access(id: Option<i64>, domain: TextArg<'_>, all_domains: Option<bool>, account_id: Option<i64>) -> bool {
    static REVOKE: Query =
        Query::new("DELETE FROM token_auth.token_access WHERE token_id = $1 AND domain_id IS NOT DISTINCT FROM $2");
    guarded(|| {
        let (target, domain_id) = authorized(id, domain, all_domains, account_id)?;
        Ok(REVOKE.execute(&[target.row.id.into(), domain_id.into()]) > 0)
    })
}

/// Returns the token whose access is changed, and the domain, or `None` for every domain.
///
/// The token is locked, so its access is changed by one session at a time, and not while a reset copies it.
fn authorized(
    id: Option<i64>,
    domain: TextArg<'_>,
    all_domains: Option<bool>,
    account_id: Option<i64>,
) -> Result<(Authorized<Token>, Option<i64>), Error> {
    check_domain_or_all(domain, all_domains)?;
    let target = Target::token(id, account_id)?;
    let found = target.find_domain(domain);
    let target = target.lock()?.authorize()?;
    if domain.is_some() {
        target.check_knows_domain(found.as_ref().ok().copied().flatten())?;
    }
    target.account.profile.check_can_edit_access()?;
    Ok((target, found?))
}

/// Returns an error unless the call names a domain or every domain: NULL alone must not give access to the whole account.
fn check_domain_or_all(domain: TextArg<'_>, all_domains: Option<bool>) -> Result<(), Error> {
    match (domain, all_domains.unwrap_or(false)) {
        (None, false) => Err(ArgumentError::NoDomain.into()),
        (Some(_), true) => Err(ArgumentError::DomainAndAllDomains.into()),
        _ => Ok(()),
    }
}
