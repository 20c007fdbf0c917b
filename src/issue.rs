//! Making a token: the one place where a secret comes into being, and where a token's row is written.

use rand::TryRng as _;
use rand::rngs::SysRng;
use token_auth_rules::{name, secret};

use crate::account::Account;
use crate::authority;
use crate::error::Error;
use crate::store::statement::Statement;
use crate::store::value::{Instant, Jsonb};

/// A token to make.
pub struct NewToken<'a> {
    pub account: &'a Account,
    pub home: Option<i64>,
    pub name: TokenName<'a>,
    pub expires_at: Option<Instant>,
    pub metadata: Jsonb,
}

/// Where a token's name comes from. Two of the three have the token's id in them.
pub enum TokenName<'a> {
    Given(&'a str),
    OfDomain(&'a str),
    AfterReset { name: &'a str, id: i64 },
}

/// The access that a token is made with.
pub enum Grant<'a> {
    Scopes {
        domain_id: Option<i64>,
        scopes: &'a [String],
    },
    /// The same as that token has.
    LikeToken(i64),
}

/// A token that was made. The secret is nowhere else.
pub struct Issued {
    pub id: i64,
    pub name: String,
    pub secret: String,
    pub hint: String,
    pub expires_at: Option<Instant>,
}

impl NewToken<'_> {
    pub fn issue(self, grant: Grant<'_>) -> Result<Issued, Error> {
        static NEXT_ID: Statement = Statement::new("SELECT pg_catalog.nextval('token_auth.token_id_seq')");
        static INSERT: Statement = Statement::new(
            "INSERT INTO token_auth.token
                    (id, account_id, domain_id, name, digest, hint, expires_at, created_by, metadata)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        );
        let profile = &self.account.profile;
        profile.check_can_seal()?;
        let id: i64 = NEXT_ID.row(&[], |row| row.must(1)).expect("a sequence has a next value");
        let name = match self.name {
            TokenName::Given(name) => name.to_string(),
            TokenName::OfDomain(domain) => name::of_domain_token(domain, id),
            TokenName::AfterReset { name, id: old_id } => name::after_reset(name, old_id, id),
        };
        let secret = secret::generate(&profile.secret_prefix, |bytes| SysRng.try_fill_bytes(bytes))
            .map_err(|error| Error::NoRandomness(error.to_string()))?;
        let hint = secret::hint(&secret);
        let digest = secret::digest(secret.as_bytes());
        INSERT.run(&[
            id.into(),
            self.account.id.into(),
            self.home.into(),
            name.as_str().into(),
            digest.as_slice().into(),
            hint.as_str().into(),
            self.expires_at.into(),
            authority::actor()?.into(),
            self.metadata.into(),
        ]);
        self.account.give_access(id, grant);
        Ok(Issued { id, name, secret, hint, expires_at: self.expires_at })
    }
}

impl Account {
    /// Writes the access of a token that has none yet.
    fn give_access(&self, token_id: i64, grant: Grant<'_>) {
        static INSERT: Statement = Statement::new(
            "INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes) VALUES ($1, $2, $3, $4)",
        );
        static COPY: Statement = Statement::new(
            "INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes)
             SELECT account_id, $1, domain_id, scopes FROM token_auth.token_access WHERE token_id = $2 ORDER BY id",
        );
        match grant {
            Grant::Scopes { domain_id, scopes } => {
                INSERT.run(&[self.id.into(), token_id.into(), domain_id.into(), scopes.to_vec().into()])
            }
            Grant::LikeToken(id) => COPY.run(&[token_id.into(), id.into()]),
        };
    }
}
