//! What the token as which the transaction acts may do, remembered from call to call.
//!
//! A policy may ask for each row, so an answer is looked up and no more, as long as nothing that it depends on has changed:
//! see `store/invalidation.rs`. Only the readings can fail, so only they are wrapped for it.

use std::cell::RefCell;
use std::collections::HashMap;

use token_auth_core::name;
use token_auth_core::scope::{self, Scope};
use token_auth_core::sighting::Sighting;
use token_auth_core::verdict::{self, Domain, Reach};

use crate::error::answer;
use crate::facts::{self, NamedDomain, Reading, Token};
use crate::store::identity::{self, Identity};
use crate::store::invalidation::{self, Mark};
use crate::store::server;
use crate::store::value::Bytes;

/// How many scopes are remembered. Who asks for more begins anew.
const SCOPES: usize = 16;
/// How many bytes of names are remembered, roughly. Who asks for more begins anew.
const NAMES: usize = 4 << 20;

/// A token that is good, and what was asked about it.
pub struct Standing {
    pub token: Token,
    identity: Identity,
    /// Of the token and of all answers.
    mark: Mark,
    /// It can be remembered for the next call.
    lasts: bool,
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
        static REMEMBERED: RefCell<Option<Standing>> = const { RefCell::new(None) };
    }
    let identity = identity::assumed()?;
    invalidation::accept();
    REMEMBERED.with_borrow_mut(|remembered| {
        if !remembered.as_ref().is_some_and(|standing| standing.is_of(identity)) {
            *remembered = None;
            let (token, lasts) = answer(|| Ok(facts::read(|reading| reading.token_with_identity(identity))));
            // That there is none is not remembered.
            *remembered = Some(Standing::new(token?, identity, lasts));
        }
        let standing = remembered.as_mut().filter(|standing| standing.is_good())?;
        Some(question(standing))
    })
}

impl Standing {
    fn new(token: Token, identity: Identity, lasts: bool) -> Self {
        let mark = Mark::of_token(token.id, token.account_id);
        Self { token, identity, mark, lasts, answers: Vec::new() }
    }

    fn is_of(&self, identity: Identity) -> bool {
        self.lasts && self.identity == identity && self.holds()
    }

    fn holds(&self) -> bool {
        self.mark.holds_for_token(self.token.id, self.token.account_id)
    }

    fn is_good(&self) -> bool {
        let facts = &self.token.facts;
        !facts.paused && facts.expires_at.is_none_or(|expiry| !verdict::has_expired(Some(expiry), server::now().0))
    }

    /// Whether it may do this on the domain of this name, or account-wide where there is none.
    pub fn allows(&mut self, scope: &[u8], domain: Option<&[u8]>) -> Option<bool> {
        let answers = Answers::about(&mut self.answers, scope, &self.token)?;
        let Some(name) = domain else { return Some(answers.reach.includes(Domain::Unnamed)) };
        if !name::can_be(name) {
            return Some(false);
        }
        if let Some(allowed) = answers.by_name.get(name) {
            return Some(*allowed);
        }
        let Some(folded) = name::folded(name) else { return Some(false) };
        let allowed = self.look(scope, |reading, token, reach| {
            let found = reading.domain_named(token.account_id, &folded);
            let seen = found.as_ref().map_or(reading.seen(), |domain| domain.seen.clone());
            (reach.includes(token.domain(found.as_ref())), seen)
        })?;
        self.make_room(name);
        Answers::about(&mut self.answers, scope, &self.token)?.remember(name, allowed);
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
        let domains = self.look(scope, |reading, token, reach| {
            let mut domains = reading.domains(token.account_id, reach);
            // All are of one reading.
            let seen = domains.iter().try_fold(reading.seen(), |seen, domain| seen.with(&domain.seen));
            domains.retain(|domain| reach.includes(token.usable(domain.id, domain.is_verified)));
            (domains, seen.expect("one reading is one moment"))
        })?;
        let array = make(domains.into_iter());
        *place(Answers::about(&mut self.answers, scope, &self.token)?) = Some(array.clone());
        Some(array)
    }

    /// Reads what an answer depends on beside the token. Where one transaction may have changed both, or this one has
    /// written something since the token was read, the token is read anew with it.
    fn look<T>(&mut self, scope: &[u8], read: impl Fn(&Reading, &Token, &Reach) -> (T, Sighting)) -> Option<T> {
        let reach = &Answers::about(&mut self.answers, scope, &self.token)?.reach;
        let (found, seen) = answer(|| Ok(facts::read(|reading| read(reading, &self.token, reach)).0));
        if self.token.seen.goes_with(&seen) && (self.mark.minds_aborts() || !server::has_written()) {
            return Some(found);
        }
        let (found, lasts) = answer(|| {
            Ok(facts::read(|reading| {
                let token = reading.token_with_identity(self.identity)?;
                let reach = Reach::of(token.facts.access(), &question(scope)?);
                let (found, _) = read(reading, &token, &reach);
                Some((token, found))
            }))
        });
        let Some((token, found)) = found else {
            self.lasts = false;
            return None;
        };
        self.renew(token, lasts);
        self.is_good().then(|| found)
    }

    /// Answers stay that are as good as they were. Each was right by itself.
    fn renew(&mut self, token: Token, lasts: bool) {
        let renewed = Self::new(token, self.identity, lasts);
        if self.holds() && self.token.means_the_same(&renewed.token) {
            *self = Self { answers: std::mem::take(&mut self.answers), ..renewed };
        } else {
            *self = renewed;
        }
    }

    /// All names are forgotten where there would be too many with this one.
    fn make_room(&mut self, name: &[u8]) {
        let bytes: usize = self.answers.iter().map(|answers| answers.bytes).sum();
        if bytes + Answers::size_of_name(name) > NAMES {
            self.answers.iter_mut().for_each(Answers::forget_names);
        }
    }
}

/// `None` where that is nothing that can be asked about.
fn question(scope: &[u8]) -> Option<Scope<'_>> {
    if scope.len() > scope::MAX_LENGTH {
        return None;
    }
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
        self.bytes += Self::size_of_name(name);
        self.by_name.insert(name.into(), allowed);
    }

    fn forget_names(&mut self) {
        self.bytes = 0;
        self.by_name = HashMap::default();
    }

    fn size_of_name(name: &[u8]) -> usize {
        /// Of an entry, beside the name itself.
        const ENTRY: usize = 48;
        name.len() + ENTRY
    }
}
