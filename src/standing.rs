//! What the token as which the transaction acts may do, remembered from call to call.
//!
//! A policy may ask for each row, so an answer is looked up and no more, as long as nothing that it depends on has changed:
//! see `store/invalidation.rs`. What was read is kept under the mark from before the reading, so a change that came meanwhile
//! is noticed at the next call. Only the readings can fail, so only they are wrapped for it.

use std::cell::RefCell;
use std::collections::HashMap;

use token_auth_rules::scope::Scope;
use token_auth_rules::verdict::{self, Domain, Reach};

use crate::error::answer;
use crate::facts::{self, NamedDomain, Token};
use crate::store::identity::{self, Identity};
use crate::store::invalidation::{self, Mark};
use crate::store::server;
use crate::store::snapshot::FreshSnapshot;
use crate::store::value::Bytes;

/// How many scopes are remembered. Who asks for more begins anew.
const SCOPES: usize = 16;
/// How many bytes of names are remembered for a scope, roughly. Who asks for more begins anew.
const NAMES: usize = 4 << 20;

/// A token that is good, and what was asked about it.
pub struct Standing {
    pub token: Token,
    answers: Vec<Answers>,
}

/// What was asked about one scope.
struct Answers {
    scope: Box<[u8]>,
    reach: Reach,
    by_name: HashMap<Box<[u8]>, bool, foldhash::fast::RandomState>,
    bytes: usize,
    names: Option<Bytes>,
    ids: Option<Bytes>,
}

/// Asks about the token as which the transaction acts. `None` where it acts as none, or where that one is no longer good.
pub fn ask<T>(question: impl FnOnce(&mut Standing) -> T) -> Option<T> {
    thread_local! {
        static REMEMBERED: RefCell<Option<Remembered>> = const { RefCell::new(None) };
    }
    let identity = identity::assumed()?;
    invalidation::accept();
    let mark = Mark::of_token(identity.token_id);
    REMEMBERED.with_borrow_mut(|remembered| {
        if !remembered.as_ref().is_some_and(|remembered| remembered.identity == identity && remembered.mark == mark) {
            *remembered = None;
        }
        let standing = match remembered {
            Some(remembered) => &mut remembered.standing,
            None => {
                let standing = Standing::read(identity);
                let lasts = facts::can_be_remembered();
                &mut remembered.insert(Remembered { identity, mark, lasts, standing }).standing
            }
        };
        let answered = standing.as_mut().filter(|standing| standing.is_good()).map(question);
        if remembered.as_ref().is_some_and(|remembered| !remembered.lasts) {
            *remembered = None;
        }
        answered
    })
}

/// A token, or that there is none, and when that was read.
struct Remembered {
    identity: Identity,
    mark: Mark,
    /// Changes are announced, so that it can be remembered for the next call.
    lasts: bool,
    standing: Option<Standing>,
}

impl Standing {
    fn read(identity: Identity) -> Option<Self> {
        let token = answer(|| Ok(Token::with_identity(identity, &FreshSnapshot::take())))?;
        Some(Self { token, answers: Vec::new() })
    }

    fn is_good(&self) -> bool {
        let facts = &self.token.facts;
        !facts.paused && facts.expires_at.is_none_or(|expiry| !verdict::has_expired(Some(expiry), server::now().0))
    }

    /// Whether it may do this on the domain of this name, or account-wide where there is none.
    pub fn allows(&mut self, scope: &[u8], domain: Option<&[u8]>) -> Option<bool> {
        let Self { token, answers, .. } = self;
        let answers = Answers::about(answers, scope, token)?;
        let Some(name) = domain else { return Some(answers.reach.includes(Domain::Unnamed)) };
        if let Some(allowed) = answers.by_name.get(name) {
            return Some(*allowed);
        }
        let domain = answer(|| Ok(token.domain_named(name, &FreshSnapshot::take())));
        let allowed = answers.reach.includes(domain);
        answers.remember(name, allowed);
        Some(allowed)
    }

    /// The folded names of the domains on which it may do this, as a `text[]`.
    pub fn domain_names(&mut self, scope: &[u8]) -> Option<Bytes> {
        let Self { token, answers, .. } = self;
        let Answers { reach, names, .. } = Answers::about(answers, scope, token)?;
        Some(
            names
                .get_or_insert_with(|| {
                    Bytes::array(token.domains_in(reach).map(|domain| domain.name).collect::<Vec<_>>())
                })
                .clone(),
        )
    }

    /// The ids of the domains on which it may do this, as a `bigint[]`.
    pub fn domain_ids(&mut self, scope: &[u8]) -> Option<Bytes> {
        let Self { token, answers, .. } = self;
        let Answers { reach, ids, .. } = Answers::about(answers, scope, token)?;
        Some(
            ids.get_or_insert_with(|| {
                Bytes::array(token.domains_in(reach).map(|domain| domain.id).collect::<Vec<_>>())
            })
            .clone(),
        )
    }
}

impl Answers {
    /// What was asked about a scope; `None` where that is nothing that can be asked about.
    fn about<'a>(answers: &'a mut Vec<Answers>, scope: &[u8], token: &Token) -> Option<&'a mut Answers> {
        if let Some(place) = answers.iter().position(|known| &*known.scope == scope) {
            return Some(&mut answers[place]);
        }
        let reach = Reach::of(&token.facts.access, &Scope::parse_question(str::from_utf8(scope).ok()?).ok()?);
        if answers.len() == SCOPES {
            answers.clear();
        }
        answers.push(Answers {
            scope: scope.into(),
            reach,
            by_name: HashMap::default(),
            bytes: 0,
            names: None,
            ids: None,
        });
        Some(answers.last_mut().expect("it was just put there"))
    }

    fn remember(&mut self, name: &[u8], allowed: bool) {
        /// Of an entry, beside the name itself.
        const ENTRY: usize = 48;
        self.bytes += name.len() + ENTRY;
        if self.bytes > NAMES {
            self.by_name = HashMap::default();
            self.bytes = name.len() + ENTRY;
        }
        self.by_name.insert(name.into(), allowed);
    }
}

impl Token {
    fn domains_in(&self, reach: &Reach) -> impl Iterator<Item = NamedDomain> {
        let domains = answer(|| Ok(self.domains(reach, &FreshSnapshot::take())));
        domains.into_iter().filter(|domain| reach.includes(self.usable(domain.id, domain.is_verified)))
    }
}
