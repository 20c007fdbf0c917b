//! Verification: a secret and a question in, one `verification` row out, always.
//!
//! The seam is here: [`facts`] reads what the database knows about a digest, and the crate's rules decide. Both reads
//! of one verification see the same snapshot, taken at the call, so that a change that committed before the call is
//! seen at every isolation level.

use pgrx::pg_extern;
use token_auth_rules::name;
use token_auth_rules::scope::Scope;
use token_auth_rules::secret::{self, Digest};
use token_auth_rules::verdict::{self, Code, Domain, TokenFacts};

use crate::access;
use crate::arguments::{Text, question};
use crate::error::answer;
use crate::store::record::Record;
use crate::store::server;
use crate::store::snapshot::FreshSnapshot;
use crate::store::statement::Statement;
use crate::store::value::{Instant, Jsonb};

/// The columns of `token_auth.verification`.
pub type Verification = Record<8>;

#[pg_extern(sql = false)]
fn verify_token(secret: Text<'_>, scope: Text<'_>, domain: Text<'_>) -> Verification {
    answer(|| Ok(self::secret(secret, question(scope)?, domain).0))
}

#[pg_extern(sql = false)]
fn verify_token_digest(digest: Option<&[u8]>, scope: Text<'_>, domain: Text<'_>) -> Verification {
    answer(|| {
        let scope = question(scope)?;
        let digest = digest.and_then(|digest| Digest::try_from(digest).ok());
        Ok(verify(digest, scope, domain).0)
    })
}

/// Verifies a secret, and says besides which token it is where the answer is ok.
pub fn secret(secret: Text<'_>, scope: Option<Scope<'_>>, domain: Text<'_>) -> (Verification, Option<i64>) {
    let well_formed = secret.filter(|secret| secret::is_well_formed(secret));
    verify(well_formed.map(secret::digest), scope, domain)
}

/// The token of this id, where a verification of its secret would be ok now.
pub fn good_token(id: i64) -> Option<VerifiedToken> {
    let token = facts(Key::Id(id), &FreshSnapshot::take())?;
    let code = verdict::decide(&token.facts, None, Domain::Unnamed, server::now().0);
    (code == Code::Ok).then_some(token)
}

/// `digest` is `None` where the secret, or the digest, does not have the form of one.
fn verify(digest: Option<Digest>, scope: Option<Scope<'_>>, domain: Text<'_>) -> (Verification, Option<i64>) {
    let Some(digest) = digest else { return (unknown(Code::Malformed), None) };
    let snapshot = FreshSnapshot::take();
    let Some(token) = facts(Key::Digest(&digest), &snapshot) else { return (unknown(Code::NotFound), None) };
    let domain = token.domain_asked_about(domain, &snapshot);
    let code = verdict::decide(&token.facts, scope.as_ref(), domain, server::now().0);
    let domain_id = if domain == Domain::Unnamed { token.home } else { domain.id() };
    let verification = Record([
        (code == Code::Ok).into(),
        code.as_str().into(),
        token.id.into(),
        token.account_id.into(),
        domain_id.into(),
        token.name.into(),
        token.expires_at.into(),
        token.metadata.into(),
    ]);
    (verification, (code == Code::Ok).then_some(token.id))
}

/// The answer about no token at all.
fn unknown(code: Code) -> Verification {
    let none = None::<i64>;
    Record([
        false.into(),
        code.as_str().into(),
        none.into(),
        none.into(),
        none.into(),
        None::<String>.into(),
        None::<Instant>.into(),
        None::<Jsonb>.into(),
    ])
}

/// A token as verification sees it.
pub struct VerifiedToken {
    pub id: i64,
    pub account_id: i64,
    home: Option<i64>,
    name: String,
    expires_at: Option<Instant>,
    metadata: Jsonb,
    needs_verified_domain: bool,
    pub facts: TokenFacts,
}

/// What a token is found by.
enum Key<'a> {
    Digest(&'a Digest),
    Id(i64),
}

fn facts(key: Key<'_>, snapshot: &FreshSnapshot) -> Option<VerifiedToken> {
    macro_rules! find_where {
        ($condition:literal) => {
            Statement::new(concat!(
                "SELECT t.id, t.account_id, t.domain_id, t.name, t.expires_at, t.metadata,
                        t.paused_at IS NOT NULL OR a.paused_at IS NOT NULL AS paused, p.needs_verified_domain
                   FROM token_auth.token t
                   JOIN token_auth.account a ON a.id = t.account_id
                   JOIN token_auth.profile p ON p.name = a.profile
                  WHERE ",
                $condition
            ))
        };
    }
    static BY_DIGEST: Statement = find_where!("t.digest = $1");
    static BY_ID: Statement = find_where!("t.id = $1");
    let (find, key) = match key {
        Key::Digest(digest) => (&BY_DIGEST, digest.as_slice().into()),
        Key::Id(id) => (&BY_ID, id.into()),
    };
    let found = find.fresh_rows(snapshot, &[key], |row| {
        let expires_at: Option<Instant> = row.get(c"expires_at");
        VerifiedToken {
            id: row.must(c"id"),
            account_id: row.must(c"account_id"),
            home: row.get(c"domain_id"),
            name: row.must(c"name"),
            expires_at,
            metadata: row.must(c"metadata"),
            needs_verified_domain: row.must(c"needs_verified_domain"),
            facts: TokenFacts {
                paused: row.must(c"paused"),
                expires_at: expires_at.map(|at| at.0),
                access: Vec::new(),
            },
        }
    });
    let mut token = found.into_iter().next()?;
    token.facts.access = access::of_token_under(token.id, snapshot);
    Some(token)
}

impl VerifiedToken {
    fn domain_asked_about(&self, domain: Text<'_>, snapshot: &FreshSnapshot) -> Domain {
        static FIND: Statement = Statement::new(
            "SELECT id, verified_at IS NOT NULL
               FROM token_auth.domain
              WHERE account_id = $1 AND pg_catalog.lower(name COLLATE \"C\") = $2",
        );
        let Some(domain) = domain else { return Domain::Unnamed };
        // Text that is no UTF-8 is the name of no domain.
        let Ok(domain) = std::str::from_utf8(domain) else { return Domain::Unusable };
        let found = FIND.fresh_rows(snapshot, &[self.account_id.into(), name::fold(domain).into()], |row| {
            (row.must::<i64>(1), row.must::<bool>(2))
        });
        found.first().map_or(Domain::Unusable, |(id, verified)| self.usable(*id, *verified))
    }

    /// A domain of its account, unless that is refused because it is not verified.
    pub fn usable(&self, domain_id: i64, is_verified: bool) -> Domain {
        if is_verified || !self.needs_verified_domain { Domain::Known(domain_id) } else { Domain::Unusable }
    }
}
