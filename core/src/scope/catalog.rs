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

/// What somebody may have meant who wrote a scope that [`knows`] refuses: scopes that it would let pass, of the resources
/// whose names are nearest, those with the same action first. Empty where nothing is near.
pub fn near(resources: &[Resource], scope: &Scope<'_>) -> Vec<String> {
    /// In a list that is longer than people read, nobody looks for a slip of the pen.
    const MOST: usize = 200;
    let Some(name) = scope.resource() else { return Vec::new() };
    if resources.len() > MOST {
        return Vec::new();
    }
    let distance = |resource: &Resource| {
        // A resource under a listed one counts by its own parts, too: email.templates may be templates.
        let parts = name.split('.').chain([name]);
        parts.map(|part| strsim::damerau_levenshtein(part, &resource.name)).min().unwrap_or(usize::MAX)
    };
    // A third of the letters wrong is another word.
    let near = || resources.iter().filter(|resource| distance(resource) * 3 <= resource.name.len());
    let nearest = near().map(distance).min();
    let mut meant = Vec::new();
    for resource in near().filter(|resource| Some(distance(resource)) == nearest) {
        let same = resource.actions.iter().any(|known| known == scope.action().unwrap_or("full"));
        for action in &resource.actions {
            if !same || action == scope.action().unwrap_or("full") {
                meant.push((!same, format!("{}:{action}", resource.name)));
            }
        }
    }
    meant.sort_by_key(|(differs, _)| *differs);
    meant.into_iter().map(|(_, scope)| scope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> [Resource; 3] {
        let resources = [("email", &["full"][..]), ("domains", &["read", "full"]), ("templates", &["full"])];
        resources.map(|(name, actions)| Resource {
            name: name.into(),
            actions: actions.iter().map(|action| action.to_string()).collect(),
        })
    }

    fn known(scope: &str) -> bool {
        knows(&listed(), &Scope::parse_grant(scope).unwrap())
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

    #[test]
    fn a_near_miss_is_told_what_it_may_have_meant() {
        let near = |scope| near(&listed(), &Scope::parse_grant(scope).unwrap()).join(" ");
        assert_eq!(near("email:read"), "email:full");
        assert_eq!(near("emails:full"), "email:full");
        assert_eq!(near("emial:send"), "email:full");
        assert_eq!(near("domain:read"), "domains:read");
        assert_eq!(near("domains:write"), "domains:read domains:full");
        assert_eq!(near("email.templates:full"), "email:full templates:full");
        assert_eq!(near("templates.domains:read"), "domains:read templates:full");
        assert_eq!(near("mail.templates:full"), "templates:full");
        assert_eq!(near("sms:full"), "");
        assert_eq!(near("*:read"), "");
    }
}
