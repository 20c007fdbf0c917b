//! The decision of a verification: the rights of a token, a question and the time in, a code out.

use std::collections::BTreeSet;

use crate::network::{Network, Networks};
use crate::scope::Scope;
use crate::scope::access::{Access, AccessRows};

/// Microseconds since 2000-01-01 00:00 UTC, as in PostgreSQL's `timestamptz`. `i64::MAX` is `infinity`.
pub type Micros = i64;

/// The code of a verification. The first one that applies, in this order, is the answer.
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
    /// The request does not come from one of the token's networks.
    NetworkNotAllowed,
    /// The token has no access to the domain, or, without a domain in the question, no account-wide access.
    DomainNotAllowed,
    /// The token has access there, but not this scope.
    InsufficientScope,
    /// The token may do it.
    Ok,
}

impl Code {
    /// All codes in their order.
    pub const ALL: [Self; 8] = [
        Code::Malformed,
        Code::NotFound,
        Code::Paused,
        Code::Expired,
        Code::NetworkNotAllowed,
        Code::DomainNotAllowed,
        Code::InsufficientScope,
        Code::Ok,
    ];

    /// Returns the code as users see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Malformed => "malformed",
            Code::NotFound => "not_found",
            Code::Paused => "paused",
            Code::Expired => "expired",
            Code::NetworkNotAllowed => "network_not_allowed",
            Code::DomainNotAllowed => "domain_not_allowed",
            Code::InsufficientScope => "insufficient_scope",
            Code::Ok => "ok",
        }
    }
}

/// The rights of a token: all that a decision about it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRights {
    /// The token or its account is paused.
    pub paused: bool,
    /// The expiry, or `None` if it never expires.
    pub expires_at: Option<Micros>,
    /// The networks from which the token is accepted, or `None` for anywhere.
    pub networks: Option<Box<Networks>>,
    /// Ordered by domain. Rows for every domain come first.
    access: AccessRows,
}

impl TokenRights {
    /// Returns the rights of a token with these rows of access.
    pub fn new(paused: bool, expires_at: Option<Micros>, mut access: AccessRows) -> Self {
        access.sort_by_key(|access| access.domain_id);
        // Most often the same scopes are granted for each domain.
        for next in 1..access.len() {
            let (before, after) = access.split_at_mut(next);
            after[0].scopes.share(&before[next - 1].scopes);
        }
        access.shrink_to_fit();
        Self { paused, expires_at, networks: None, access }
    }

    /// Adds the networks from which the token is accepted, or `None` for anywhere.
    pub fn with_networks(self, networks: Option<Networks>) -> Self {
        Self { networks: networks.map(Box::new), ..self }
    }

    /// Returns the bytes that it allocates, with `alloc_overhead` for each allocation.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        let own = |(place, access): (usize, &Access)| {
            let shared = place > 0 && access.scopes.is_shared_with(&self.access[place - 1].scopes);
            if shared { 0 } else { access.scopes.heap_size(alloc_overhead) }
        };
        let rows = if self.access.spilled() { alloc_overhead + size_of_val(&*self.access) } else { 0 };
        let boxed = |networks: &Networks| alloc_overhead + size_of::<Networks>() + networks.heap_size(alloc_overhead);
        let networks = self.networks.as_deref().map_or(0, boxed);
        networks + rows + self.access.iter().enumerate().map(own).sum::<usize>()
    }

    /// Returns the rows of its access.
    pub fn access(&self) -> &[Access] {
        &self.access
    }

    /// Returns the rows that apply to a question about `domain`. There can be thousands for other domains.
    fn access_to(&self, domain: DomainQuery) -> impl Iterator<Item = &Access> {
        let rows_of = |id: Option<i64>| {
            let rows = &self.access[self.access.partition_point(|access| access.domain_id < id)..];
            &rows[..rows.partition_point(|access| access.domain_id == id)]
        };
        let (everywhere, there) = match domain {
            DomainQuery::AccountWide => (rows_of(None), &[][..]),
            DomainQuery::Id(id) => (rows_of(None), rows_of(Some(id))),
            DomainQuery::Unusable => (&[][..], &[][..]),
        };
        everywhere.iter().chain(there)
    }
}

/// The domain that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainQuery {
    /// No domain: an account-wide operation.
    AccountWide,
    /// A domain of the token's account that the account's profile accepts.
    Id(i64),
    /// A domain that is unknown, of another account, or not verified although the profile demands it. All three are treated
    /// alike.
    Unusable,
}

impl DomainQuery {
    /// Returns the id of the domain, if there is one.
    pub fn id(self) -> Option<i64> {
        match self {
            DomainQuery::Id(id) => Some(id),
            DomainQuery::AccountWide | DomainQuery::Unusable => None,
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From this address, or from an unknown one, which is in no network.
    Client(Option<Network>),
    /// From a transaction that is authenticated as the token: its client was checked then.
    Authenticated,
}

impl Origin {
    fn is_allowed_by(self, networks: &Networks) -> bool {
        match self {
            Origin::Client(client) => client.is_some_and(|client| networks.contain(&client)),
            Origin::Authenticated => true,
        }
    }
}

/// Decides a question about a token.
///
/// Rows of access add up, and there are no denials. A granted scope that does not follow the grammar grants nothing. `now` is
/// called only if the token expires.
pub fn decide(
    rights: &TokenRights,
    scope: Option<&Scope<'_>>,
    domain: DomainQuery,
    origin: Origin,
    now: impl FnOnce() -> Micros,
) -> Code {
    if rights.paused {
        return Code::Paused;
    }
    if rights.expires_at.is_some_and(|expiry| has_expired(Some(expiry), now())) {
        return Code::Expired;
    }
    if rights.networks.as_deref().is_some_and(|networks| !origin.is_allowed_by(networks)) {
        return Code::NetworkNotAllowed;
    }
    if scope.is_none() && domain == DomainQuery::AccountWide {
        return Code::Ok;
    }
    let mut rows = rights.access_to(domain).peekable();
    if rows.peek().is_none() {
        return Code::DomainNotAllowed;
    }
    match scope {
        Some(asked) if !rows.any(|access| access.grants(asked)) => Code::InsufficientScope,
        _ => Code::Ok,
    }
}

/// The domains on which a token has a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedDomains {
    /// Every domain of its account, and account-wide operations.
    pub everywhere: bool,
    /// Single domains.
    pub domains: BTreeSet<i64>,
}

impl AllowedDomains {
    /// Returns the domains on which `access` grants a scope: what [`decide`] decides for one domain, for all of them.
    pub fn of(access: &[Access], scope: &Scope<'_>) -> Self {
        let granting = || access.iter().filter(|access| access.grants(scope));
        Self {
            everywhere: granting().any(|access| access.domain_id.is_none()),
            domains: granting().filter_map(|access| access.domain_id).collect(),
        }
    }

    /// Returns true if the domain is among them.
    pub fn includes(&self, domain: DomainQuery) -> bool {
        match domain {
            DomainQuery::Unusable => false,
            DomainQuery::AccountWide => self.everywhere,
            DomainQuery::Id(id) => self.everywhere || self.domains.contains(&id),
        }
    }
}

/// Returns true if a token with this expiry is refused at `now`: from the very microsecond of its expiry on.
pub fn has_expired(expires_at: Option<Micros>, now: Micros) -> bool {
    expires_at.is_some_and(|expiry| expiry <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Micros = 1_000;

    fn rights(access: &[(Option<i64>, &[&str])]) -> TokenRights {
        let access = access.iter().map(|(domain_id, scopes)| Access::new(*domain_id, scopes.iter().copied()));
        TokenRights::new(false, None, access.collect())
    }

    fn decide(rights: &TokenRights, scope: Option<&str>, domain: DomainQuery) -> Code {
        let scope = scope.map(|scope| Scope::parse_question(scope).unwrap());
        super::decide(rights, scope.as_ref(), domain, Origin::Client(None), || NOW)
    }

    #[test]
    fn all_codes_are_listed_in_their_order() {
        for (place, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place, "{}", code.as_str());
        }
    }

    #[test]
    fn codes_are_decided_in_their_documented_order() {
        let office: Networks = [Network::ipv4([192, 0, 2, 0], 24)].into_iter().collect();
        let mut all_wrong = TokenRights { paused: true, expires_at: Some(NOW), ..rights(&[(Some(1), &["a:read"])]) }
            .with_networks(Some(office));
        let ask = |rights: &TokenRights, domain| decide(rights, Some("b:read"), domain);
        assert_eq!(ask(&all_wrong, DomainQuery::Id(2)), Code::Paused);
        all_wrong.paused = false;
        assert_eq!(ask(&all_wrong, DomainQuery::Id(2)), Code::Expired);
        all_wrong.expires_at = None;
        assert_eq!(ask(&all_wrong, DomainQuery::Id(2)), Code::NetworkNotAllowed);
        all_wrong.networks = None;
        assert_eq!(ask(&all_wrong, DomainQuery::Id(2)), Code::DomainNotAllowed);
        assert_eq!(ask(&all_wrong, DomainQuery::Id(1)), Code::InsufficientScope);
        assert_eq!(decide(&all_wrong, Some("a:read"), DomainQuery::Id(1)), Code::Ok);
    }

    #[test]
    fn a_token_is_refused_from_the_microsecond_of_its_expiry_on() {
        assert!(!has_expired(Some(NOW + 1), NOW));
        assert!(has_expired(Some(NOW), NOW));
        assert!(has_expired(Some(i64::MIN), NOW));
        assert!(!has_expired(Some(i64::MAX), NOW));
        assert!(!has_expired(None, NOW));
    }

    #[test]
    fn a_token_with_networks_is_accepted_from_these_only() {
        let office: Networks = [Network::ipv4([192, 0, 2, 0], 24)].into_iter().collect();
        let token = rights(&[(None, &["*"])]).with_networks(Some(office));
        let ask = |origin| super::decide(&token, None, DomainQuery::AccountWide, origin, || NOW);
        let from = |address| Origin::Client(Some(Network::ipv4(address, 32)));
        assert_eq!(ask(from([192, 0, 2, 9])), Code::Ok);
        assert_eq!(ask(from([192, 0, 3, 9])), Code::NetworkNotAllowed);
        assert_eq!(ask(Origin::Client(None)), Code::NetworkNotAllowed);
        assert_eq!(ask(Origin::Authenticated), Code::Ok);
        // A token without networks is accepted from anywhere.
        assert_eq!(decide(&rights(&[]), None, DomainQuery::AccountWide), Code::Ok);
        let nowhere = rights(&[]).with_networks(Some(Networks::from_iter([])));
        assert_eq!(
            super::decide(&nowhere, None, DomainQuery::AccountWide, from([192, 0, 2, 9]), || NOW),
            Code::NetworkNotAllowed
        );
    }

    #[test]
    fn without_scope_and_domain_a_valid_token_is_ok_whatever_its_access() {
        assert_eq!(decide(&rights(&[]), None, DomainQuery::AccountWide), Code::Ok);
    }

    #[test]
    fn without_a_scope_any_access_to_the_domain_is_enough() {
        let token = rights(&[(Some(1), &["a:read"])]);
        assert_eq!(decide(&token, None, DomainQuery::Id(1)), Code::Ok);
        assert_eq!(decide(&token, None, DomainQuery::Id(2)), Code::DomainNotAllowed);
    }

    #[test]
    fn an_account_wide_operation_takes_access_to_every_domain() {
        assert_eq!(
            decide(&rights(&[(Some(1), &["*"])]), Some("a:read"), DomainQuery::AccountWide),
            Code::DomainNotAllowed
        );
        assert_eq!(decide(&rights(&[(None, &["*"])]), Some("a:read"), DomainQuery::AccountWide), Code::Ok);
        assert_eq!(
            decide(&rights(&[(None, &["b:full"])]), Some("a:read"), DomainQuery::AccountWide),
            Code::InsufficientScope
        );
    }

    #[test]
    fn several_access_rows_add_up() {
        let token = rights(&[(Some(1), &["a:read"]), (None, &["b:read"]), (Some(2), &["c:full"])]);
        assert_eq!(decide(&token, Some("a:read"), DomainQuery::Id(1)), Code::Ok);
        assert_eq!(decide(&token, Some("b:read"), DomainQuery::Id(1)), Code::Ok);
        assert_eq!(decide(&token, Some("b:read"), DomainQuery::Id(3)), Code::Ok);
        assert_eq!(decide(&token, Some("c:read"), DomainQuery::Id(1)), Code::InsufficientScope);
        assert_eq!(decide(&token, Some("c:read"), DomainQuery::Id(2)), Code::Ok);
    }

    #[test]
    fn an_unusable_domain_is_refused_even_with_access_to_every_domain() {
        let token = rights(&[(None, &["*"])]);
        assert_eq!(decide(&token, Some("a:read"), DomainQuery::Unusable), Code::DomainNotAllowed);
        assert_eq!(decide(&token, None, DomainQuery::Unusable), Code::DomainNotAllowed);
    }

    #[test]
    fn a_scope_outside_the_grammar_grants_nothing() {
        let token = rights(&[(None, &["", "**", "A:B", "a"])]);
        assert_eq!(decide(&token, Some("a:read"), DomainQuery::AccountWide), Code::InsufficientScope);
    }

    #[test]
    fn equal_scopes_of_several_rows_are_stored_once() {
        let (long, other) = (format!("{}:read", "a".repeat(100)), format!("{}:read", "b".repeat(100)));
        let scopes = [long.as_str()];
        let many: Vec<(Option<i64>, &[&str])> = (1..=1000).map(|id| (Some(id), &scopes[..])).collect();
        let (two, same) = (rights(&many[..2]).heap_size(24), rights(&many).heap_size(24));
        assert_eq!(same - two, 998 * size_of::<Access>());
        let different = rights(&[(Some(1), &[&long]), (Some(2), &[&other])]);
        assert_eq!(different.heap_size(24) - two, 24 + long.len() + 5);
        assert_eq!(decide(&rights(&many), Some(&long), DomainQuery::Id(1000)), Code::Ok);
    }

    #[test]
    fn usual_access_allocates_nothing() {
        assert_eq!(rights(&[(Some(1), &["email:read", "email:send"])]).heap_size(24), 0);
        assert_eq!(rights(&[(None, &["*"])]).heap_size(24), 0);
    }

    proptest! {
        #[test]
        fn the_allowed_domains_are_those_for_which_the_decision_is_ok(
            rows in prop::collection::vec((prop::option::of(1..4i64), prop::sample::subsequence(vec!["a:x", "a:full", "a.b:y", "*:x", "*"], 1..3)), 0..5),
            scope in prop::sample::select(vec!["a:x", "a:y", "a:full", "a.b:x", "b:x", "b:full"]),
        ) {
            let access = rows.iter().map(|(domain_id, scopes)| Access::new(*domain_id, scopes.iter().copied()));
            let rights = TokenRights::new(false, None, access.collect());
            let allowed = AllowedDomains::of(rights.access(), &Scope::parse_question(scope).unwrap());
            for domain in [DomainQuery::AccountWide, DomainQuery::Unusable, DomainQuery::Id(1), DomainQuery::Id(2), DomainQuery::Id(9)] {
                prop_assert_eq!(allowed.includes(domain), decide(&rights, Some(scope), domain) == Code::Ok);
            }
        }
    }
}
