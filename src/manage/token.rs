//! The life of a token between its creation and its end.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{Array, pg_extern};
use token_auth_core::decision;
use token_auth_core::scope::access::Access;

use crate::arguments::{self, Text, new_name, required, text};
use crate::error::{Error, guarded, map_foreign_key_violation};
use crate::manage::account::Account;
use crate::manage::domain;
use crate::manage::issue::{NewToken, TokenName};
use crate::permission::{self, Action};
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::server;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;

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
    guarded(|| {
        let name = new_name(name, "name")?;
        let all_domains = all_domains.unwrap_or(false);
        if domain.is_none() && !all_domains {
            return Err(Error::NoDomain);
        }
        let metadata = metadata.map_or(Ok(Jsonb::empty_object()), arguments::metadata)?;
        let account = Account::to_make_under(account_id)?;
        // Who may not make a token does not learn which domains there are.
        let home = domain::find(account.id, domain);
        permission::check(&account, Action::CreateToken(home.as_ref().ok().copied().flatten()))?;
        let home = home?;
        let scopes = arguments::scopes(scopes, &account.profile)?;
        let expires_at = arguments::expiry(expires_at, &account.profile)?;
        let access = [Access::new(home.filter(|_| !all_domains), scopes)];
        permission::check_gives(&access)?;
        let name = TokenName::Given(name);
        let token = NewToken { account: &account, home, name, expires_at, metadata, access: &access }.issue()?;
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
    static PAUSE: Query = Query::new(
        "UPDATE token_auth.token SET paused_at = pg_catalog.clock_timestamp() WHERE id = $1 AND paused_at IS NULL",
    );
    guarded(|| {
        let (account, id) = Token::to_touch(id, account_id)?;
        account.profile.check_can_pause()?;
        PAUSE.execute(&[id.into()]);
        Ok(())
    })
}

/// It asks for no `can_pause`: a token that was paused before its profile changed must not stay paused for ever.
#[pg_extern(sql = false)]
fn resume_token(id: Option<i64>, account_id: Option<i64>) {
    static RESUME: Query =
        Query::new("UPDATE token_auth.token SET paused_at = NULL WHERE id = $1 AND paused_at IS NOT NULL");
    guarded(|| {
        let (_account, id) = Token::to_touch(id, account_id)?;
        RESUME.execute(&[id.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn rename_token(id: Option<i64>, name: Text<'_>, account_id: Option<i64>) {
    static RENAME: Query = Query::new("UPDATE token_auth.token SET name = $2 WHERE id = $1");
    guarded(|| {
        let name = new_name(name, "name")?;
        let (account, id) = Token::to_touch(id, account_id)?;
        account.profile.check_can_rename()?;
        RENAME.execute(&[id.into(), name.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_token_expiry(id: Option<i64>, expires_at: Option<TimestampWithTimeZone>, account_id: Option<i64>) {
    static SET: Query = Query::new("UPDATE token_auth.token SET expires_at = $2 WHERE id = $1");
    guarded(|| {
        let (account, token) = Token::to_end(id, account_id)?;
        let expires_at = arguments::expiry(expires_at, &account.profile)?;
        token.check_live()?;
        SET.execute(&[token.id.into(), expires_at.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_token_metadata(id: Option<i64>, metadata: Option<&[u8]>, account_id: Option<i64>) {
    static SET: Query = Query::new("UPDATE token_auth.token SET metadata = $2 WHERE id = $1");
    guarded(|| {
        let metadata = arguments::metadata(required(metadata, "metadata")?)?;
        let (_account, id) = Token::to_touch(id, account_id)?;
        SET.execute(&[id.into(), metadata.into()]);
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn delete_token(id: Option<i64>, confirm_name: Text<'_>, account_id: Option<i64>) {
    static DELETE: Query = Query::new("DELETE FROM token_auth.token WHERE id = $1");
    guarded(|| {
        let confirm_name = text(confirm_name, "confirm_name")?;
        let (account, token) = Token::to_end(id, account_id)?;
        match confirm_name {
            Some(name) if name != token.name => return Err(Error::NotConfirmed { what: "token", id: token.id }),
            None if account.profile.confirms_delete => {
                return Err(Error::Unconfirmed { profile: account.profile.name, id: token.id });
            }
            _ => {}
        }
        map_foreign_key_violation("token", token.id, || DELETE.execute(&[token.id.into()]))?;
        Ok(())
    })
}

/// A token whose life is about to change, locked against others who change it.
pub struct Token {
    pub id: i64,
    pub home: Option<i64>,
    pub name: String,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub metadata: Jsonb,
    was_reset: bool,
}

impl Token {
    /// A token to change in a way that cannot end it, locked, and its account. The caller is asked after the lock: who waits
    /// for it is taken as it is then, and so is the token.
    pub fn to_touch(id: Option<i64>, account_id: Option<i64>) -> Result<(Account, i64), Error> {
        let (account, id) = Account::of_token(id, account_id)?;
        Self::lock_alone(id)?;
        permission::check(&account, Action::ManageToken(id))?;
        Ok((account, id))
    }

    /// A token to change in a way that may end it, locked after its home, and its account. The caller is asked after that.
    fn to_end(id: Option<i64>, account_id: Option<i64>) -> Result<(Account, Self), Error> {
        let (account, id) = Account::of_token(id, account_id)?;
        let token = Self::lock(id)?;
        permission::check(&account, Action::ManageToken(id))?;
        Ok((account, token))
    }

    /// Locks a token and not its home, for what cannot end it.
    pub fn lock_alone(id: i64) -> Result<(), Error> {
        static LOCK: Query = Query::new("SELECT true FROM token_auth.token WHERE id = $1 FOR NO KEY UPDATE");
        LOCK.row(&[id.into()], |_| ()).ok_or(Error::NoToken(id))
    }

    /// Locks the home of a token whose account is locked already: the guard of the last token may lock it later on, and
    /// locks are taken from the top.
    pub fn lock_home(id: i64) {
        static LOCK_HOME: Query = Query::new(
            "SELECT d.id
               FROM token_auth.token t
               JOIN token_auth.domain d ON d.id = t.domain_id
              WHERE t.id = $1
                FOR NO KEY UPDATE OF d",
        );
        LOCK_HOME.execute(&[id.into()]);
    }

    /// Locks the home of a token, and then the token.
    pub fn lock(id: i64) -> Result<Self, Error> {
        static LOCK: Query = Query::new(
            "SELECT domain_id, name, expires_at, created_at, metadata, replaced_at IS NOT NULL AS was_reset
               FROM token_auth.token
              WHERE id = $1
                FOR NO KEY UPDATE",
        );
        Self::lock_home(id);
        let token = LOCK.row(&[id.into()], |row| Self {
            id,
            home: row.get(c"domain_id"),
            name: row.get_not_null(c"name"),
            expires_at: row.get(c"expires_at"),
            created_at: row.get_not_null(c"created_at"),
            metadata: row.get_not_null(c"metadata"),
            was_reset: row.get_not_null(c"was_reset"),
        });
        token.ok_or(Error::NoToken(id))
    }

    /// That it was neither reset nor has expired.
    pub fn check_live(&self) -> Result<(), Error> {
        if self.was_reset {
            Err(Error::AlreadyReset(self.id))
        } else if decision::has_expired(self.expires_at.map(|at| at.0), server::now().0) {
            Err(Error::Expired(self.id))
        } else {
            Ok(())
        }
    }
}
