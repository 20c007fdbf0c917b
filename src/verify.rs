//! Verification: a secret and a question in, one `verification` row out, always.
//!
//! `facts.rs` reads what the database knows about a digest, and the crate's rules decide. All reads of one verification
//! see the same snapshot, taken at the call, so that a change that committed before the call is seen at every isolation
//! level.

use pgrx::pg_extern;
use token_auth_rules::scope::Scope;
use token_auth_rules::secret::{self, Digest};
use token_auth_rules::verdict::{self, Code, Domain};

use crate::arguments::{Text, question};
use crate::error::answer;
use crate::facts::Token;
use crate::store::identity::Identity;
use crate::store::record::Record;
use crate::store::server;
use crate::store::snapshot::FreshSnapshot;
use crate::store::value::{Instant, Jsonb};

/// The columns of `token_auth.verification`.
pub type Verification = Record<8>;

#[pg_extern(sql = false)]
fn verify_token(secret: Text<'_>, scope: Text<'_>, domain: Text<'_>) -> Verification {
    answer(|| {
        let scope = question(scope)?;
        Ok(verify(digest_of(secret), scope, domain).0)
    })
}

#[pg_extern(sql = false)]
fn verify_token_digest(digest: Option<&[u8]>, scope: Text<'_>, domain: Text<'_>) -> Verification {
    answer(|| {
        let scope = question(scope)?;
        let digest = digest.and_then(|digest| Digest::try_from(digest).ok());
        Ok(verify(digest, scope, domain).0)
    })
}

/// Verifies a secret, and says besides who that is where the answer is ok.
pub fn identify(secret: Text<'_>) -> (Verification, Option<Identity>) {
    let digest = digest_of(secret);
    let (verification, token_id) = verify(digest, None, None);
    (verification, token_id.zip(digest).map(|(token_id, digest)| Identity::of(token_id, &digest)))
}

/// `None` where the secret does not have the form of one.
fn digest_of(secret: Text<'_>) -> Option<Digest> {
    secret.filter(|secret| secret::is_well_formed(secret)).map(secret::digest)
}

/// The token of this identity, where a verification of its secret would be ok now.
pub fn good_token(identity: Identity) -> Option<Token> {
    let token = Token::with_identity(identity, &FreshSnapshot::take())?;
    let code = verdict::decide(&token.facts, None, Domain::Unnamed, server::now().0);
    (code == Code::Ok).then_some(token)
}

/// The answer, and the token's id where it is ok. `digest` is `None` where the secret, or the digest, does not have the
/// form of one.
fn verify(digest: Option<Digest>, scope: Option<Scope<'_>>, domain: Text<'_>) -> (Verification, Option<i64>) {
    let Some(digest) = digest else { return (unknown(Code::Malformed), None) };
    let snapshot = FreshSnapshot::take();
    let Some(token) = Token::with_digest(&digest, &snapshot) else { return (unknown(Code::NotFound), None) };
    let domain = domain.map_or(Domain::Unnamed, |name| token.domain_named(name, &snapshot));
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
