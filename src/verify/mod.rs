//! Verification: a secret and a question in, one `verification` row out, always.
//!
//! What the database knows about a digest comes from the memory of this backend (`memory.rs`) or is read (`facts.rs`), and
//! the crate's rules decide. All that an answer is made of was true at one moment, not before the call began: a change that
//! committed before it is stamp, at every isolation level. Nothing is written.

pub mod cache;
pub mod catalog;
pub mod reader;

use std::rc::Rc;

use pgrx::pg_extern;
use token_auth_core::decision::{self, Code, DomainQuery};
use token_auth_core::name;
use token_auth_core::secret::{self, Digest};

use crate::arguments::{Text, question};
use crate::error::guarded;
use crate::pg::datum::{Jsonb, ShortText, Timestamp, VarlenaArg};
use crate::pg::inval;
use crate::pg::protected_guc::Identity;
use crate::pg::server;
use crate::pg::tuple::{Composite, RowTemplate};
use crate::verify::catalog::Catalog;
use crate::verify::reader::{AccountState, CachedToken, DomainState, SnapshotReader, TokenState};

/// A row of `token_auth.verification`.
pub type Verification = Composite;

/// Its columns, counted from 0, that depend on the question.
const VALID: usize = 0;
const CODE: usize = 1;
const DOMAIN_ID: usize = 4;

#[pg_extern(sql = false)]
fn verify_token(
    secret: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
) -> Verification {
    verify(digest_of(bytes(secret)), bytes(scope), bytes(domain)).0
}

#[pg_extern(sql = false)]
fn verify_token_digest(
    digest: Option<VarlenaArg<'_>>,
    scope: Option<VarlenaArg<'_>>,
    domain: Option<VarlenaArg<'_>>,
) -> Verification {
    verify(bytes(digest).and_then(|digest| Digest::try_from(digest).ok()), bytes(scope), bytes(domain)).0
}

fn bytes(given: Option<VarlenaArg<'_>>) -> Option<&[u8]> {
    given.map(|VarlenaArg(bytes)| bytes)
}

/// Verifies a secret, and says besides who that is where the answer is ok.
pub fn identify(secret: Text<'_>) -> (Verification, Option<Identity>) {
    let (verification, good) = verify(digest_of(secret), None, None);
    (verification, good.map(|cached| cached.token.identity()))
}

/// `None` where the secret does not have the form of one.
fn digest_of(secret: Text<'_>) -> Option<Digest> {
    secret.filter(|secret| secret::is_well_formed(secret)).map(secret::digest)
}

/// The token of this identity, where a verification of its secret would be ok now.
pub fn good_token(identity: Identity) -> Option<TokenState> {
    let (token, _) = reader::read_consistent(|reading| reading.token_with_identity(identity));
    token.filter(|token| decision::decide(&token.facts, None, DomainQuery::AccountWide, now) == Code::Ok)
}

fn now() -> decision::Micros {
    server::now().0
}

/// The answer, and the token where it is ok. `digest` is `None` where the secret, or the digest, does not have the
/// form of one.
///
/// It is asked at each request, so only what can fail is wrapped for it: the question, and the reading. Forming a row fails
/// where there is no memory, or where somebody has altered the type of the extension.
fn verify(digest: Option<Digest>, scope: Text<'_>, domain: Text<'_>) -> (Verification, Option<Rc<CachedToken>>) {
    let scope = question(scope).unwrap_or_else(|error| guarded(|| Err(error)));
    let Some(digest) = digest else { return (unknown(Code::Malformed), None) };
    let Some((cached, domain)) = cached(&digest, domain) else { return (unknown(Code::NotFound), None) };
    let code = decision::decide(&cached.token.facts, scope.as_ref(), domain, now);
    let verification = match (code, domain) {
        (Code::Ok, DomainQuery::AccountWide) => cached.verification.to_datum(),
        _ => {
            let changes = [
                (VALID, (code == Code::Ok).into()),
                (CODE, text_of(code).as_datum()),
                // Where no domain was named it is the token's home, and stays.
                (DOMAIN_ID, domain.id().into()),
            ];
            let changes = if domain == DomainQuery::AccountWide { &changes[..2] } else { &changes };
            cached.verification.with_columns(Catalog::current().verification, changes)
        }
    };
    (verification, Some(cached).filter(|_| code == Code::Ok))
}

/// The token, and the domain of its account that is asked about.
fn cached(digest: &Digest, domain: Text<'_>) -> Option<(Rc<CachedToken>, DomainQuery)> {
    inval::accept_messages();
    // What is the name of no domain is as unknown as a name can be.
    let name = domain.map(|name| name::folded(name).unwrap_or_default());
    if let Some(cached) = cache::token(digest) {
        let Some(name) = &name else { return Some((cached, DomainQuery::AccountWide)) };
        let remembered = cache::domain(cached.token.account_id, name);
        if let Some(domain) = remembered.filter(|domain| cached.token.stamp.is_consistent_with(&domain.stamp)) {
            let domain = cached.token.domain(Some(&domain));
            return Some((cached, domain));
        }
    }
    guarded(|| Ok(read(digest, name.as_deref())))
}

/// Reads what is not remembered, and remembers it.
fn read(digest: &Digest, name: Option<&str>) -> Option<(Rc<CachedToken>, DomainQuery)> {
    let (found, cacheable) = reader::read_consistent(|reading| Found::read(reading, digest, name));
    let found = found?;
    let account_id = found.cached.token.account_id;
    if cacheable {
        cache::insert_token(&found.cached);
        if let Some(account) = found.new_account {
            cache::insert_account(account_id, account);
        }
        if let Some(domain) = found.domain.as_ref().filter(|_| found.domain_is_new) {
            cache::insert_domain(account_id, domain);
        }
    }
    let domain = name.map_or(DomainQuery::AccountWide, |_| found.cached.token.domain(found.domain.as_deref()));
    Some((found.cached, domain))
}

struct Found {
    cached: Rc<CachedToken>,
    new_account: Option<AccountState>,
    domain: Option<Rc<DomainState>>,
    domain_is_new: bool,
}

impl Found {
    fn read(reading: &SnapshotReader, digest: &Digest, name: Option<&str>) -> Option<Self> {
        let found = Self::of_token(reading.token_with_digest(digest, cache::account)?);
        let Some(name) = name else { return Some(found) };
        let is_consistent_with =
            |cached: &CachedToken, domain: &DomainState| cached.token.stamp.is_consistent_with(&domain.stamp);
        let account_id = found.cached.token.account_id;
        if let Some(domain) = cache::domain(account_id, name).filter(|domain| is_consistent_with(&found.cached, domain))
        {
            return Some(Self { domain: Some(domain), ..found });
        }
        let domain = reading.domain_named(account_id, name).map(Rc::new);
        if domain.as_ref().is_none_or(|domain| is_consistent_with(&found.cached, domain)) {
            return Some(Self { domain, domain_is_new: true, ..found });
        }
        // The account is remembered from before the domain was changed, perhaps by one who changed both.
        let found = Self::of_token(reading.token_with_digest(digest, |_| None)?);
        Some(Self { domain, domain_is_new: true, ..found })
    }

    fn of_token((cached, new_account): (CachedToken, Option<AccountState>)) -> Self {
        Self { cached: Rc::new(cached), new_account, domain: None, domain_is_new: false }
    }
}

fn text_of(code: Code) -> &'static ShortText {
    static TEXTS: [ShortText; Code::ALL.len()] = {
        let mut texts = [const { ShortText::new("") }; Code::ALL.len()];
        let mut place = 0;
        while place < texts.len() {
            texts[place] = ShortText::new(Code::ALL[place].as_str());
            place += 1;
        }
        texts
    };
    &TEXTS[code as usize]
}

/// The answer about no token at all.
fn unknown(code: Code) -> Verification {
    let tables = Catalog::current();
    let formed = if code == Code::Malformed { &tables.malformed } else { &tables.not_found };
    let form = || {
        let none = None::<i64>;
        RowTemplate::new(
            tables.verification,
            [
                false.into(),
                text_of(code).as_datum(),
                none.into(),
                none.into(),
                none.into(),
                None::<String>.into(),
                None::<Timestamp>.into(),
                None::<Jsonb>.into(),
            ],
        )
    };
    formed.get_or_init(form).to_datum()
}
