//! Verification: a secret and a question in, one `verification` row out, always.
//!
//! What the database knows about a digest comes from the memory of this backend (`memory.rs`) or is read (`facts.rs`), and
//! the crate's rules decide. All that an answer is made of was true at one moment, not before the call began: a change that
//! committed before it is seen, at every isolation level. Nothing is written.

use std::rc::Rc;

use pgrx::pg_extern;
use token_auth_core::name;
use token_auth_core::secret::{self, Digest};
use token_auth_core::verdict::{self, Code, Domain};

use crate::arguments::{Text, question};
use crate::error::answer;
use crate::facts::{self, Account, Known, NamedDomain, Reading, Token};
use crate::memory;
use crate::store::identity::Identity;
use crate::store::invalidation;
use crate::store::record::{Composite, Formed};
use crate::store::server;
use crate::store::value::{Given, Instant, Jsonb, ShortText};
use crate::tables::Tables;

/// A row of `token_auth.verification`.
pub type Verification = Composite;

/// Its columns, counted from 0, that depend on the question.
const VALID: usize = 0;
const CODE: usize = 1;
const DOMAIN_ID: usize = 4;

#[pg_extern(sql = false)]
fn verify_token(secret: Option<Given<'_>>, scope: Option<Given<'_>>, domain: Option<Given<'_>>) -> Verification {
    verify(digest_of(bytes(secret)), bytes(scope), bytes(domain)).0
}

#[pg_extern(sql = false)]
fn verify_token_digest(digest: Option<Given<'_>>, scope: Option<Given<'_>>, domain: Option<Given<'_>>) -> Verification {
    verify(bytes(digest).and_then(|digest| Digest::try_from(digest).ok()), bytes(scope), bytes(domain)).0
}

fn bytes(given: Option<Given<'_>>) -> Option<&[u8]> {
    given.map(|Given(bytes)| bytes)
}

/// Verifies a secret, and says besides who that is where the answer is ok.
pub fn identify(secret: Text<'_>) -> (Verification, Option<Identity>) {
    let (verification, good) = verify(digest_of(secret), None, None);
    (verification, good.map(|known| known.token.identity()))
}

/// `None` where the secret does not have the form of one.
fn digest_of(secret: Text<'_>) -> Option<Digest> {
    secret.filter(|secret| secret::is_well_formed(secret)).map(secret::digest)
}

/// The token of this identity, where a verification of its secret would be ok now.
pub fn good_token(identity: Identity) -> Option<Token> {
    let (token, _) = facts::read(|reading| reading.token_with_identity(identity));
    token.filter(|token| verdict::decide(&token.facts, None, Domain::Unnamed, now) == Code::Ok)
}

fn now() -> verdict::Micros {
    server::now().0
}

/// The answer, and the token where it is ok. `digest` is `None` where the secret, or the digest, does not have the
/// form of one.
///
/// It is asked at each request, so only what can fail is wrapped for it: the question, and the reading. Forming a row fails
/// where there is no memory, or where somebody has altered the type of the extension.
fn verify(digest: Option<Digest>, scope: Text<'_>, domain: Text<'_>) -> (Verification, Option<Rc<Known>>) {
    let scope = question(scope).unwrap_or_else(|error| answer(|| Err(error)));
    let Some(digest) = digest else { return (unknown(Code::Malformed), None) };
    let Some((known, domain)) = known(&digest, domain) else { return (unknown(Code::NotFound), None) };
    let code = verdict::decide(&known.token.facts, scope.as_ref(), domain, now);
    let verification = match (code, domain) {
        (Code::Ok, Domain::Unnamed) => known.verification.answer(),
        _ => {
            let changes = [
                (VALID, (code == Code::Ok).into()),
                (CODE, text_of(code).lend()),
                // Where no domain was named it is the token's home, and stays.
                (DOMAIN_ID, domain.id().into()),
            ];
            let changes = if domain == Domain::Unnamed { &changes[..2] } else { &changes };
            known.verification.answer_with(Tables::now().verification, changes)
        }
    };
    (verification, Some(known).filter(|_| code == Code::Ok))
}

/// The token, and the domain of its account that is asked about.
fn known(digest: &Digest, domain: Text<'_>) -> Option<(Rc<Known>, Domain)> {
    invalidation::accept();
    // What is the name of no domain is as unknown as a name can be.
    let name = domain.map(|name| name::folded(name).unwrap_or_default());
    if let Some(known) = memory::token(digest) {
        let Some(name) = &name else { return Some((known, Domain::Unnamed)) };
        let remembered = memory::domain(known.token.account_id, name);
        if let Some(domain) = remembered.filter(|domain| known.token.seen.goes_with(&domain.seen)) {
            let domain = known.token.domain(Some(&domain));
            return Some((known, domain));
        }
    }
    answer(|| Ok(read(digest, name.as_deref())))
}

/// Reads what is not remembered, and remembers it.
fn read(digest: &Digest, name: Option<&str>) -> Option<(Rc<Known>, Domain)> {
    let (found, lasts) = facts::read(|reading| Found::read(reading, digest, name));
    let found = found?;
    let account_id = found.known.token.account_id;
    if lasts {
        memory::keep_token(&found.known);
        if let Some(account) = found.new_account {
            memory::keep_account(account_id, account);
        }
        if let Some(domain) = found.domain.as_ref().filter(|_| found.domain_is_new) {
            memory::keep_domain(account_id, domain);
        }
    }
    let domain = name.map_or(Domain::Unnamed, |_| found.known.token.domain(found.domain.as_deref()));
    Some((found.known, domain))
}

struct Found {
    known: Rc<Known>,
    new_account: Option<Account>,
    domain: Option<Rc<NamedDomain>>,
    domain_is_new: bool,
}

impl Found {
    fn read(reading: &Reading, digest: &Digest, name: Option<&str>) -> Option<Self> {
        let found = Self::of_token(reading.token_with_digest(digest, memory::account)?);
        let Some(name) = name else { return Some(found) };
        let goes_with = |known: &Known, domain: &NamedDomain| known.token.seen.goes_with(&domain.seen);
        let account_id = found.known.token.account_id;
        if let Some(domain) = memory::domain(account_id, name).filter(|domain| goes_with(&found.known, domain)) {
            return Some(Self { domain: Some(domain), ..found });
        }
        let domain = reading.domain_named(account_id, name).map(Rc::new);
        if domain.as_ref().is_none_or(|domain| goes_with(&found.known, domain)) {
            return Some(Self { domain, domain_is_new: true, ..found });
        }
        // The account is remembered from before the domain was changed, perhaps by one who changed both.
        let found = Self::of_token(reading.token_with_digest(digest, |_| None)?);
        Some(Self { domain, domain_is_new: true, ..found })
    }

    fn of_token((known, new_account): (Known, Option<Account>)) -> Self {
        Self { known: Rc::new(known), new_account, domain: None, domain_is_new: false }
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
    let tables = Tables::now();
    let formed = if code == Code::Malformed { &tables.malformed } else { &tables.not_found };
    let form = || {
        let none = None::<i64>;
        Formed::new(
            tables.verification,
            [
                false.into(),
                text_of(code).lend(),
                none.into(),
                none.into(),
                none.into(),
                None::<String>.into(),
                None::<Instant>.into(),
                None::<Jsonb>.into(),
            ],
        )
    };
    formed.get_or_init(form).answer()
}
