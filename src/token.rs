//! The life of a token between its creation and its end.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{Array, pg_extern};
use token_auth_rules::verdict;

use crate::account::{Account, account_columns};
use crate::arguments::{self, Text, new_name, required, text};
use crate::authority;
use crate::domain;
use crate::error::{Error, answer};
use crate::issue::{Grant, NewToken, TokenName};
use crate::store::record::Record;
use crate::store::server;
use crate::store::statement::Statement;
use crate::store::value::{Instant, Jsonb};

/// Returns `(token_id, name, secret, hint, expires_at)`.
#[pg_extern(sql = false)]
fn create_token(
    account_id: Option<i64>,
    name: Text<'_>,
    scopes: Option<Array<'_, &[u8]>>,
    domain: Text<'_>,
    all_domains: Option<bool>,
    expires_at: Option<TimestampWithTimeZone>,
    metadata: Option<&[u8]>,
) -> Record<5> {
    answer(|| {
        let name = new_name(name, "name")?;
        let all_domains = all_domains.unwrap_or(false);
        if domain.is_none() && !all_domains {
            return Err(Error::NoDomain);
        }
        let metadata = metadata.map_or(Ok(Jsonb::empty_object()), arguments::metadata)?;
        let account = Account::to_make_under(account_id)?;
        let scopes = arguments::scopes(scopes, &account.profile)?;
        let expires_at = arguments::expiry(expires_at, &account.profile)?;
        let home = domain::find(account.id, domain)?;
        let token = NewToken { account: &account, home, name: TokenName::Given(name), expires_at, metadata };
        let domain_id = home.filter(|_| !all_domains);
        let token = token.issue(Grant::Scopes { domain_id, scopes: &scopes })?;
        Ok(Record([
            token.id.into(),
            token.name.into(),
            token.secret.into(),
            token.hint.into(),
            token.expires_at.into(),
        ]))
    })
}

#[pg_extern(sql = false)]
fn pause_token(id: Option<i64>, account_id: Option<i64>) {
    static PAUSE: Statement = Statement::new(
        "UPDATE token_auth.token SET paused_at = pg_catalog.clock_timestamp() WHERE id = $1 AND paused_at IS NULL",
    );
    answer(|| {
        let token = Token::to_manage(id, account_id)?;
        token.account.profile.check_can_pause()?;
        PAUSE.run(&[token.id.into()]);
        Ok(())
    })
}

/// It asks for no `can_pause`: a token that was paused before its profile changed must not stay paused for ever.
#[pg_extern(sql = false)]
fn resume_token(id: Option<i64>, account_id: Option<i64>) {
    static RESUME: Statement =
        Statement::new("UPDATE token_auth.token SET paused_at = NULL WHERE id = $1 AND paused_at IS NOT NULL");
    answer(|| {
        let token = Token::to_manage(id, account_id)?;
        RESUME.run(&[token.id.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn rename_token(id: Option<i64>, name: Text<'_>, account_id: Option<i64>) {
    static RENAME: Statement = Statement::new("UPDATE token_auth.token SET name = $2 WHERE id = $1");
    answer(|| {
        let name = new_name(name, "name")?;
        let token = Token::to_manage(id, account_id)?;
        token.account.profile.check_can_rename()?;
        RENAME.run(&[token.id.into(), name.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_token_expiry(id: Option<i64>, expires_at: Option<TimestampWithTimeZone>, account_id: Option<i64>) {
    static SET: Statement = Statement::new("UPDATE token_auth.token SET expires_at = $2 WHERE id = $1");
    answer(|| {
        let token = Token::to_manage(id, account_id)?;
        let expires_at = arguments::expiry(expires_at, &token.account.profile)?;
        token.check_live()?;
        SET.run(&[token.id.into(), expires_at.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_token_metadata(id: Option<i64>, metadata: Option<&[u8]>, account_id: Option<i64>) {
    static SET: Statement = Statement::new("UPDATE token_auth.token SET metadata = $2 WHERE id = $1");
    answer(|| {
        let metadata = arguments::metadata(required(metadata, "metadata")?)?;
        let token = Token::to_manage(id, account_id)?;
        SET.run(&[token.id.into(), metadata.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn delete_token(id: Option<i64>, confirm_name: Text<'_>, account_id: Option<i64>) {
    static DELETE: Statement = Statement::new("DELETE FROM token_auth.token WHERE id = $1");
    answer(|| {
        let confirm_name = text(confirm_name, "confirm_name")?;
        let token = Token::to_end(id, account_id)?;
        let confirmed = match confirm_name {
            Some(name) => name == token.name,
            None => !token.account.profile.confirms_delete,
        };
        if !confirmed {
            return Err(Error::NotConfirmed("the token"));
        }
        DELETE.run(&[token.id.into()]);
        Ok(())
    })
}

/// A token, locked against others who change it.
pub struct Token {
    pub id: i64,
    pub account: Account,
    pub home: Option<i64>,
    pub name: String,
    pub expires_at: Option<Instant>,
    pub was_reset: bool,
    pub created_at: Instant,
}

impl Token {
    pub fn to_manage(id: Option<i64>, account_id: Option<i64>) -> Result<Self, Error> {
        static FIND: Statement = Statement::new(concat!(
            "SELECT t.id, t.domain_id, t.name, t.expires_at, t.replaced_at IS NOT NULL, t.created_at, ",
            account_columns!(),
            " FROM token_auth.token t
              JOIN token_auth.account a ON a.id = t.account_id
              JOIN token_auth.profile p ON p.name = a.profile
             WHERE t.id = $1
               AND t.account_id = coalesce($2, t.account_id)
               FOR NO KEY UPDATE OF t"
        ));
        let id = required(id, "token id")?;
        let token = FIND.row(&[id.into(), account_id.into()], |row| Self {
            id: row.must(1),
            home: row.get(2),
            name: row.must(3),
            expires_at: row.get(4),
            was_reset: row.must(5),
            created_at: row.must(6),
            account: Account::read(row, 6),
        });
        let token = token.ok_or(Error::NoToken(id))?;
        authority::check(&token.account)?;
        Ok(token)
    }

    /// A token that is about to end. The guard of the last token will lock its home; taking that lock before the
    /// token's own is the order in which a deleted domain takes them, so the two cannot deadlock.
    pub fn to_end(id: Option<i64>, account_id: Option<i64>) -> Result<Self, Error> {
        static LOCK_HOME: Statement = Statement::new(
            "SELECT d.id
               FROM token_auth.token t
               JOIN token_auth.domain d ON d.id = t.domain_id
              WHERE t.id = $1
                AND t.account_id = coalesce($2, t.account_id)
                FOR NO KEY UPDATE OF d",
        );
        LOCK_HOME.run(&[id.into(), account_id.into()]);
        Self::to_manage(id, account_id)
    }

    /// That it was neither reset nor has expired.
    pub fn check_live(&self) -> Result<(), Error> {
        if self.was_reset {
            Err(Error::AlreadyReset(self.id))
        } else if verdict::has_expired(self.expires_at.map(|at| at.0), server::now().0) {
            Err(Error::Expired(self.id))
        } else {
            Ok(())
        }
    }
}
