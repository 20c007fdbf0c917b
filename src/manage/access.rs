//! What a token may do, domain by domain.

use pgrx::{Array, pg_extern};
use token_auth_core::scope::access::Access;

use crate::arguments::{self, Text};
use crate::error::{Error, guarded};
use crate::manage::account::Account;
use crate::manage::domain;
use crate::manage::token::Token;
use crate::permission::{self, Action};
use crate::pg::snapshot::FreshSnapshot;
use crate::pg::spi::{Query, ResultRow};

#[pg_extern(sql = false)]
fn grant_access(
    token_id: Option<i64>,
    scopes: Option<Array<'_, &[u8]>>,
    domain: Text<'_>,
    all_domains: Option<bool>,
    account_id: Option<i64>,
) {
    static GRANT: Query = Query::new(
        "INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (token_id, domain_id) DO UPDATE SET scopes = excluded.scopes",
    );
    guarded(|| {
        check_one_target(domain, all_domains)?;
        let (account, token_id, domain_id) = to_edit(token_id, domain, account_id)?;
        let scopes = arguments::scopes(scopes, &account.profile)?;
        let given = [Access::new(domain_id, scopes.iter().map(String::as_str))];
        permission::check_gives(&given)?;
        GRANT.execute(&[account.id.into(), token_id.into(), domain_id.into(), scopes.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn revoke_access(token_id: Option<i64>, domain: Text<'_>, all_domains: Option<bool>, account_id: Option<i64>) {
    static REVOKE: Query =
        Query::new("DELETE FROM token_auth.token_access WHERE token_id = $1 AND domain_id IS NOT DISTINCT FROM $2");
    guarded(|| {
        check_one_target(domain, all_domains)?;
        let (_account, token_id, domain_id) = to_edit(token_id, domain, account_id)?;
        REVOKE.execute(&[token_id.into(), domain_id.into()]);
        Ok(())
    })
}

/// A token whose access is about to be edited, locked after the domain: access is edited by one at a time, and not while a
/// reset copies it. The caller is asked after the locks, and who may not does not learn which domains there are.
fn to_edit(
    token_id: Option<i64>,
    domain: Text<'_>,
    account_id: Option<i64>,
) -> Result<(Account, i64, Option<i64>), Error> {
    let (account, token_id) = Account::of_token(token_id, account_id)?;
    let found = domain::find(account.id, domain);
    Token::lock_alone(token_id)?;
    permission::check(&account, Action::ManageToken(token_id))?;
    if domain.is_some() {
        permission::check_knows_domain(found.as_ref().ok().copied().flatten())?;
    }
    account.profile.check_can_edit_access()?;
    Ok((account, token_id, found?))
}

/// Access is edited for one domain or for every domain: a NULL domain alone must not open an account.
fn check_one_target(domain: Text<'_>, all_domains: Option<bool>) -> Result<(), Error> {
    match (domain, all_domains.unwrap_or(false)) {
        (None, false) => Err(Error::NoDomain),
        (Some(_), true) => Err(Error::DomainAndAllDomains),
        _ => Ok(()),
    }
}

/// The access of a token, as it is now.
pub fn of_token(token_id: i64) -> Vec<Access> {
    of_token_under(token_id, &FreshSnapshot::take())
}

/// The access of a token, as `snapshot` shows it.
pub fn of_token_under(token_id: i64, snapshot: &FreshSnapshot) -> Vec<Access> {
    static ACCESS: Query =
        Query::new("SELECT domain_id, scopes FROM token_auth.token_access WHERE token_id = $1 ORDER BY id");
    ACCESS.rows_with(snapshot, &[token_id.into()], |row: &ResultRow| {
        Access::new(row.get(c"domain_id"), row.get_not_null::<Vec<Option<String>>>(c"scopes").into_iter().flatten())
    })
}
