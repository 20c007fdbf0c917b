//! What a verification answers: facts about a token, a question and the time in, a code out.

use std::collections::BTreeSet;

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
#[derive(Clone, Debug)]
pub struct TokenFacts {
    /// The token or its account is paused.
    pub paused: bool,
    pub expires_at: Option<Micros>,
    pub access: Vec<Access>,
}

/// One row of a token's access.
#[derive(Clone, Debug)]
pub struct Access {
    /// The domain, or `None` for every domain of the account and account-wide operations.
    pub domain_id: Option<i64>,
    pub scopes: Vec<String>,
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
pub fn decide(facts: &TokenFacts, scope: Option<&Scope<'_>>, domain: Domain, now: Micros) -> Code {
    if facts.paused {
        return Code::Paused;
    }
    if has_expired(facts.expires_at, now) {
        return Code::Expired;
    }
    if scope.is_none() && domain == Domain::Unnamed {
        return Code::Ok;
    }
    let mut rows = facts.access.iter().filter(|access| applies(access, domain)).peekable();
    if rows.peek().is_none() {
        return Code::DomainNotAllowed;
    }
    match scope {
        Some(asked) if !rows.any(|access| grants(access, asked)) => Code::InsufficientScope,
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
        let granting = || access.iter().filter(|access| grants(access, scope));
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

fn applies(access: &Access, domain: Domain) -> bool {
    match (access.domain_id, domain) {
        (_, Domain::Unusable) => false,
        (None, _) => true,
        (held, Domain::Known(asked)) => held == Some(asked),
        (Some(_), Domain::Unnamed) => false,
    }
}

fn grants(access: &Access, asked: &Scope<'_>) -> bool {
    access.scopes.iter().any(|held| Scope::parse_grant(held).is_ok_and(|grant| grant.covers(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Micros = 1_000;

    fn facts(access: &[(Option<i64>, &[&str])]) -> TokenFacts {
        let access = access.iter().map(|(domain_id, scopes)| Access {
            domain_id: *domain_id,
            scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
        });
        TokenFacts { paused: false, expires_at: None, access: access.collect() }
    }

    fn decide(facts: &TokenFacts, scope: Option<&str>, domain: Domain) -> Code {
        let scope = scope.map(|scope| Scope::parse_question(scope).unwrap());
        super::decide(facts, scope.as_ref(), domain, NOW)
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

    proptest! {
        #[test]
        fn the_reach_of_a_scope_is_where_its_verdict_is_ok(
            rows in prop::collection::vec((prop::option::of(1..4i64), prop::sample::subsequence(vec!["a:x", "a:full", "a.b:y", "*:x", "*"], 1..3)), 0..5),
            scope in prop::sample::select(vec!["a:x", "a:y", "a:full", "a.b:x", "b:x", "b:full"]),
        ) {
            let access: Vec<Access> = rows.iter().map(|(domain_id, scopes)| Access {
                domain_id: *domain_id,
                scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
            }).collect();
            let facts = TokenFacts { paused: false, expires_at: None, access };
            let reach = Reach::of(&facts.access, &Scope::parse_question(scope).unwrap());
            for domain in [Domain::Unnamed, Domain::Unusable, Domain::Known(1), Domain::Known(2), Domain::Known(9)] {
                prop_assert_eq!(reach.includes(domain), decide(&facts, Some(scope), domain) == Code::Ok);
            }
        }
    }
}
