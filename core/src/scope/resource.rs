//! The catalog of a profile: the resources that it lists, each with its actions.

use crate::scope::Scope;

/// A resource that a profile lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Its actions, with `full` if all of them together can be granted.
    pub actions: Vec<String>,
}

/// Returns true if a profile that lists `resources` lets `scope` be granted.
///
/// A profile without a list knows every scope. A profile with a list knows `*` and exactly the listed scopes: no other
/// wildcard, and no resource under a listed one. `email:*` is `email:full`, which is known if `full` is listed.
pub fn knows(resources: &[Resource], scope: &Scope<'_>) -> bool {
    let Some(name) = scope.resource() else {
        return resources.is_empty() || scope.action().is_none();
    };
    resources.is_empty()
        || resources.iter().any(|resource| {
            resource.name == name && resource.actions.iter().any(|action| action == scope.action().unwrap_or("full"))
        })
}

/// Returns the known scopes that may have been meant by a scope that [`knows`] refuses: those of the resources with the
/// nearest names, the same action first. Empty if no name is near.
pub fn near(resources: &[Resource], scope: &Scope<'_>) -> Vec<String> {
    /// With more resources nothing is suggested: the comparison would take too long.
    const MAX_RESOURCES: usize = 200;
    let Some(name) = scope.resource() else { return Vec::new() };
    if resources.len() > MAX_RESOURCES {
        return Vec::new();
    }
    let distance = |resource: &Resource| {
        // A resource under another one is compared by its parts, too: email.templates may be templates.
        let parts = name.split('.').chain([name]);
        parts.map(|part| strsim::damerau_levenshtein(part, &resource.name)).min().unwrap_or(usize::MAX)
    };
    // With more than a third of the letters wrong it is another word.
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
    fn a_profile_with_a_list_knows_the_star_and_the_listed_scopes() {
        for scope in ["*", "*:*", "email:full", "email:*", "domains:read", "domains:full"] {
            assert!(known(scope), "{scope}");
        }
        for scope in ["*:read", "email:read", "email.templates:full", "sms:full", "domains:write"] {
            assert!(!known(scope), "{scope}");
        }
    }

    #[test]
    fn scopes_with_near_names_are_suggested() {
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
