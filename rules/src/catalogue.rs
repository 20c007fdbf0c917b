//! Which scopes a profile knows: its resources, each with the actions that it has.

use crate::scope::Scope;

/// One resource that a profile lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub name: String,
    pub actions: Vec<String>,
}

/// Whether a profile that lists `resources` lets `scope` be granted.
///
/// A profile without a list knows every scope. One with a list knows `*` and what it lists, to the letter: no other
/// wildcard, and no resource under a listed one. `email:*` is `email:full`, which is known where `full` is listed.
pub fn knows(resources: &[Resource], scope: &Scope<'_>) -> bool {
    let Some(name) = scope.resource() else {
        return resources.is_empty() || scope.action().is_none();
    };
    resources.is_empty()
        || resources.iter().any(|resource| {
            resource.name == name && resource.actions.iter().any(|action| action == scope.action().unwrap_or("full"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(scope: &str) -> bool {
        let resources = [("email", &["full"][..]), ("domains", &["read", "full"][..])];
        let resources = resources.map(|(name, actions)| Resource {
            name: name.into(),
            actions: actions.iter().map(|action| action.to_string()).collect(),
        });
        knows(&resources, &Scope::parse_grant(scope).unwrap())
    }

    #[test]
    fn a_profile_without_a_list_knows_every_scope() {
        for scope in ["*", "*:read", "email:send", "a.b.c:full"] {
            assert!(knows(&[], &Scope::parse_grant(scope).unwrap()), "{scope}");
        }
    }

    #[test]
    fn a_profile_with_a_list_knows_the_star_and_what_it_lists() {
        for scope in ["*", "*:*", "email:full", "email:*", "domains:read", "domains:full"] {
            assert!(known(scope), "{scope}");
        }
        for scope in ["*:read", "email:read", "email.templates:full", "sms:full", "domains:write"] {
            assert!(!known(scope), "{scope}");
        }
    }
}
