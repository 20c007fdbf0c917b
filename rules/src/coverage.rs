//! Whether one token may do all that another may: the measure by which tokens manage tokens.

use crate::scope::Scope;
use crate::verdict::Access;

/// Whether every question that `other` answers with ok is answered with ok by `held`, for tokens of one account.
///
/// A scope is the start of endlessly many questions (resources go on under it), so a few narrower scopes never add up to
/// a wider one: each scope of `other` needs one of `held` that covers it, for the same domain or for every domain. A
/// scope that does not follow the grammar covers nothing, and is covered by nothing.
pub fn covers(held: &[Access], other: &[Access]) -> bool {
    other.iter().all(|wanted| {
        wanted.scopes.iter().all(|grant| {
            grant.scope().is_some_and(|scope| held.iter().any(|access| covers_there(access, wanted, &scope)))
        })
    })
}

fn covers_there(held: &Access, wanted: &Access, scope: &Scope<'_>) -> bool {
    (held.domain_id.is_none() || held.domain_id == wanted.domain_id)
        && held.scopes.iter().any(|grant| grant.covers(scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{self, Code, Domain, TokenFacts};
    use proptest::prelude::*;

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
    fn what_does_not_follow_the_grammar_neither_covers_nor_is_covered() {
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

    fn may(access: &[Access], question: &Scope<'_>, domain: Domain) -> bool {
        let facts = TokenFacts::new(false, None, access.into());
        verdict::decide(&facts, Some(question), domain, || 0) == Code::Ok
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
        fn who_covers_another_may_all_that_it_may_and_who_does_not_may_not(a in token(), b in token()) {
            // "z" and domain 9 stand for all that no grant here names.
            let questions = ["a:x", "a:y", "a:z", "a:full", "a.b:x", "a.b:y", "a.b:z", "a.b:full", "a.z:x", "a.z:y", "a.z:full",
                             "b:x", "b:y", "b:z", "b:full", "z:x", "z:y", "z:z", "z:full"];
            let domains = [Domain::Unnamed, Domain::Known(1), Domain::Known(2), Domain::Known(9)];
            let may_all = questions.iter().all(|question| {
                let question = Scope::parse_question(question).unwrap();
                domains.iter().all(|domain| !may(&b, &question, *domain) || may(&a, &question, *domain))
            });
            prop_assert_eq!(covers(&a, &b), may_all);
        }
    }
}
