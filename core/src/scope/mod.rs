//! The scope grammar, and what a grant covers.
//!
//! A scope is `resource:action`. A resource is one or more segments joined by dots, an action is one segment, and a
//! segment is `[a-z0-9][a-z0-9_-]*`. A grant may have `*` on either side, `*` alone means `*:*`, and the action
//! `full` means the same as `*`. A grant on a resource covers the resources under it.

pub mod access;
pub mod access_coverage;
pub mod grant;
pub mod resource;

use std::fmt;

/// The longest scope that is accepted, in bytes.
pub const MAX_LENGTH: usize = 255;

/// A parsed scope. `None` on a side is a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    resource: Option<&'a str>,
    action: Option<&'a str>,
}

/// Why a text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeError {
    /// It does not follow the grammar.
    Grammar,
    /// It is longer than [`MAX_LENGTH`].
    TooLong,
    /// It has a wildcard, and is a scope to ask for.
    Wildcard,
}

impl<'a> Scope<'a> {
    const EVERYTHING: Self = Self { resource: None, action: None };

    /// Parses a scope to grant, which may have wildcards.
    pub fn parse_grant(text: &'a str) -> Result<Self, ScopeError> {
        if text.len() > MAX_LENGTH {
            return Err(ScopeError::TooLong);
        }
        if text == "*" {
            return Ok(Self::EVERYTHING);
        }
        let sides = sides(text).ok_or(ScopeError::Grammar)?;
        Ok(Self::of_sides(Some(sides)))
    }

    /// Parses a scope to ask for, which has no `*`. `email:full` asks whether all of `email` is granted.
    pub fn parse_question(text: &'a str) -> Result<Self, ScopeError> {
        let scope = Self::parse_grant(text)?;
        if text.as_bytes().contains(&b'*') { Err(ScopeError::Wildcard) } else { Ok(scope) }
    }

    /// Returns the scope of the two sides of a text that follows the grammar, or of `*`, which has no sides.
    pub(crate) fn of_sides(sides: Option<(&'a str, &'a str)>) -> Self {
        sides.map_or(Self::EVERYTHING, |(resource, action)| Self {
            resource: named_resource(resource),
            action: named_action(action),
        })
    }

    /// Returns true if `self` allows everything that `other` allows.
    pub fn covers(&self, other: &Scope<'_>) -> bool {
        let resource = match (self.resource, other.resource) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(held), Some(asked)) => is_under(asked.as_bytes(), held.as_bytes()),
        };
        resource && (self.action.is_none() || self.action == other.action)
    }

    /// Returns the resource, or `None` for every resource.
    pub fn resource(&self) -> Option<&'a str> {
        self.resource
    }

    /// Returns the action, or `None` for every action.
    pub fn action(&self) -> Option<&'a str> {
        self.action
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource.unwrap_or("*"), self.action.unwrap_or("full"))
    }
}

fn named_resource(text: &str) -> Option<&str> {
    (text != "*").then(|| text)
}

fn named_action(text: &str) -> Option<&str> {
    (!matches!(text, "*" | "full")).then(|| text)
}

/// Returns true if `resource` is `above` or one of the resources under it.
pub(crate) fn is_under(resource: &[u8], above: &[u8]) -> bool {
    resource.strip_prefix(above).is_some_and(|rest| rest.first().is_none_or(|next| *next == b'.'))
}

/// Returns the texts before and after the colon, if the text follows the grammar. It is one pass, because each verification
/// parses a scope.
fn sides(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut colon = None;
    let mut is_at_start_of_segment = true;
    for (place, byte) in bytes.iter().enumerate() {
        is_at_start_of_segment = match byte {
            b'a'..=b'z' | b'0'..=b'9' => false,
            b'_' | b'-' if !is_at_start_of_segment => false,
            b'.' if !is_at_start_of_segment && colon.is_none() => true,
            b':' if !is_at_start_of_segment && colon.is_none() => {
                colon = Some(place);
                true
            }
            b'*' if is_whole_side(bytes, place, colon) => false,
            _ => return None,
        };
    }
    let colon = colon.filter(|_| !is_at_start_of_segment)?;
    Some((&text[..colon], &text[colon + 1..]))
}

/// Returns true if the byte at this index is all of its side. `colon` is `None` before the colon.
fn is_whole_side(bytes: &[u8], place: usize, colon: Option<usize>) -> bool {
    match colon {
        None => place == 0 && bytes.get(1) == Some(&b':'),
        Some(colon) => place == colon + 1 && place + 1 == bytes.len(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(grant: &str, asked: &str) -> bool {
        Scope::parse_grant(grant).unwrap().covers(&Scope::parse_question(asked).unwrap())
    }

    #[test]
    fn full_access_to_a_resource_covers_every_action_on_everything_under_it() {
        assert!(covers("email:full", "email:send"));
        assert!(covers("email:full", "email.templates:read"));
        assert!(covers("email:*", "email.templates.drafts:full"));
        assert!(!covers("email:full", "emails:read"));
        assert!(!covers("email.templates:full", "email:read"));
    }

    #[test]
    fn an_action_on_every_resource_covers_that_action_and_nothing_else() {
        assert!(covers("*:read", "email:read"));
        assert!(covers("*:read", "sms.inbound:read"));
        assert!(!covers("*:read", "email:send"));
        assert!(!covers("*:read", "email:full"));
    }

    #[test]
    fn one_action_does_not_answer_the_question_for_all_of_them() {
        assert!(!covers("email:read", "email:full"));
        assert!(covers("*", "email:full"));
        assert!(covers("*:full", "email:full"));
    }

    #[test]
    fn a_question_has_no_wildcard() {
        for text in ["*", "*:read", "email:*", "*:full"] {
            assert_eq!(Scope::parse_question(text), Err(ScopeError::Wildcard), "{text}");
        }
        assert!(Scope::parse_question("email:full").is_ok());
    }

    #[test]
    fn what_is_outside_the_grammar_is_refused() {
        for text in [
            "",
            ":",
            "email",
            "email:",
            ":read",
            "Email:read",
            "email:Read",
            "email :read",
            "email:read ",
            "e mail:x",
            "email:read:write",
            ".email:read",
            "email.:read",
            "email..x:read",
            "email.*:read",
            "*.email:read",
            "email:re*d",
            "**",
            "-email:read",
            "_email:read",
            "email:-",
            "ëmail:read",
            "email\n:read",
            "email:read\0",
        ] {
            assert_eq!(Scope::parse_grant(text), Err(ScopeError::Grammar), "{text:?}");
        }
        assert_eq!(Scope::parse_grant(&"a".repeat(1 << 20)), Err(ScopeError::TooLong));
    }

    fn segment() -> impl Strategy<Value = String> {
        // Few letters, so that scopes that cover each other are common.
        prop_oneof![4 => "[ab]", 1 => "[a-z0-9][a-z0-9_-]{0,5}"]
    }

    pub(crate) fn grant() -> impl Strategy<Value = String> {
        let resource = prop_oneof![
            1 => Just("*".to_string()),
            4 => prop::collection::vec(segment(), 1..4).prop_map(|segments| segments.join(".")),
        ];
        let action = prop_oneof![1 => Just("*".to_string()), 1 => Just("full".to_string()), 4 => segment()];
        prop_oneof![
            1 => Just("*".to_string()),
            9 => (resource, action).prop_map(|(resource, action)| format!("{resource}:{action}")),
        ]
    }

    proptest! {
        #[test]
        fn parse_and_print_agree(text in grant()) {
            let scope = Scope::parse_grant(&text).unwrap();
            let printed = scope.to_string();
            prop_assert_eq!(Scope::parse_grant(&printed).unwrap(), scope);
        }

        #[test]
        fn coverage_is_reflexive(text in grant()) {
            let scope = Scope::parse_grant(&text).unwrap();
            prop_assert!(scope.covers(&scope));
        }

        #[test]
        fn coverage_is_transitive(a in grant(), b in grant(), c in grant()) {
            let [a, b, c] = [&a, &b, &c].map(|text| Scope::parse_grant(text).unwrap());
            prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
        }

        #[test]
        fn coverage_both_ways_is_equality(a in grant(), b in grant()) {
            let [a, b] = [&a, &b].map(|text| Scope::parse_grant(text).unwrap());
            prop_assert!(!(a.covers(&b) && b.covers(&a)) || a == b);
        }

        #[test]
        fn nothing_outside_the_grammar_is_accepted(text in "[a-cA-C0-9*:._ -]{0,12}") {
            // The grammar once more, by hand and from the outside.
            let side = |side: &str, dotted: bool| {
                side == "*" || {
                    let parts: Vec<&str> = if dotted { side.split('.').collect() } else { vec![side] };
                    parts.iter().all(|part| {
                        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                            && part.chars().all(|c| "abcdefghijklmnopqrstuvwxyz0123456789_-".contains(c))
                    })
                }
            };
            let sides: Vec<&str> = text.split(':').collect();
            let expected = text == "*" || (sides.len() == 2 && side(sides[0], true) && side(sides[1], false));
            prop_assert_eq!(Scope::parse_grant(&text).is_ok(), expected);
        }
    }
}
