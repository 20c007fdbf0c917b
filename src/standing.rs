//! What the token as which the transaction acts may do, remembered from call to call.
//!
//! A policy may ask for each row, so an answer is looked up and no more, as long as nothing that it depends on has changed:
//! see `store/invalidation.rs`. Only the readings can fail, so only they are wrapped for it.

use std::cell::RefCell;
use std::collections::HashMap;

use token_auth_rules::name;
use token_auth_rules::scope::Scope;
use token_auth_rules::sighting::Sighting;
use token_auth_rules::verdict::{self, Domain, Reach};

use crate::error::answer;
use crate::facts::{self, NamedDomain, Reading, Token};
use crate::store::identity::{self, Identity};
use crate::store::invalidation::{self, Mark};
use crate::store::server;
use crate::store::value::Bytes;

/// How many scopes are remembered. Who asks for more begins anew.
const SCOPES: usize = 16;
/// How many bytes of names are remembered for a scope, roughly. Who asks for more begins anew.
const NAMES: usize = 4 << 20;

/// A token that is good, and what was asked about it.
pub struct Standing {
    pub token: Token,
    identity: Identity,
    answers: Vec<Answers>,
    /// It is to be read anew for the next question.
    is_over: bool,
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
        static REMEMBERED: RefCell<Option<(Standing, Mark)>> = const { RefCell::new(None) };
    }
    let identity = identity::assumed()?;
    invalidation::accept();
    REMEMBERED.with_borrow_mut(|remembered| {
        let holds = |(standing, mark): &(Standing, Mark)| {
            let token = &standing.token;
            mark.holds_for_token(token.id, token.account_id) && standing.identity == identity && !standing.is_over
        };
        if !remembered.as_ref().is_some_and(holds) {
            *remembered = None;
        }
        if let Some((standing, _)) = remembered {
            return standing.is_good().then(|| question(standing));
        }
        let (token, lasts) = answer(|| Ok(facts::read(|reading| reading.token_with_identity(identity))));
        // That there is none is not remembered.
        let token = token?;
        let mark = Mark::of_token(token.id, token.account_id);
        let mut standing = Standing { token, identity, answers: Vec::new(), is_over: false };
        let answered = standing.is_good().then(|| question(&mut standing));
        *remembered = lasts.then_some((standing, mark));
        answered
    })
}

impl Standing {
    fn is_good(&self) -> bool {
        let facts = &self.token.facts;
        !facts.paused && facts.expires_at.is_none_or(|expiry| !verdict::has_expired(Some(expiry), server::now().0))
    }

    /// Whether it may do this on the domain of this name, or account-wide where there is none.
    pub fn allows(&mut self, scope: &[u8], domain: Option<&[u8]>) -> Option<bool> {
        let answers = Answers::about(&mut self.answers, scope, &self.token)?;
        let Some(name) = domain else { return Some(answers.reach.includes(Domain::Unnamed)) };
        if let Some(allowed) = answers.by_name.get(name) {
            return Some(*allowed);
        }
        let folded = name::fold(str::from_utf8(name).unwrap_or_default());
        let (allowed, lasts) = self.look(scope, |reading, token, reach| {
            let found = reading.domain_named(token.account_id, &folded);
            let seen = found.as_ref().map_or(reading.seen(), |domain| domain.seen.clone());
            (reach.includes(token.domain(found.as_ref())), seen)
        })?;
        if lasts {
            Answers::about(&mut self.answers, scope, &self.token)?.remember(name, allowed);
        }
        Some(allowed)
    }

    /// The folded names of the domains on which it may do this, as a `text[]`.
    pub fn domain_names(&mut self, scope: &[u8]) -> Option<Bytes> {
        fn names(answers: &mut Answers) -> &mut Option<Bytes> {
            &mut answers.names
        }
        self.array(scope, names, |domains| Bytes::array(domains.map(|domain| domain.name).collect::<Vec<_>>()))
    }

    /// The ids of the domains on which it may do this, as a `bigint[]`.
    pub fn domain_ids(&mut self, scope: &[u8]) -> Option<Bytes> {
        fn ids(answers: &mut Answers) -> &mut Option<Bytes> {
            &mut answers.ids
        }
        self.array(scope, ids, |domains| Bytes::array(domains.map(|domain| domain.id).collect::<Vec<_>>()))
    }

    fn array(
        &mut self,
        scope: &[u8],
        place: fn(&mut Answers) -> &mut Option<Bytes>,
        make: fn(std::vec::IntoIter<NamedDomain>) -> Bytes,
    ) -> Option<Bytes> {
        if let Some(array) = place(Answers::about(&mut self.answers, scope, &self.token)?) {
            return Some(array.clone());
        }
        let (domains, lasts) = self.look(scope, |reading, token, reach| {
            let mut domains = reading.domains(token.account_id, reach);
            // All are of one reading.
            let seen = domains.iter().try_fold(reading.seen(), |seen, domain| seen.with(&domain.seen));
            domains.retain(|domain| reach.includes(token.usable(domain.id, domain.is_verified)));
            (domains, seen.expect("one reading is one moment"))
        })?;
        let array = make(domains.into_iter());
        if lasts {
            *place(Answers::about(&mut self.answers, scope, &self.token)?) = Some(array.clone());
        }
        Some(array)
    }

    /// Reads what an answer depends on beside the token. Where one transaction may have changed both, the token is read
    /// anew with it, and nothing of that is remembered. Says besides whether it can be.
    fn look<T: Default>(
        &mut self,
        scope: &[u8],
        read: impl Fn(&Reading, &Token, &Reach) -> (T, Sighting),
    ) -> Option<(T, bool)> {
        let reach = &Answers::about(&mut self.answers, scope, &self.token)?.reach;
        let (found, seen) = answer(|| Ok(facts::read(|reading| read(reading, &self.token, reach)).0));
        if self.token.seen.goes_with(&seen) {
            return Some((found, true));
        }
        self.is_over = true;
        let (found, _) = answer(|| {
            Ok(facts::read(|reading| {
                let token = reading.token_with_identity(self.identity)?;
                let reach = Reach::of(token.facts.access(), &question(scope)?);
                Some(read(reading, &token, &reach).0)
            }))
        });
        Some((found.unwrap_or_default(), false))
    }
}

/// `None` where that is nothing that can be asked about.
fn question(scope: &[u8]) -> Option<Scope<'_>> {
    Scope::parse_question(str::from_utf8(scope).ok()?).ok()
}

impl Answers {
    /// What was asked about a scope; `None` where that is nothing that can be asked about.
    fn about<'a>(answers: &'a mut Vec<Answers>, scope: &[u8], token: &Token) -> Option<&'a mut Answers> {
        if let Some(place) = answers.iter().position(|known| &*known.scope == scope) {
            return Some(&mut answers[place]);
        }
        let reach = Reach::of(token.facts.access(), &question(scope)?);
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
