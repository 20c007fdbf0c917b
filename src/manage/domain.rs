//! Domains: what an account hangs its tokens on, be it a sending domain, an inbox or a project.

use pgrx::pg_extern;
use token_auth_core::name;
use token_auth_core::scope::access::Access;

use crate::arguments::{Text, new_name, required, text};
use crate::error::{Error, excerpt, guarded, map_foreign_key_violation, map_unique_violation};
use crate::manage::account::Account;
use crate::manage::issue::{NewToken, TokenName};
use crate::permission::{self, Action};
use crate::pg::datum::Jsonb;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;

/// Returns `(domain_id, token_id, secret)`.
#[pg_extern(sql = false)]
fn create_domain(account_id: Option<i64>, name: Text<'_>) -> Record<3> {
    static INSERT: Query = Query::new(
        "INSERT INTO token_auth.domain (account_id, name) VALUES ($1, $2)
         ON CONFLICT (account_id, pg_catalog.lower(name COLLATE \"C\")) DO NOTHING
         RETURNING id",
    );
    guarded(|| {
        let name = new_name(name, "name")?;
        let account = Account::to_make_under(account_id)?;
        permission::check(&account, Action::CreateDomain)?;
        let id = INSERT.row(&[account.id.into(), name.into()], |row| row.get_not_null::<i64>(1));
        let id = id.ok_or_else(|| Error::Taken { what: "domain", name: name.to_string() })?;
        let token = if account.profile.creates_domain_token {
            let access = [Access::new(Some(id), ["*"])];
            let token = NewToken {
                account: &account,
                home: Some(id),
                name: TokenName::OfDomain(name),
                expires_at: None,
                metadata: Jsonb::empty_object(),
                access: &access,
            };
            Some(token.issue()?)
        } else {
            None
        };
        let (token_id, secret) = token.map(|token| (token.id, token.secret)).unzip();
        Ok(Record([id.into(), token_id.into(), secret.into()]))
    })
}

/// The caller is asked after the lock: who waits for it is taken as it is then.
static LOCK_TO_CHANGE: Query = Query::new("SELECT true FROM token_auth.domain WHERE id = $1 FOR NO KEY UPDATE");

#[pg_extern(sql = false)]
fn rename_domain(id: Option<i64>, name: Text<'_>, account_id: Option<i64>) {
    static RENAME: Query = Query::new("UPDATE token_auth.domain SET name = $2 WHERE id = $1");
    guarded(|| {
        let name = new_name(name, "name")?;
        let (account, id) = Account::of_domain(id, account_id)?;
        LOCK_TO_CHANGE.row(&[id.into()], |_| ()).ok_or(Error::NoDomainWithId(id))?;
        permission::check(&account, Action::ChangeDomain)?;
        map_unique_violation("domain", name, || RENAME.execute(&[id.into(), name.into()]))?;
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_domain_verified(id: Option<i64>, verified: Option<bool>, account_id: Option<i64>) {
    // A domain that is verified again keeps the time of the first.
    static SET: Query = Query::new(
        "UPDATE token_auth.domain
            SET verified_at = CASE WHEN $2 THEN coalesce(verified_at, pg_catalog.clock_timestamp()) END
          WHERE id = $1 AND (verified_at IS NOT NULL) IS DISTINCT FROM $2",
    );
    guarded(|| {
        let verified = required(verified, "verified")?;
        let (account, id) = Account::of_domain(id, account_id)?;
        LOCK_TO_CHANGE.row(&[id.into()], |_| ()).ok_or(Error::NoDomainWithId(id))?;
        permission::check(&account, Action::ChangeDomain)?;
        SET.execute(&[id.into(), verified.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn delete_domain(id: Option<i64>, account_id: Option<i64>) {
    static LOCK: Query = Query::new("SELECT true FROM token_auth.domain WHERE id = $1 FOR UPDATE");
    // They go with it. Who is giving them more access at this moment is waited for, before anybody asks what they have.
    static LOCK_TOKENS: Query =
        Query::new("SELECT id FROM token_auth.token WHERE domain_id = $1 ORDER BY id FOR UPDATE");
    static DELETE: Query = Query::new("DELETE FROM token_auth.domain WHERE id = $1");
    guarded(|| {
        let (account, id) = Account::of_domain(id, account_id)?;
        LOCK.row(&[id.into()], |_| ()).ok_or(Error::NoDomainWithId(id))?;
        LOCK_TOKENS.execute_latest_snapshot(&[id.into()]);
        permission::check(&account, Action::DeleteDomain(id))?;
        map_foreign_key_violation("domain", id, || DELETE.execute(&[id.into()]))?;
        Ok(())
    })
}

/// The id of a domain of this account, which cannot be deleted until the transaction ends. NULL is no domain.
pub fn find(account_id: i64, name: Text<'_>) -> Result<Option<i64>, Error> {
    static FIND: Query = Query::new(
        "SELECT id FROM token_auth.domain
          WHERE account_id = $1 AND pg_catalog.lower(name COLLATE \"C\") = $2
            FOR KEY SHARE",
    );
    let Some(name) = text(name, "domain")? else { return Ok(None) };
    match FIND.row(&[account_id.into(), name::fold(name).into()], |row| row.get_not_null(1)) {
        Some(id) => Ok(Some(id)),
        None => Err(Error::NoDomainNamed { name: excerpt(name), account_id }),
    }
}
