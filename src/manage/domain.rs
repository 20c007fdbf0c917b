//! The functions that manage domains: sending domains, inboxes or projects of an account, each the home of tokens.

use pgrx::pg_extern;
use token_auth_core::scope::access::Access;

use super::issue::{NewToken, TokenName};
use super::target::Target;
use crate::arguments::{TextArg, new_name, required};
use crate::error::{StateError, guarded, map_foreign_key_violation, map_unique_violation};
use crate::model::RowLock;
use crate::permission::Action;
use crate::pg::clock;
use crate::pg::datum::Jsonb;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;

/// Returns `(domain_id, token_id, secret)`.
#[pg_extern(sql = false)]
fn create_domain(account_id: Option<i64>, name: TextArg<'_>) -> Record<3> {
    static INSERT: Query = Query::new(
        "INSERT INTO token_auth.domain (account_id, name) VALUES ($1, $2)
         ON CONFLICT (account_id, pg_catalog.lower(name COLLATE \"C\")) DO NOTHING
         RETURNING id",
    );
    guarded(|| {
        let name = new_name(name, "name")?;
        let target = Target::new_in(account_id)?.authorize(Action::CreateDomain)?;
        let account = &target.account;
        let id = INSERT.row(&[account.id.into(), name.into()], |row| row.get_not_null::<i64>(1));
        let id = id.ok_or_else(|| StateError::Taken { what: "domain", name: name.to_string() })?;
        let token = if account.profile.creates_domain_token {
            target.check_room_for_token()?;
            let access = [Access::new(Some(id), ["*"])];
            let token = NewToken {
                account,
                home: Some(id),
                name: TokenName::OfDomain(name),
                owner: target.owner_or_own(None)?,
                networks: target.networks_or_own(None)?,
                expires_at: target.limit_lifetime(account.profile.default_expiry(clock::now())),
                metadata: Jsonb::empty_object(),
                is_paused: false,
                access: &access,
            };
            Some(token.issue(None)?)
        } else {
            None
        };
        let (token_id, secret) = token.map(|token| (token.id, token.secret)).unzip();
        Ok(Record([id.into(), token_id.into(), secret.into()]))
    })
}

#[pg_extern(sql = false)]
fn rename_domain(id: Option<i64>, name: TextArg<'_>, account_id: Option<i64>) -> bool {
    static RENAME: Query = Query::new("UPDATE token_auth.domain SET name = $2 WHERE id = $1 AND name <> $2");
    guarded(|| {
        let name = new_name(name, "name")?;
        let target = Target::domain(id, account_id)?.lock(RowLock::NoKeyUpdate)?.authorize(Action::ChangeDomain)?;
        Ok(map_unique_violation("domain", name, || RENAME.execute(&[target.row.0.into(), name.into()]))? > 0)
    })
}

#[pg_extern(sql = false)]
fn set_domain_verified(id: Option<i64>, verified: Option<bool>, account_id: Option<i64>) -> bool {
    // A domain that is verified already keeps its time.
    static SET: Query = Query::new(
        "UPDATE token_auth.domain
            SET verified_at = CASE WHEN $2 THEN coalesce(verified_at, pg_catalog.clock_timestamp()) END
          WHERE id = $1 AND (verified_at IS NOT NULL) IS DISTINCT FROM $2",
    );
    guarded(|| {
        let verified = required(verified, "verified")?;
        let target = Target::domain(id, account_id)?.lock(RowLock::NoKeyUpdate)?.authorize(Action::ChangeDomain)?;
        Ok(SET.execute(&[target.row.0.into(), verified.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn delete_domain(id: Option<i64>, account_id: Option<i64>) -> bool {
    static DELETE: Query = Query::new("DELETE FROM token_auth.domain WHERE id = $1");
    guarded(|| {
        let target = Target::domain(id, account_id)?.lock(RowLock::Update)?.lock_tokens().authorize_delete()?;
        let id = target.row.0;
        Ok(map_foreign_key_violation(|| format!("domain {id}"), || DELETE.execute(&[id.into()]))? > 0)
    })
}
