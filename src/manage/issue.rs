//! The creation of a token: the only place that makes a secret and writes the row of a new token.

use rand::TryRng as _;
use rand::rngs::SysRng;
use token_auth_core::scope::access::Access;
use token_auth_core::{name, secret};

use super::keyring;
use crate::error::{EnvironmentError, Error, StateError};
use crate::model::account::Account;
use crate::permission;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::spi::Query;

/// A token to create.
pub struct NewToken<'a> {
    pub account: &'a Account,
    pub home: Option<i64>,
    pub name: TokenName<'a>,
    pub expires_at: Option<Timestamp>,
    pub metadata: Jsonb,
    pub is_paused: bool,
    pub access: &'a [Access],
}

/// The source of a new token's name. All but a given name contain the token's id.
pub enum TokenName<'a> {
    Given(&'a str),
    OfDomain(&'a str),
    AfterReset { name: &'a str, id: i64 },
}

/// A token that was created. The secret is nowhere else.
pub struct IssuedToken {
    pub id: i64,
    pub name: String,
    pub secret: String,
    pub hint: String,
    pub expires_at: Option<Timestamp>,
}

/// Returns an error unless one row was written: a BEFORE trigger of the application may have kept it from that.
pub fn written(table: &'static str, rows: u64) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(StateError::NotWritten(table).into()) }
}

impl NewToken<'_> {
    /// Makes a secret, and inserts the token and its access.
    pub fn issue(self) -> Result<IssuedToken, Error> {
        static NEXT_ID: Query = Query::new("SELECT pg_catalog.nextval('token_auth.token_id_seq')");
        static INSERT: Query = Query::new(
            "INSERT INTO token_auth.token
                    (id, account_id, domain_id, name, digest, hint, sealed, expires_at, created_by, metadata,
                     paused_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $11 THEN pg_catalog.clock_timestamp() END)",
        );
        static INSERT_ACCESS: Query = Query::new(
            "INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes) VALUES ($1, $2, $3, $4)",
        );
        let profile = &self.account.profile;
        let id: i64 = NEXT_ID.row(&[], |row| row.get_not_null(1)).expect("a sequence has a next value");
        let name = match self.name {
            TokenName::Given(name) => name.to_string(),
            TokenName::OfDomain(domain) => name::of_domain_token(domain, id),
            TokenName::AfterReset { name, id: old_id } => name::after_reset(name, old_id, id),
        };
        let secret = secret::generate(&profile.secret_prefix, |bytes| SysRng.try_fill_bytes(bytes))
            .map_err(|error| EnvironmentError::NoRandomness(error.to_string()))?;
        let hint = secret::hint(&secret);
        let digest = secret::digest(secret.as_bytes());
        let sealed = keyring::seal(profile, id, &digest, &secret)?;
        let inserted = INSERT.execute(&[
            id.into(),
            self.account.id.into(),
            self.home.into(),
            name.as_str().into(),
            digest.as_slice().into(),
            hint.as_str().into(),
            sealed.into(),
            self.expires_at.into(),
            permission::creator()?.into(),
            self.metadata.into(),
            self.is_paused.into(),
        ]);
        written("token", inserted)?;
        for access in self.access {
            let scopes: Vec<&str> = access.scopes.iter().map(|grant| grant.text()).collect();
            let arguments = [self.account.id.into(), id.into(), access.domain_id.into(), scopes.into()];
            written("token_access", INSERT_ACCESS.execute(&arguments))?;
        }
        Ok(IssuedToken { id, name, secret, hint, expires_at: self.expires_at })
    }
}
