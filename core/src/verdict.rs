//! What a verification answers: facts about a token, a question and the time in, a code out.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::grant::Grants;
use crate::scope::Scope;

/// Microseconds since 2000-01-01 00:00 UTC: PostgreSQL's `timestamptz`. `i64::MAX` is its `infinity`.
pub type Micros = i64;

/// The answer's code, in the order in which they are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The secret does not have the form of one.
    Malformed,
    /// No token has this secret.
    NotFound,
    /// The token or its account is paused.
    Paused,
    /// The token is past its expiry.
    Expired,
    /// The token has no access to the domain asked about, or none that is account-wide where no domain was given.
    DomainNotAllowed,
    /// The token has access there, but not this one.
    InsufficientScope,
    Ok,
}

impl Code {
    /// In their order.
    pub const ALL: [Self; 7] = [
        Code::Malformed,
        Code::NotFound,
        Code::Paused,
        Code::Expired,
        Code::DomainNotAllowed,
        Code::InsufficientScope,
        Code::Ok,
    ];

    /// The code as users see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Malformed => "malformed",
            Code::NotFound => "not_found",
            Code::Paused => "paused",
            Code::Expired => "expired",
            Code::DomainNotAllowed => "domain_not_allowed",
            Code::InsufficientScope => "insufficient_scope",
            Code::Ok => "ok",
        }
    }
}

/// What is known about a token at the moment of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// The token or its account is paused.
    pub paused: bool,
    pub expires_at: Option<Micros>,
    /// By domain, those for every domain first.
    access: AccessRows,
}

impl TokenFacts {
    pub fn new(paused: bool, expires_at: Option<Micros>, mut access: AccessRows) -> Self {
        access.sort_by_key(|access| access.domain_id);
        // Most often the same is granted for each domain.
        for next in 1..access.len() {
            let (before, after) = access.split_at_mut(next);
            after[0].scopes.share(&before[next - 1].scopes);
        }
        access.shrink_to_fit();
        Self { paused, expires_at, access }
    }

    /// How many bytes it takes beside itself, where each piece takes `piece` more than what is in it.
    pub fn heap_size(&self, piece: usize) -> usize {
        let own = |(place, access): (usize, &Access)| {
            let shared = place > 0 && access.scopes.is_shared_with(&self.access[place - 1].scopes);
            if shared { 0 } else { access.scopes.heap_size(piece) }
        };
        let rows = if self.access.spilled() { piece + size_of_val(&*self.access) } else { 0 };
        rows + self.access.iter().enumerate().map(own).sum::<usize>()
    }

    /// The rows of its access.
    pub fn access(&self) -> &[Access] {
        &self.access
    }

    /// The rows that apply to a question about `domain`. There can be a thousand for other domains.
    fn access_to(&self, domain: Domain) -> impl Iterator<Item = &Access> {
        let rows_of = |id: Option<i64>| {
            let rows = &self.access[self.access.partition_point(|access| access.domain_id < id)..];
            &rows[..rows.partition_point(|access| access.domain_id == id)]
        };
        let (everywhere, there) = match domain {
            Domain::Unnamed => (rows_of(None), &[][..]),
            Domain::Known(id) => (rows_of(None), rows_of(Some(id))),
            Domain::Unusable => (&[][..], &[][..]),
        };
        everywhere.iter().chain(there)
    }
}

/// The rows of a token's access. Most tokens have one.
pub type AccessRows = SmallVec<[Access; 1]>;

/// One row of a token's access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The domain, or `None` for every domain of the account and account-wide operations.
    pub domain_id: Option<i64>,
    pub scopes: Grants,
}

impl Access {
    pub fn new<T: AsRef<str>>(domain_id: Option<i64>, scopes: impl IntoIterator<Item = T>) -> Self {
        Self { domain_id, scopes: scopes.into_iter().collect() }
    }

    fn grants(&self, asked: &Scope<'_>) -> bool {
        self.scopes.iter().any(|grant| grant.covers(asked))
    }
}

/// Which domain a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// None was given.
    Unnamed,
    /// One of the token's account, usable under the account's profile.
    Known(i64),
    /// Unknown, of another account, or unverified where that matters: the three answer alike.
    Unusable,
}

impl Domain {
    pub fn id(self) -> Option<i64> {
        match self {
            Domain::Known(id) => Some(id),
            Domain::Unnamed | Domain::Unusable => None,
        }
    }
}

/// Decides a question about a token that was found.
///
/// Access rows add up, and there are no denials. A scope in the facts that does not follow the grammar grants nothing.
/// The time is asked for only where it matters.
pub fn decide(facts: &TokenFacts, scope: Option<&Scope<'_>>, domain: Domain, now: impl FnOnce() -> Micros) -> Code {
    if facts.paused {
        return Code::Paused;
    }
    if facts.expires_at.is_some_and(|expiry| has_expired(Some(expiry), now())) {
        return Code::Expired;
    }
    if scope.is_none() && domain == Domain::Unnamed {
        return Code::Ok;
    }
    let mut rows = facts.access_to(domain).peekable();
    if rows.peek().is_none() {
        return Code::DomainNotAllowed;
    }
    match scope {
        Some(asked) if !rows.any(|access| access.grants(asked)) => Code::InsufficientScope,
        _ => Code::Ok,
    }
}

/// Where a token may do something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// On every domain of its account, and account-wide.
    pub everywhere: bool,
    /// On these domains.
    pub domains: BTreeSet<i64>,
}

impl Reach {
    /// Of `scope` under this access: what [`decide`] says about one domain at a time, for all of them at once.
    pub fn of(access: &[Access], scope: &Scope<'_>) -> Self {
        let granting = || access.iter().filter(|access| access.grants(scope));
        Self {
            everywhere: granting().any(|access| access.domain_id.is_none()),
            domains: granting().filter_map(|access| access.domain_id).collect(),
        }
    }

    pub fn includes(&self, domain: Domain) -> bool {
        match domain {
            Domain::Unusable => false,
            Domain::Unnamed => self.everywhere,
            Domain::Known(id) => self.everywhere || self.domains.contains(&id),
        }
    }
}

/// Whether a token with this expiry is refused at `now`: from the very instant of its expiry on.
pub fn has_expired(expires_at: Option<Micros>, now: Micros) -> bool {
    expires_at.is_some_and(|expiry| expiry <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Micros = 1_000;

    fn facts(access: &[(Option<i64>, &[&str])]) -> TokenFacts {
        let access = access.iter().map(|(domain_id, scopes)| Access::new(*domain_id, scopes.iter().copied()));
        TokenFacts::new(false, None, access.collect())
    }

    fn decide(facts: &TokenFacts, scope: Option<&str>, domain: Domain) -> Code {
        let scope = scope.map(|scope| Scope::parse_question(scope).unwrap());
        super::decide(facts, scope.as_ref(), domain, || NOW)
    }

    #[test]
    fn all_codes_are_in_their_places() {
        for (place, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place, "{}", code.as_str());
        }
    }

    #[test]
    fn codes_are_decided_in_their_documented_order() {
        let mut all_wrong = TokenFacts { paused: true, expires_at: Some(NOW), ..facts(&[(Some(1), &["a:read"])]) };
        let ask = |facts: &TokenFacts, domain| decide(facts, Some("b:read"), domain);
        assert_eq!(ask(&all_wrong, Domain::Known(2)), Code::Paused);
        all_wrong.paused = false;
        assert_eq!(ask(&all_wrong, Domain::Known(2)), Code::Expired);
        all_wrong.expires_at = None;
        assert_eq!(ask(&all_wrong, Domain::Known(2)), Code::DomainNotAllowed);
        assert_eq!(ask(&all_wrong, Domain::Known(1)), Code::InsufficientScope);
        assert_eq!(decide(&all_wrong, Some("a:read"), Domain::Known(1)), Code::Ok);
    }

    #[test]
    fn a_token_is_refused_from_the_instant_of_its_expiry_on() {
        assert!(!has_expired(Some(NOW + 1), NOW));
        assert!(has_expired(Some(NOW), NOW));
        assert!(has_expired(Some(i64::MIN), NOW));
        assert!(!has_expired(Some(i64::MAX), NOW));
        assert!(!has_expired(None, NOW));
    }

    #[test]
    fn without_scope_and_domain_a_good_token_is_ok_whatever_its_access() {
        assert_eq!(decide(&facts(&[]), None, Domain::Unnamed), Code::Ok);
    }

    #[test]
    fn without_a_scope_any_access_to_the_domain_will_do() {
        let token = facts(&[(Some(1), &["a:read"])]);
        assert_eq!(decide(&token, None, Domain::Known(1)), Code::Ok);
        assert_eq!(decide(&token, None, Domain::Known(2)), Code::DomainNotAllowed);
    }

    #[test]
    fn an_account_wide_operation_takes_access_to_every_domain() {
        assert_eq!(decide(&facts(&[(Some(1), &["*"])]), Some("a:read"), Domain::Unnamed), Code::DomainNotAllowed);
        assert_eq!(decide(&facts(&[(None, &["*"])]), Some("a:read"), Domain::Unnamed), Code::Ok);
        assert_eq!(decide(&facts(&[(None, &["b:full"])]), Some("a:read"), Domain::Unnamed), Code::InsufficientScope);
    }

    #[test]
    fn several_access_rows_add_up() {
        let token = facts(&[(Some(1), &["a:read"]), (None, &["b:read"]), (Some(2), &["c:full"])]);
        assert_eq!(decide(&token, Some("a:read"), Domain::Known(1)), Code::Ok);
        assert_eq!(decide(&token, Some("b:read"), Domain::Known(1)), Code::Ok);
        assert_eq!(decide(&token, Some("b:read"), Domain::Known(3)), Code::Ok);
        assert_eq!(decide(&token, Some("c:read"), Domain::Known(1)), Code::InsufficientScope);
        assert_eq!(decide(&token, Some("c:read"), Domain::Known(2)), Code::Ok);
    }

    #[test]
    fn an_unusable_domain_is_refused_even_with_access_to_every_domain() {
        let token = facts(&[(None, &["*"])]);
        assert_eq!(decide(&token, Some("a:read"), Domain::Unusable), Code::DomainNotAllowed);
        assert_eq!(decide(&token, None, Domain::Unusable), Code::DomainNotAllowed);
    }

    #[test]
    fn a_scope_outside_the_grammar_grants_nothing() {
        let token = facts(&[(None, &["", "**", "A:B", "a"])]);
        assert_eq!(decide(&token, Some("a:read"), Domain::Unnamed), Code::InsufficientScope);
    }

    #[test]
    fn equal_scopes_of_several_rows_are_kept_once() {
        let (long, other) = (format!("{}:read", "a".repeat(100)), format!("{}:read", "b".repeat(100)));
        let scopes = [long.as_str()];
        let many: Vec<(Option<i64>, &[&str])> = (1..=1000).map(|id| (Some(id), &scopes[..])).collect();
        let (two, same) = (facts(&many[..2]).heap_size(24), facts(&many).heap_size(24));
        assert_eq!(same - two, 998 * size_of::<Access>());
        let different = facts(&[(Some(1), &[&long]), (Some(2), &[&other])]);
        assert_eq!(different.heap_size(24) - two, 24 + long.len() + 5);
        assert_eq!(decide(&facts(&many), Some(&long), Domain::Known(1000)), Code::Ok);
    }

    #[test]
    fn usual_access_takes_no_memory_of_its_own() {
        assert_eq!(facts(&[(Some(1), &["email:read", "email:send"])]).heap_size(24), 0);
        assert_eq!(facts(&[(None, &["*"])]).heap_size(24), 0);
    }

    proptest! {
        #[test]
        fn the_reach_of_a_scope_is_where_its_verdict_is_ok(
            rows in prop::collection::vec((prop::option::of(1..4i64), prop::sample::subsequence(vec!["a:x", "a:full", "a.b:y", "*:x", "*"], 1..3)), 0..5),
            scope in prop::sample::select(vec!["a:x", "a:y", "a:full", "a.b:x", "b:x", "b:full"]),
        ) {
            let access = rows.iter().map(|(domain_id, scopes)| Access::new(*domain_id, scopes.iter().copied()));
            let facts = TokenFacts::new(false, None, access.collect());
            let reach = Reach::of(facts.access(), &Scope::parse_question(scope).unwrap());
            for domain in [Domain::Unnamed, Domain::Unusable, Domain::Known(1), Domain::Known(2), Domain::Known(9)] {
                prop_assert_eq!(reach.includes(domain), decide(&facts, Some(scope), domain) == Code::Ok);
            }
        }
    }
}
