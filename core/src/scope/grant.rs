//! The scopes of a row of access, packed: they are read once and asked often, so most of them lie where the token lies.

use std::rc::Rc;

use smallvec::SmallVec;

use crate::scope::{Scope, is_under};

/// Scopes that were granted together. A text outside the grammar can be held, and grants nothing.
#[derive(Clone, Debug)]
pub struct Grants(Packed);

/// Of each grant [`HEAD`] bytes, which say how long its text is and where its colon is, and then the text.
#[derive(Clone, Debug)]
enum Packed {
    Here { length: u8, bytes: [u8; HERE] },
    Elsewhere(Rc<[u8]>),
}

/// So many bytes lie where the row lies: two to four scopes of a usual length.
const HERE: usize = 62;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    text: &'a [u8],
    colon: u8,
}

/// Of a head: the length of the text, and where its colon is.
const HEAD: usize = size_of::<u32>() + 1;
/// In the place of the colon, where the text is `*`.
const EVERYTHING: u8 = 254;
/// In the place of the colon, where the text follows no grammar. A scope that does is not so long.
const NOTHING: u8 = 255;

impl<T: AsRef<str>> FromIterator<T> for Grants {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut packed = SmallVec::<[u8; 64]>::new();
        for text in texts {
            let text = text.as_ref();
            packed.extend_from_slice(&head(text));
            packed.extend_from_slice(text.as_bytes());
        }
        let mut bytes = [0; HERE];
        Self(match bytes.get_mut(..packed.len()) {
            Some(place) => {
                place.copy_from_slice(&packed);
                Packed::Here { length: packed.len() as u8, bytes }
            }
            None => Packed::Elsewhere(packed.as_slice().into()),
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

    /// How many bytes they take beside themselves, where each alloc_overhead takes `alloc_overhead` more than what is in it.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        match &self.0 {
            Packed::Here { .. } => 0,
            Packed::Elsewhere(bytes) => alloc_overhead + bytes.len(),
        }
    }

    /// Takes no memory of its own where the other has the same in memory.
    pub(crate) fn share(&mut self, other: &Self) {
        if self == other {
            *self = other.clone();
        }
    }

    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Packed::Elsewhere(own), Packed::Elsewhere(others)) if Rc::ptr_eq(own, others))
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Packed::Here { length, bytes } => &bytes[..usize::from(*length)],
            Packed::Elsewhere(bytes) => bytes,
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
    /// As it was given.
    pub fn text(&self) -> &'a str {
        str::from_utf8(self.text).expect("it was packed as text")
    }

    /// The scope, or `None` where the text follows no grammar.
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

    /// Whether everything that `asked` names is granted: what [`Scope::covers`] says, without a look at the text as text.
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
    fn a_grant_outside_the_grammar_is_held_and_grants_nothing() {
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
    fn a_few_grants_take_no_memory_of_their_own() {
        let mut few = vec!["email:read"; HERE / (HEAD + 10)];
        assert_eq!(grants(&few).heap_size(24), 0);
        few.push("email:read");
        assert_eq!(grants(&few).heap_size(24), 24 + few.len() * (HEAD + 10));
    }

    #[test]
    fn the_longest_scopes_have_their_colon_where_it_is() {
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
        fn grants_are_the_scopes_that_their_texts_say(held in prop::collection::vec(prop_oneof![grant(), "[a:.*]{0,6}"], 0..12)) {
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
