//! The identity of a token in a transaction: what the setting `token_auth.identity` holds.

use std::fmt;

use crate::secret::{self, Digest};

/// The most bytes of an identity as text: `i64::MIN`, a dot, and 16 digits.
pub const MAX_LENGTH: usize = 20 + 1 + 16;

/// A token's id, and enough of its digest to tell it from a later token with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token.
    pub token_id: i64,
    tag: u64,
}

impl Identity {
    /// Returns the identity of the token with this id and digest.
    ///
    /// The tag is a digest of the digest. It may be shown: no secret and no digest can be computed from it.
    pub fn new(token_id: i64, digest: &Digest) -> Self {
        let tagged = secret::digest(&[b"token_auth identity".as_slice(), digest].concat());
        let mut tag = [0; 8];
        tag.copy_from_slice(&tagged[..8]);
        Self { token_id, tag: u64::from_be_bytes(tag) }
    }

    /// Parses the text form: the id, a dot, and the tag in 16 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (token_id, tag) = str::from_utf8(text).ok()?.split_once('.')?;
        Some(Self { token_id: token_id.parse().ok()?, tag: u64::from_str_radix(tag, 16).ok()? })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.token_id, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_identity_fits_its_limit() {
        assert_eq!(Identity { token_id: i64::MIN, tag: u64::MAX }.to_string().len(), MAX_LENGTH);
    }

    #[test]
    fn a_text_that_is_no_identity_is_refused() {
        for text in ["", "1", "1.", ".1", "a.1", "1.g", "1.12345678123456781"] {
            assert_eq!(Identity::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Identity::parse(b"1.\xff"), None);
    }

    proptest! {
        #[test]
        fn an_identity_is_parsed_from_its_text(token_id: i64, digest: [u8; 32]) {
            let identity = Identity::new(token_id, &digest);
            prop_assert_eq!(Identity::parse(identity.to_string().as_bytes()), Some(identity));
        }

        #[test]
        fn tokens_with_the_same_id_and_other_digests_have_other_identities(token_id: i64, one: [u8; 32], other: [u8; 32]) {
            prop_assert_eq!(Identity::new(token_id, &one) == Identity::new(token_id, &other), one == other);
        }
    }
}
