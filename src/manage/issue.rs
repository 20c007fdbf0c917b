//! The creation of a token: the only place that makes a secret and writes the row of a new token, or of an imported one.

use rand::TryRng as _;
use rand::rngs::SysRng;
use token_auth_core::network::Networks;
use token_auth_core::scheme::Scheme;
use token_auth_core::scope::access::Access;
use token_auth_core::secret::Digest;
use token_auth_core::{name, secret};

use super::keyring;
use crate::arguments::network;
use crate::error::{EnvironmentError, Error, StateError};
use crate::model::account::Account;
use crate::model::token;
use crate::permission;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::spi::Query;

/// A token to create.
pub struct NewToken<'a> {
    pub account: &'a Account,
    pub home: Option<i64>,
    pub name: TokenName<'a>,
    pub owner: Option<String>,
    pub networks: Option<Networks>,
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

/// What another system knew of a token that is imported.
pub struct Imported<'a> {
    pub scheme: Scheme,
    pub digest: Digest,
    pub hint: &'a str,
    /// The secret, if it is known.
    pub secret: Option<&'a str>,
    pub created_at: Option<Timestamp>,
}

/// A token that was created. The secret is nowhere else.
pub struct IssuedToken {
    pub id: i64,
    pub name: String,
    pub secret: String,
    pub hint: String,
    pub expires_at: Option<Timestamp>,
}

/// A row that must not be there already.
enum Once<'a> {
    No,
    /// A token that was created with this `request_id`.
    Request(&'a str),
    /// A token with the same digest.
    Digest,
}

/// Returns an error unless one row was written: a BEFORE trigger of the application may have kept it from that.
pub fn written(table: &'static str, rows: u64) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(StateError::NotWritten(table).into()) }
}

impl NewToken<'_> {
    /// Makes a secret, and inserts the token and its access. An account has one token for each `request_id`.
    pub fn issue(self, request_id: Option<&str>) -> Result<IssuedToken, Error> {
        let (id, name) = self.id_and_name();
        let prefix = &self.account.profile.secret_prefix;
        let secret = secret::generate(prefix, |bytes| SysRng.try_fill_bytes(bytes))
            .map_err(|error| EnvironmentError::NoRandomness(error.to_string()))?;
        let hint = secret::hint(&secret);
        let credentials = Imported {
            scheme: Scheme::TokenAuth,
            digest: secret::digest(secret.as_bytes()),
            hint: &hint,
            secret: Some(&secret),
            created_at: None,
        };
        let expires_at = self.expires_at;
        self.insert(id, &name, &credentials, &request_id.map_or(Once::No, Once::Request))?;
        Ok(IssuedToken { id, name, secret, hint, expires_at })
    }

    /// Inserts a token whose secret another system made, and its access. Returns its id.
    pub fn import(self, imported: &Imported<'_>) -> Result<i64, Error> {
        let (id, name) = self.id_and_name();
        self.insert(id, &name, imported, &Once::Digest)?;
        Ok(id)
    }

    fn id_and_name(&self) -> (i64, String) {
        static NEXT_ID: Query = Query::new("SELECT pg_catalog.nextval('token_auth.token_id_seq')");
        let id: i64 = NEXT_ID.row(&[], |row| row.get_not_null(1)).expect("a sequence has a next value");
        let name = match self.name {
            TokenName::Given(name) => name.to_string(),
            TokenName::OfDomain(domain) => name::of_domain_token(domain, id),
            TokenName::AfterReset { name, id: old_id } => name::after_reset(name, old_id, id),
        };
        (id, name)
    }

    fn insert(self, id: i64, name: &str, of: &Imported<'_>, once: &Once<'_>) -> Result<(), Error> {
        macro_rules! insert {
            ($on_conflict:literal) => {
                Query::new(concat!(
                    "INSERT INTO token_auth.token
                            (id, account_id, domain_id, name, owner, networks, digest, scheme, hint, sealed, expires_at,
                             created_by, created_at, metadata, paused_at, request_id)
                     VALUES ($1, $2, $3, $4, $5, $6::cidr[], $7, $8, $9, $10, $11,
                             $12, coalesce($13, pg_catalog.clock_timestamp()), $14,
                             CASE WHEN $15 THEN pg_catalog.clock_timestamp() END, $16) ",
                    $on_conflict
                ))
            };
        }
        static INSERT: Query = insert!("");
        static INSERT_REQUEST: Query =
            insert!("ON CONFLICT (account_id, request_id) WHERE request_id IS NOT NULL DO NOTHING");
        static INSERT_DIGEST: Query = insert!("ON CONFLICT ON CONSTRAINT token_digest_excl DO NOTHING");
        static WITH_DIGEST: Query = Query::new("SELECT id FROM token_auth.token WHERE digest = $1");
        static INSERT_ACCESS: Query = Query::new(
            "INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes) VALUES ($1, $2, $3, $4)",
        );
        let sealed = match of.secret {
            Some(secret) => keyring::seal(&self.account.profile, id, &of.digest, secret)?,
            None => None,
        };
        let account_id = self.account.id;
        let (query, request_id) = match *once {
            Once::No => (&INSERT, None),
            Once::Request(request_id) => (&INSERT_REQUEST, Some(request_id)),
            Once::Digest => (&INSERT_DIGEST, None),
        };
        let inserted = query.execute(&[
            id.into(),
            account_id.into(),
            self.home.into(),
            name.into(),
            self.owner.into(),
            self.networks.as_ref().map(network::texts).into(),
            of.digest.as_slice().into(),
            of.scheme.as_str().into(),
            of.hint.into(),
            sealed.into(),
            self.expires_at.into(),
            permission::creator()?.into(),
            of.created_at.into(),
            self.metadata.into(),
            self.is_paused.into(),
            request_id.into(),
        ]);
        if inserted == 0 {
            let digest = of.digest.as_slice();
            let existing = match *once {
                Once::No => None,
                Once::Request(request_id) => {
                    token::with_request_id(account_id, request_id).map(StateError::RequestRepeated)
                }
                Once::Digest => WITH_DIGEST
                    .row_latest_snapshot(&[digest.into()], |row| row.get_not_null(1))
                    .map(StateError::SecretTaken),
            };
            existing.map_or(Ok(()), |error| Err(Error::from(error)))?;
        }
        written("token", inserted)?;
        for access in self.access {
            let scopes: Vec<&str> = access.scopes.iter().map(|grant| grant.text()).collect();
            let arguments = [account_id.into(), id.into(), access.domain_id.into(), scopes.into()];
            written("token_access", INSERT_ACCESS.execute(&arguments))?;
        }
        Ok(())
    }
}
