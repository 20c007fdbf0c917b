//! The schemes: how the digest of a token is made from its secret.
//!
//! Secrets of our own form have one scheme. The others are for secrets that another system made, and whose digests it stored
//! in its own way. A token is found by its own scheme only: otherwise a digest that was stolen elsewhere could be a secret here.

use sha2::{Digest as _, Sha256, Sha512};

use crate::secret::{self, Digest};

/// The shortest imported secret, in bytes. A shorter one can be guessed.
pub const MIN_SECRET: usize = 16;
/// The longest imported secret, in bytes.
pub const MAX_SECRET: usize = 512;

/// How a digest is made from a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// SHA-256 of a secret of our own form (`secret.rs`).
    TokenAuth,
    /// SHA-256 of the secret.
    Sha256,
    /// SHA-256 of what follows the first `|`, or of the whole secret if it has none. Laravel Sanctum stores it.
    Sha256AfterPipe,
    /// SHA-256 of the 64 bytes of the secret's SHA-512, which the other system stored.
    Sha512,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 4] = [Scheme::TokenAuth, Scheme::Sha256, Scheme::Sha256AfterPipe, Scheme::Sha512];

    /// The schemes of imported secrets, in the order in which a secret is tried.
    pub const IMPORTED: [Self; 3] = [Scheme::Sha256, Scheme::Sha256AfterPipe, Scheme::Sha512];

    /// Returns the name of the scheme.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::TokenAuth => "token_auth",
            Scheme::Sha256 => "sha256",
            Scheme::Sha256AfterPipe => "sha256_after_pipe",
            Scheme::Sha512 => "sha512",
        }
    }

    /// Returns the scheme with this name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str().as_bytes() == name)
    }

    /// Returns the digest of a secret.
    pub fn digest(self, secret: &[u8]) -> Digest {
        match self {
            Scheme::TokenAuth | Scheme::Sha256 => secret::digest(secret),
            Scheme::Sha256AfterPipe => secret::digest(after_pipe(secret)),
            Scheme::Sha512 => secret::digest(&Sha512::digest(secret)),
        }
    }

    /// Returns the number of bytes of a digest as the other system stores it.
    pub const fn foreign_length(self) -> usize {
        match self {
            Scheme::TokenAuth | Scheme::Sha256 | Scheme::Sha256AfterPipe => 32,
            Scheme::Sha512 => 64,
        }
    }

    /// Returns the digest of a token from a digest as the other system stores it, or `None` if that has another length.
    pub fn digest_of_foreign(self, foreign: &[u8]) -> Option<Digest> {
        match self {
            Scheme::TokenAuth | Scheme::Sha256 | Scheme::Sha256AfterPipe => foreign.try_into().ok(),
            Scheme::Sha512 => (foreign.len() == self.foreign_length()).then(|| Sha256::digest(foreign).into()),
        }
    }
}

/// Returns what follows the first `|`.
fn after_pipe(secret: &[u8]) -> &[u8] {
    secret.iter().position(|byte| *byte == b'|').map_or(secret, |pipe| &secret[pipe + 1..])
}

/// Returns true if a text may be the secret of an imported token: it has a possible length, and not our own form, whose secrets
/// have a scheme of their own.
pub fn may_be_imported(text: &[u8]) -> bool {
    (MIN_SECRET..=MAX_SECRET).contains(&text.len()) && !secret::is_well_formed(text)
}

/// A set of schemes of imported secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemeSet(u8);

impl SchemeSet {
    /// Adds a scheme.
    pub fn insert(&mut self, scheme: Scheme) {
        self.0 |= 1 << scheme as u8;
    }

    /// Returns true if the scheme is in the set.
    pub fn contains(self, scheme: Scheme) -> bool {
        self.0 & 1 << scheme as u8 != 0
    }

    /// Returns true if no scheme is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the schemes of imported secrets in the set, in the order in which a secret is tried.
    pub fn iter(self) -> impl Iterator<Item = Scheme> {
        Scheme::IMPORTED.into_iter().filter(move |scheme| self.contains(*scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn each_scheme_has_a_name_of_its_own() {
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::from_name(scheme.as_str().as_bytes()), Some(scheme));
        }
        assert_eq!(Scheme::from_name(b"SHA256"), None);
        assert_eq!(Scheme::from_name(b""), None);
        assert_eq!(Scheme::from_name(b"md5"), None);
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        // FIPS 180-2, appendices B.1 and C.1: the digests of "abc".
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        assert_eq!(hex(&Scheme::Sha256.digest(b"abc")), sha256);
        assert_eq!(hex(&Scheme::Sha256AfterPipe.digest(b"17|abc")), sha256);
        assert_eq!(hex(&Scheme::Sha256AfterPipe.digest(b"abc")), sha256);
        assert_eq!(hex(&Sha512::digest(b"abc")), sha512);
        let foreign: Vec<u8> = Sha512::digest(b"abc").to_vec();
        assert_eq!(Scheme::Sha512.digest_of_foreign(&foreign), Some(Scheme::Sha512.digest(b"abc")));
    }

    #[test]
    fn only_the_first_pipe_separates() {
        assert_eq!(Scheme::Sha256AfterPipe.digest(b"1|a|b"), secret::digest(b"a|b"));
        assert_eq!(Scheme::Sha256AfterPipe.digest(b"|a"), secret::digest(b"a"));
        assert_eq!(Scheme::Sha256AfterPipe.digest(b"a|"), secret::digest(b""));
    }

    #[test]
    fn a_digest_of_another_length_is_none() {
        for scheme in Scheme::ALL {
            for length in [0, 1, 31, 32, 33, 63, 64, 65, 128] {
                let is_some = scheme.digest_of_foreign(&vec![7; length]).is_some();
                assert_eq!(is_some, length == scheme.foreign_length(), "{scheme:?} {length}");
            }
        }
    }

    #[test]
    fn an_imported_secret_has_a_bounded_length() {
        assert!(!may_be_imported(&[b'a'; MIN_SECRET - 1]));
        assert!(may_be_imported(&[b'a'; MIN_SECRET]));
        assert!(may_be_imported(&[b'a'; MAX_SECRET]));
        assert!(!may_be_imported(&[b'a'; MAX_SECRET + 1]));
    }

    proptest! {
        #[test]
        fn a_secret_and_its_foreign_digest_have_the_same_digest(secret in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Scheme::Sha256.digest_of_foreign(&Sha256::digest(&secret)), Some(Scheme::Sha256.digest(&secret)));
            prop_assert_eq!(Scheme::Sha512.digest_of_foreign(&Sha512::digest(&secret)), Some(Scheme::Sha512.digest(&secret)));
        }

        #[test]
        fn a_set_has_what_was_inserted(schemes in prop::collection::vec(prop::sample::select(Scheme::IMPORTED.to_vec()), 0..5)) {
            let mut set = SchemeSet::default();
            schemes.iter().for_each(|scheme| set.insert(*scheme));
            prop_assert_eq!(set.is_empty(), schemes.is_empty());
            for scheme in Scheme::ALL {
                prop_assert_eq!(set.contains(scheme), schemes.contains(&scheme));
            }
            prop_assert!(set.iter().all(|scheme| schemes.contains(&scheme)));
        }
    }
}
