//! The scopes of a row of access, packed into few bytes, most of them inline: they are read once and compared often.

use std::rc::Rc;

use smallvec::SmallVec;

use crate::scope::{Scope, is_under};

/// Scopes that were granted together. A text outside the grammar is kept, and grants nothing.
#[derive(Clone, Debug)]
pub struct Grants(Packed);

/// The grants one after the other: each has [`HEAD`] bytes with the length of its text and the position of its colon, and then
/// the text.
#[derive(Clone, Debug)]
enum Packed {
    Inline { length: u8, bytes: [u8; INLINE] },
    Shared(Rc<[u8]>),
}

/// The bytes that are stored inline: two to four scopes of a usual length.
const INLINE: usize = 62;

/// A granted scope.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    text: &'a [u8],
    colon: u8,
}

/// The bytes of a head: the length of the text, and the position of its colon.
const HEAD: usize = size_of::<u32>() + 1;
/// The position of the colon if the text is `*`.
const EVERYTHING: u8 = 254;
/// The position of the colon if the text does not follow the grammar. A scope is not so long.
const NOTHING: u8 = 255;

impl<T: AsRef<str>> FromIterator<T> for Grants {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut packed = SmallVec::<[u8; 64]>::new();
        for text in texts {
            let text = text.as_ref();
            packed.extend_from_slice(&head(text));
            packed.extend_from_slice(text.as_bytes());
        }
        let mut bytes = [0; INLINE];
        Self(match bytes.get_mut(..packed.len()) {
            Some(place) => {
                place.copy_from_slice(&packed);
                Packed::Inline { length: packed.len() as u8, bytes }
            }
            None => Packed::Shared(packed.as_slice().into()),
        })
    }
}

fn head(text: &str) -> [u8; HEAD] {
    let colon = match Scope::parse_grant(text) {
        Err(_) => NOTHING,
        Ok(_) => text.find(':').map_or(EVERYTHING, |place| place as u8),
    };
    let [a, b, c, d] = u32::try_from(text.len()).expect("a text in PostgreSQL is shorter").to_ne_bytes();
    [a, b, c, d, colon]
}

impl Grants {
    /// Returns the grants in their order.
    pub fn iter(&self) -> impl Iterator<Item = Grant<'_>> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            let (head, after) = rest.split_first_chunk()?;
            let [a, b, c, d, colon] = *head;
            let (text, after) = after.split_at(u32::from_ne_bytes([a, b, c, d]) as usize);
            rest = after;
            Some(Grant { text, colon })
        })
    }

    /// Returns the bytes that they allocate, with `alloc_overhead` for each allocation.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        match &self.0 {
            Packed::Inline { .. } => 0,
            Packed::Shared(bytes) => alloc_overhead + bytes.len(),
        }
    }

    /// Shares the allocation of `other` if both are equal.
    pub(crate) fn share(&mut self, other: &Self) {
        if self == other {
            *self = other.clone();
        }
    }

    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Packed::Shared(own), Packed::Shared(others)) if Rc::ptr_eq(own, others))
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Packed::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Packed::Shared(bytes) => bytes,
        }
    }
}

impl PartialEq for Grants {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Grants {}

impl<'a> Grant<'a> {
    /// Returns the text of the grant.
    pub fn text(&self) -> &'a str {
        str::from_utf8(self.text).expect("it was packed as text")
    }

    /// Returns the scope, or `None` if the text does not follow the grammar.
    pub fn scope(&self) -> Option<Scope<'a>> {
        match self.colon {
            NOTHING => None,
            EVERYTHING => Some(Scope::of_sides(None)),
            colon => {
                let (resource, action) = self.text().split_at(colon.into());
                Some(Scope::of_sides(Some((resource, &action[1..]))))
            }
        }
    }

    /// Returns true if it grants all of `asked`: as [`Scope::covers`], but it compares bytes.
    pub fn covers(&self, asked: &Scope<'_>) -> bool {
        match self.colon {
            NOTHING => false,
            EVERYTHING => true,
            colon => {
                let (resource, action) = self.text.split_at(colon.into());
                let is_there =
                    resource == b"*" || asked.resource().is_some_and(|there| is_under(there.as_bytes(), resource));
                is_there
                    && (matches!(action, b":*" | b":full")
                        || asked.action().is_some_and(|done| done.as_bytes() == &action[1..]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{MAX_LENGTH, tests::grant};
    use proptest::prelude::*;

    fn grants(texts: &[impl AsRef<str>]) -> Grants {
        texts.iter().collect()
    }

    fn texts(grants: &Grants) -> Vec<&str> {
        grants.iter().map(|grant| grant.text()).collect()
    }

    #[test]
    fn a_grant_outside_the_grammar_is_kept_and_grants_nothing() {
        let long = format!("{}:read", "a".repeat(MAX_LENGTH));
        let longer = "a".repeat(100_000);
        let held = ["", "*:", ":*", "email", "Email:read", "email:read:all", "**", &long, &longer, "email:read"];
        let grants = grants(&held);
        assert_eq!(texts(&grants), held);
        let asked = Scope::parse_question("email:read").unwrap();
        let granted: Vec<_> = grants.iter().filter(|grant| grant.covers(&asked)).map(|grant| grant.text()).collect();
        assert_eq!(granted, ["email:read"]);
    }

    #[test]
    fn a_few_grants_are_stored_inline() {
        let mut few = vec!["email:read"; INLINE / (HEAD + 10)];
        assert_eq!(grants(&few).heap_size(24), 0);
        few.push("email:read");
        assert_eq!(grants(&few).heap_size(24), 24 + few.len() * (HEAD + 10));
    }

    #[test]
    fn the_colon_of_the_longest_scope_is_found() {
        for resource in [1, 200, MAX_LENGTH - 2] {
            let text = format!("{}:r", "a".repeat(resource));
            let grants = grants(&[&text]);
            let grant = grants.iter().next().unwrap();
            assert_eq!(grant.scope(), Scope::parse_grant(&text).ok());
            assert_eq!(grant.scope().unwrap().action(), Some("r"));
        }
    }

    proptest! {
        #[test]
        fn grants_are_the_scopes_of_their_texts(held in prop::collection::vec(prop_oneof![grant(), "[a:.*]{0,6}"], 0..12)) {
            let grants = grants(&held);
            prop_assert_eq!(texts(&grants), held.iter().map(String::as_str).collect::<Vec<_>>());
            for (grant, text) in grants.iter().zip(&held) {
                prop_assert_eq!(grant.scope(), Scope::parse_grant(text).ok());
            }
        }

        #[test]
        fn a_grant_covers_what_its_scope_covers(text in prop_oneof![4 => grant(), 1 => "[ab:.*]{0,6}"], asked in grant()) {
            let grants = grants(&[&text]);
            let asked = Scope::parse_grant(&asked).unwrap();
            let covers = Scope::parse_grant(&text).is_ok_and(|scope| scope.covers(&asked));
            prop_assert_eq!(grants.iter().next().unwrap().covers(&asked), covers);
        }

        #[test]
        fn equal_grants_have_equal_texts(one in prop::collection::vec("[ab:]{0,2}", 0..4), other in prop::collection::vec("[ab:]{0,2}", 0..4)) {
            prop_assert_eq!(grants(&one) == grants(&other), one == other);
        }
    }
}
