//! Sealed copies: the encrypted secret of a token whose profile lets it be revealed.
//!
//! The cipher is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), under a key from a file, with a nonce of 24 random bytes,
//! which is large enough never to repeat. The token's id and digest are the associated data, so a sealed copy can be opened
//! only in the row that it was made for. The opened secret is compared with the digest, too.
//!
//! A sealed copy is `format (1 byte) | id of the key (8) | nonce (24) | ciphertext and tag`.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::scheme::Scheme;
use crate::secret::Digest;

/// The bytes of a nonce.
pub const NONCE: usize = 24;
/// The number of bytes at the start of a sealed copy that name its format and its key.
pub const MARK: usize = 1 + KEY_ID;

const FORMAT: u8 = 1;
const KEY_ID: usize = 8;
const KEY: usize = 32;

/// The keys of a key file. The first one seals, and each of them opens.
pub struct Keys(Vec<SealingKey>);

struct SealingKey {
    id: [u8; KEY_ID],
    bytes: Zeroizing<[u8; KEY]>,
}

/// Why a key file cannot be used. It never contains a part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFileError {
    /// There is no key in it.
    Empty,
    /// A line, counted from 1, is neither 64 hexadecimal digits nor empty nor a comment.
    Line(usize),
    /// A line, counted from 1, repeats a key.
    Repeated(usize),
}

/// Why a sealed copy cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It was sealed under a key that is not among these.
    UnknownKey,
    /// It was changed, truncated, or made for another token.
    Broken,
}

impl Keys {
    /// Parses a key file: one key a line, in 64 hexadecimal digits, the current one first. Empty lines and lines that begin
    /// with `#` are skipped.
    pub fn parse(file: &[u8]) -> Result<Self, KeyFileError> {
        let mut keys: Vec<SealingKey> = Vec::new();
        for (number, line) in file.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let mut bytes = Zeroizing::new([0; KEY]);
            hex::decode_to_slice(line, bytes.as_mut_slice()).map_err(|_| KeyFileError::Line(number + 1))?;
            let key = SealingKey::new(bytes);
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeyFileError::Repeated(number + 1));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(KeyFileError::Empty) } else { Ok(Self(keys)) }
    }

    /// Seals the secret of a token under the current key. `nonce` must be random and must not be used again.
    pub fn seal(&self, token_id: i64, digest: &Digest, secret: &str, nonce: [u8; NONCE]) -> Vec<u8> {
        let key = &self.0[0];
        let associated = associated_data(&key.mark(), token_id, digest);
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), Payload { msg: secret.as_bytes(), aad: &associated });
        let sealed = sealed.expect("a secret is far shorter than what the cipher can take");
        [&key.mark()[..], &nonce, &sealed].concat()
    }

    /// Opens the sealed copy of a token's secret.
    pub fn open(
        &self,
        token_id: i64,
        scheme: Scheme,
        digest: &Digest,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, OpenError> {
        let (mark, rest) = sealed.split_at_checked(MARK).ok_or(OpenError::Broken)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE).ok_or(OpenError::Broken)?;
        if mark[0] != FORMAT {
            return Err(OpenError::Broken);
        }
        let key = self.0.iter().find(|key| key.mark() == mark).ok_or(OpenError::UnknownKey)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| OpenError::Broken)?;
        let associated = associated_data(mark, token_id, digest);
        let opened = key.cipher().decrypt(&nonce, Payload { msg: ciphertext, aad: &associated });
        let opened = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Zeroizing::new);
        opened.filter(|opened| scheme.digest(opened.as_bytes()) == *digest).ok_or(OpenError::Broken)
    }

    /// Returns the first bytes of sealed copies under the current key.
    pub fn current_mark(&self) -> [u8; MARK] {
        self.0[0].mark()
    }
}

impl SealingKey {
    fn new(bytes: Zeroizing<[u8; KEY]>) -> Self {
        let digest = Sha256::new().chain_update(b"token_auth sealing key").chain_update(bytes.as_slice()).finalize();
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&digest[..KEY_ID]);
        Self { id, bytes }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.bytes).into())
    }

    fn mark(&self) -> [u8; MARK] {
        let mut mark = [FORMAT; MARK];
        mark[1..].copy_from_slice(&self.id);
        mark
    }
}

/// Keys are not printed.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

fn associated_data(mark: &[u8], token_id: i64, digest: &Digest) -> Vec<u8> {
    [mark, &token_id.to_be_bytes(), digest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret;
    use proptest::prelude::*;

    const SECRET: &str = "tok_not_a_real_secret";
    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "FFFEFDFCFBFAF9F8F7F6F5F4F3F2F1F0EFEEEDECEBEAE9E8E7E6E5E4E3E2E1E0";

    fn keys(file: &str) -> Keys {
        Keys::parse(file.as_bytes()).unwrap()
    }

    fn sealed(keys: &Keys) -> Vec<u8> {
        keys.seal(7, &secret::digest(SECRET.as_bytes()), SECRET, [3; NONCE])
    }

    fn open(keys: &Keys, sealed: &[u8]) -> Result<String, OpenError> {
        keys.open(7, Scheme::TokenAuth, &secret::digest(SECRET.as_bytes()), sealed).map(|secret| secret.to_string())
    }

    #[test]
    fn what_was_sealed_opens_again() {
        let keys = keys(OLD);
        assert_eq!(open(&keys, &sealed(&keys)).unwrap(), SECRET);
    }

    #[test]
    fn the_secret_is_not_to_be_seen_in_its_sealed_copy() {
        let sealed = sealed(&keys(OLD));
        assert!(!sealed.windows(4).any(|window| SECRET.as_bytes().windows(4).any(|part| part == window)));
    }

    #[test]
    fn the_cipher_is_xchacha20_poly1305_as_the_draft_has_it() {
        // draft-irtf-cfrg-xchacha-03, A.3.1.
        let key: [u8; 32] = std::array::from_fn(|place| 0x80 + place as u8);
        let nonce: [u8; 24] = std::array::from_fn(|place| 0x40 + place as u8);
        let associated = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let message: &[u8] =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                               sunscreen would be it.";
        let key = SealingKey::new(Zeroizing::new(key));
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), Payload { msg: message, aad: &associated }).unwrap();
        assert_eq!(hex::encode(&sealed[..16]), "bd6d179d3e83d43b9576579493c0e939");
        assert_eq!(hex::encode(&sealed[message.len()..]), "c0875924c1c7987947deafd8780acf49");
    }

    #[test]
    fn a_sealed_copy_opens_for_its_own_token_only() {
        let keys = keys(OLD);
        let digest = secret::digest(SECRET.as_bytes());
        assert_eq!(keys.open(8, Scheme::TokenAuth, &digest, &sealed(&keys)).unwrap_err(), OpenError::Broken);
        assert_eq!(
            keys.open(7, Scheme::TokenAuth, &secret::digest(b"another"), &sealed(&keys)).unwrap_err(),
            OpenError::Broken
        );
    }

    #[test]
    fn an_opened_secret_is_compared_with_the_digest() {
        let keys = keys(OLD);
        let digest = secret::digest(b"what it should have been");
        let sealed = keys.seal(7, &digest, SECRET, [3; NONCE]);
        assert_eq!(keys.open(7, Scheme::TokenAuth, &digest, &sealed).unwrap_err(), OpenError::Broken);
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let (old, new, both) = (keys(OLD), keys(NEW), keys(&format!("{NEW}\n{OLD}\n")));
        assert_eq!(open(&both, &sealed(&old)).unwrap(), SECRET);
        assert_eq!(open(&new, &sealed(&both)).unwrap(), SECRET);
        assert_eq!(open(&new, &sealed(&old)).unwrap_err(), OpenError::UnknownKey);
        assert_eq!(both.current_mark(), new.current_mark());
        assert_ne!(both.current_mark(), old.current_mark());
        assert_eq!(sealed(&both)[..MARK], both.current_mark());
    }

    #[test]
    fn a_key_file_has_a_key_a_line_with_comments_and_empty_lines_between() {
        assert!(
            Keys::parse(format!("# 2026\r\n{NEW}\r\n\n  {OLD}  \n").as_bytes()).is_ok_and(|keys| keys.0.len() == 2)
        );
        assert_eq!(keys(&NEW.to_lowercase()).current_mark(), keys(NEW).current_mark());
        for (file, error) in [
            ("", KeyFileError::Empty),
            ("# nothing yet\n", KeyFileError::Empty),
            (&format!("{OLD}\n{}", &NEW[1..]), KeyFileError::Line(2)),
            (&format!("{OLD}0"), KeyFileError::Line(1)),
            (&format!("{} {}", &OLD[..32], &OLD[32..]), KeyFileError::Line(1)),
            (&OLD.replace('0', "g"), KeyFileError::Line(1)),
            (&format!("{OLD}\n\n{}", OLD.to_uppercase()), KeyFileError::Repeated(3)),
        ] {
            assert_eq!(Keys::parse(file.as_bytes()).unwrap_err(), error, "{file}");
        }
        assert_eq!(Keys::parse(b"\xff\xfe").unwrap_err(), KeyFileError::Line(1));
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(format!("{:?}", keys(OLD)), "Keys(1)");
    }

    #[test]
    fn every_flipped_bit_is_an_error() {
        let keys = keys(OLD);
        let sealed = sealed(&keys);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&keys, &flipped).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn junk_is_an_error(junk in prop::collection::vec(any::<u8>(), 0..120)) {
            let keys = keys(OLD);
            prop_assert!(open(&keys, &junk).is_err());
            prop_assert!(open(&keys, &[&keys.current_mark()[..], &junk].concat()).is_err());
        }
    }
}
