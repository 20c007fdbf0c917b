//! Domains: what an account hangs its tokens on, be it a sending domain, an inbox or a project.

use pgrx::pg_extern;
use token_auth_rules::name;

use crate::account::{Account, account_columns};
use crate::arguments::{Text, new_name, required, text};
use crate::authority;
use crate::error::{Error, answer, or_taken};
use crate::issue::{Grant, NewToken, TokenName};
use crate::store::record::Record;
use crate::store::statement::Statement;
use crate::store::value::Jsonb;

/// Returns `(domain_id, token_id, secret)`.
#[pg_extern(sql = false)]
fn create_domain(account_id: Option<i64>, name: Text<'_>) -> Record<3> {
    static INSERT: Statement =
        Statement::new("INSERT INTO token_auth.domain (account_id, name) VALUES ($1, $2) RETURNING id");
    answer(|| {
        let name = new_name(name, "name")?;
        let account = Account::to_make_under(account_id)?;
        check_name_is_free(account.id, name)?;
        if account.profile.creates_domain_token {
            account.profile.check_can_seal()?;
        }
        let values = [account.id.into(), name.into()];
        let id = or_taken("domain", name, || INSERT.row(&values, |row| row.must::<i64>(1)))?;
        let id = id.expect("an insert returns its row");
        let token = if account.profile.creates_domain_token {
            let scopes = ["*".to_string()];
            let token = NewToken {
                account: &account,
                home: Some(id),
                name: TokenName::OfDomain(name),
                expires_at: None,
                metadata: Jsonb::empty_object(),
            };
            Some(token.issue(Grant::Scopes { domain_id: Some(id), scopes: &scopes })?)
        } else {
            None
        };
        let (token_id, secret) = token.map(|token| (token.id, token.secret)).unzip();
        Ok(Record([id.into(), token_id.into(), secret.into()]))
    })
}

#[pg_extern(sql = false)]
fn rename_domain(id: Option<i64>, name: Text<'_>, account_id: Option<i64>) {
    static RENAME: Statement = Statement::new("UPDATE token_auth.domain SET name = $2 WHERE id = $1");
    answer(|| {
        let name = new_name(name, "name")?;
        let domain = Domain::to_manage(id, account_id)?;
        // Its own name in other letters is no collision.
        if name::fold(name) != name::fold(&domain.name) {
            check_name_is_free(domain.account_id, name)?;
        }
        or_taken("domain", name, || RENAME.run(&[domain.id.into(), name.into()]))?;
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_domain_verified(id: Option<i64>, verified: Option<bool>, account_id: Option<i64>) {
    // A domain that is verified again keeps the time of the first.
    static SET: Statement = Statement::new(
        "UPDATE token_auth.domain
            SET verified_at = CASE WHEN $2 THEN coalesce(verified_at, pg_catalog.clock_timestamp()) END
          WHERE id = $1 AND (verified_at IS NOT NULL) IS DISTINCT FROM $2",
    );
    answer(|| {
        let verified = required(verified, "verified")?;
        let domain = Domain::to_manage(id, account_id)?;
        SET.run(&[domain.id.into(), verified.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn delete_domain(id: Option<i64>, account_id: Option<i64>) {
    static DELETE: Statement = Statement::new("DELETE FROM token_auth.domain WHERE id = $1");
    answer(|| {
        let domain = Domain::to_manage(id, account_id)?;
        DELETE.run(&[domain.id.into()]);
        Ok(())
    })
}

struct Domain {
    id: i64,
    account_id: i64,
    name: String,
}

impl Domain {
    /// The domain, locked against others who change it.
    fn to_manage(id: Option<i64>, account_id: Option<i64>) -> Result<Self, Error> {
        static FIND: Statement = Statement::new(concat!(
            "SELECT d.id, d.name, ",
            account_columns!(),
            " FROM token_auth.domain d
              JOIN token_auth.account a ON a.id = d.account_id
              JOIN token_auth.profile p ON p.name = a.profile
             WHERE d.id = $1
               AND d.account_id = coalesce($2, d.account_id)
               FOR NO KEY UPDATE OF d"
        ));
        let id = required(id, "domain id")?;
        let (domain, account) = FIND
            .row(&[id.into(), account_id.into()], |row| {
                let account = Account::read(row, 2);
                (Self { id: row.must(1), account_id: account.id, name: row.must(2) }, account)
            })
            .ok_or(Error::NoDomainWithId(id))?;
        authority::check(&account)?;
        Ok(domain)
    }
}

/// The id of a domain of this account, which cannot be deleted until the transaction ends. NULL is no domain.
pub fn find(account_id: i64, name: Text<'_>) -> Result<Option<i64>, Error> {
    static FIND: Statement = Statement::new(
        "SELECT id FROM token_auth.domain
          WHERE account_id = $1 AND pg_catalog.lower(name COLLATE \"C\") = $2
            FOR KEY SHARE",
    );
    let Some(name) = text(name, "domain")? else { return Ok(None) };
    match FIND.row(&[account_id.into(), name::fold(name).into()], |row| row.must(1)) {
        Some(id) => Ok(Some(id)),
        None => Err(Error::NoDomainNamed { name: name.to_string(), account_id }),
    }
}

fn check_name_is_free(account_id: i64, name: &str) -> Result<(), Error> {
    static EXISTS: Statement = Statement::new(
        "SELECT true FROM token_auth.domain WHERE account_id = $1 AND pg_catalog.lower(name COLLATE \"C\") = $2",
    );
    match EXISTS.row(&[account_id.into(), name::fold(name).into()], |row| row.must::<bool>(1)) {
        Some(_) => Err(Error::Taken { what: "domain", name: name.to_string() }),
        None => Ok(()),
    }
}
