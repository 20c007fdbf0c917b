//! Whether one token has all the access of another: the rule by which tokens manage tokens.

use std::collections::HashSet;

use crate::scope::Scope;
use crate::scope::access::Access;

/// Returns true if and only if every question whose decision is ok with the access `other` is ok with the access `held`, for
/// tokens of one account.
///
/// Infinitely many resources can be under a resource, so narrow scopes never add up to a wide one. Each scope of `other`
/// needs one scope of `held` that covers it, for the same domain or for every domain. A scope that does not follow the
/// grammar covers nothing, and nothing covers it.
///
/// The time is proportional to the number of scopes of both. `pause` is called once for each row of `other`, and may end
/// the comparison by a panic: a token can have access to thousands of domains.
pub fn covers(held: &[Access], other: &[Access], mut pause: impl FnMut()) -> bool {
    let mut held: Vec<&Access> = held.iter().collect();
    held.sort_by_key(|access| access.domain_id);
    let mut other: Vec<&Access> = other.iter().collect();
    other.sort_by_key(|access| access.domain_id);
    let everywhere = ScopeSet::of_domain(&held, None);
    other.chunk_by(|one, next| one.domain_id == next.domain_id).all(|rows| {
        let there = match rows[0].domain_id {
            None => ScopeSet::default(),
            there => ScopeSet::of_domain(&held, there),
        };
        rows.iter().all(|wanted| {
            pause();
            let is_covered = |scope: Scope<'_>| everywhere.covers(&scope) || there.covers(&scope);
            wanted.scopes.iter().all(|grant| grant.scope().is_some_and(is_covered))
        })
    })
}

/// Scopes, by resource and action.
#[derive(Default)]
struct ScopeSet<'a>(HashSet<(Option<&'a str>, Option<&'a str>), foldhash::fast::RandomState>);

impl<'a> ScopeSet<'a> {
    /// Returns the scopes of `held`, which is sorted by domain, on this domain.
    fn of_domain(held: &[&'a Access], domain_id: Option<i64>) -> Self {
        let rows = &held[held.partition_point(|access| access.domain_id < domain_id)..];
        let rows = &rows[..rows.partition_point(|access| access.domain_id == domain_id)];
        let scopes = rows.iter().flat_map(|access| access.scopes.iter()).filter_map(|grant| grant.scope());
        Self(scopes.map(|scope| (scope.resource(), scope.action())).collect())
    }

    /// Returns true if one of them covers `scope`: as [`Scope::covers`] for each, but it only looks for those that could.
    fn covers(&self, scope: &Scope<'_>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let has = |resource: Option<&str>| {
            self.0.contains(&(resource, None))
                || scope.action().is_some() && self.0.contains(&(resource, scope.action()))
        };
        let above = scope.resource().is_some_and(|resource| {
            let ends = resource.match_indices('.').map(|(dot, _)| dot).chain([resource.len()]);
            ends.into_iter().any(|end| has(Some(&resource[..end])))
        });
        has(None) || above
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{self, Code, DomainQuery, Origin, TokenRights};
    use proptest::prelude::*;

    fn covers(held: &[Access], other: &[Access]) -> bool {
        super::covers(held, other, || ())
    }

    fn access(rows: &[(Option<i64>, &[&str])]) -> Vec<Access> {
        let row = |(domain_id, scopes): &(Option<i64>, &[&str])| Access::new(*domain_id, scopes.iter().copied());
        rows.iter().map(row).collect()
    }

    #[test]
    fn more_covers_less_and_not_the_other_way_round() {
        let more = access(&[(None, &["tokens:full", "email:full"])]);
        let less = access(&[(Some(1), &["email:send"]), (Some(2), &["email.templates:read"])]);
        assert!(covers(&more, &less));
        assert!(!covers(&less, &more));
        assert!(covers(&more, &[]));
        assert!(!covers(&[], &less));
    }

    #[test]
    fn access_to_every_domain_is_more_than_access_to_each() {
        let each = access(&[(Some(1), &["*"]), (Some(2), &["*"])]);
        let every = access(&[(None, &["email:read"])]);
        assert!(!covers(&each, &every));
    }

    #[test]
    fn several_narrow_scopes_are_not_a_wide_one() {
        let narrow = access(&[(None, &["email:read", "email:send", "sms:read"])]);
        for wide in ["email:full", "*:read", "*"] {
            assert!(!covers(&narrow, &access(&[(None, &[wide])])), "{wide}");
        }
    }

    #[test]
    fn a_scope_outside_the_grammar_neither_covers_nor_is_covered() {
        assert!(!covers(&access(&[(None, &["*"])]), &access(&[(None, &["No Scope"])])));
        assert!(!covers(&access(&[(None, &["No Scope"])]), &access(&[(None, &["email:read"])])));
    }

    fn scope() -> impl Strategy<Value = String> {
        let resource = prop_oneof![Just("*"), Just("a"), Just("a.b"), Just("b")];
        let action = prop_oneof![Just("full"), Just("x"), Just("y")];
        (resource, action).prop_map(|(resource, action)| format!("{resource}:{action}"))
    }

    fn token() -> impl Strategy<Value = Vec<Access>> {
        let row = (prop::option::of(1..3i64), prop::collection::vec(scope(), 1..3));
        prop::collection::vec(
            row.prop_map(|(domain_id, scopes): (_, Vec<String>)| Access::new(domain_id, scopes)),
            0..3,
        )
    }

    fn may(access: &[Access], question: &Scope<'_>, domain: DomainQuery) -> bool {
        let facts = TokenRights::new(false, None, access.into());
        decision::decide(&facts, Some(question), domain, Origin::Authenticated, || 0) == Code::Ok
    }

    #[test]
    fn large_access_is_compared_quickly() {
        let scopes: Vec<String> = (0..256).map(|n| format!("resource{n}.part:action{n}")).collect();
        let access: Vec<Access> = (0..3000).map(|domain| Access::new(Some(domain), &scopes)).collect();
        let began = std::time::Instant::now();
        let mut pauses = 0;
        assert!(super::covers(&access, &access, || pauses += 1));
        assert_eq!(pauses, 3000);
        // Comparing each with each takes a hundred times as long, and this is a build without optimisation.
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn a_token_covers_itself(a in token()) {
            prop_assert!(covers(&a, &a));
        }

        #[test]
        fn covering_is_transitive(a in token(), b in token(), c in token()) {
            prop_assert!(!(covers(&a, &b) && covers(&b, &c)) || covers(&a, &c));
        }

        #[test]
        fn one_access_covers_another_if_and_only_if_it_allows_all_that_the_other_allows(a in token(), b in token()) {
            // "z" and domain 9 stand for everything that no grant here names.
            let questions = ["a:x", "a:y", "a:z", "a:full", "a.b:x", "a.b:y", "a.b:z", "a.b:full", "a.z:x", "a.z:y", "a.z:full",
                             "b:x", "b:y", "b:z", "b:full", "z:x", "z:y", "z:z", "z:full"];
            let domains = [DomainQuery::AccountWide, DomainQuery::Id(1), DomainQuery::Id(2), DomainQuery::Id(9)];
            let may_all = questions.iter().all(|question| {
                let question = Scope::parse_question(question).unwrap();
                domains.iter().all(|domain| !may(&b, &question, *domain) || may(&a, &question, *domain))
            });
            prop_assert_eq!(covers(&a, &b), may_all);
        }
    }
}
