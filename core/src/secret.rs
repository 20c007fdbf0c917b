//! The format of a secret, its digest and its hint.
//!
//! A secret is a prefix, 43 random base62 characters, and 6 base62 characters of the CRC-32 (IEEE 802.3) of all that
//! precedes. So a typo is recognized without a database. A secret is parsed from its end, so it stays valid when its
//! profile's prefix changes. 43 base62 characters carry 43 × log2(62) = 256.03 bits.

use sha2::{Digest as _, Sha256};

/// The longest prefix, with its closing underscore.
pub const MAX_PREFIX: usize = 12;
const RANDOM: usize = 43;
const CHECK: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The SHA-256 digest of a whole secret. The database stores it instead of the secret.
pub type Digest = [u8; 32];

/// Makes a secret from random bytes that `fill` writes.
///
/// Returns the error of `fill`, if any.
pub fn generate<E>(prefix: &str, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<String, E> {
    let mut secret = String::with_capacity(prefix.len() + RANDOM + CHECK);
    secret.push_str(prefix);
    let mut bytes = [0u8; 64];
    while secret.len() < prefix.len() + RANDOM {
        fill(&mut bytes)?;
        let missing = prefix.len() + RANDOM - secret.len();
        // 248 is the largest multiple of 62 in a byte. Larger bytes would favor the first letters.
        let letters = bytes.iter().filter(|byte| **byte < 248).take(missing);
        secret.extend(letters.map(|byte| char::from(BASE62[usize::from(byte % 62)])));
    }
    let check = check_of(secret.as_bytes());
    secret.extend(check.map(char::from));
    Ok(secret)
}

/// Returns true if `text` has the form of a secret: a prefix, the right number of letters, and the right checksum. Every text
/// that differs from a secret in one character is malformed.
pub fn is_well_formed(text: &[u8]) -> bool {
    let Some(prefix) = text.len().checked_sub(RANDOM + CHECK) else { return false };
    if prefix > MAX_PREFIX {
        return false;
    }
    let (head, check) = text.split_at(text.len() - CHECK);
    is_prefix(&head[..prefix]) && head[prefix..].iter().all(u8::is_ascii_alphanumeric) && check_of(head) == check
}

/// Returns the digest of a secret.
pub fn digest(secret: &[u8]) -> Digest {
    Sha256::digest(secret).into()
}

/// Returns the hint of a secret, which may be shown: its first 8 and its last 4 characters.
///
/// `secret` must be well-formed, so that it is ASCII and long enough.
pub fn hint(secret: &str) -> String {
    format!("{}...{}", &secret[..8], &secret[secret.len() - 4..])
}

/// Returns the hint of a secret that another system made: as many of its first and last characters as [`hint`] shows, but at most
/// a quarter of them. Control characters are shown as `?`.
pub fn hint_of_imported(secret: &str) -> String {
    let count = secret.chars().count();
    let shown = |c: char| if c.is_control() { '?' } else { c };
    let head = secret.chars().take((count / 6).min(8)).map(shown);
    let tail = secret.chars().skip(count - (count / 12).min(4)).map(shown);
    head.chain("...".chars()).chain(tail).collect()
}

fn is_prefix(bytes: &[u8]) -> bool {
    bytes.last() == Some(&b'_')
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
}

fn check_of(head: &[u8]) -> [u8; CHECK] {
    let mut rest = crc32fast::hash(head) as usize;
    let mut check = [0; CHECK];
    for place in check.iter_mut().rev() {
        *place = BASE62[rest % 62];
        rest /= 62;
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn secret_of(prefix: &str, seed: u64) -> String {
        // Not a random source for anyone but these tests.
        let mut state = seed | 1;
        let fill = |bytes: &mut [u8]| {
            for byte in bytes {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                *byte = (state >> 33) as u8;
            }
            Ok::<(), Infallible>(())
        };
        generate(prefix, fill).unwrap()
    }

    #[test]
    fn a_secret_is_prefix_letters_and_check() {
        let secret = secret_of("tsend_", 7);
        assert_eq!(secret.len(), 6 + 43 + 6);
        assert!(secret.starts_with("tsend_"));
        assert!(is_well_formed(secret.as_bytes()));
    }

    #[test]
    fn the_hint_of_an_imported_secret_shows_a_quarter_of_it_at_most() {
        assert_eq!(hint_of_imported("0123456789abcdef"), "01...f");
        let long = "sk_live_0123456789012345678901234567890123456789";
        assert_eq!(hint_of_imported(long), "sk_live_...6789");
        assert_eq!(hint_of_imported("a\nbcäöüäöüäöüäöü"), "a?...ü");
        for length in 0..200 {
            let hint = hint_of_imported(&"x".repeat(length));
            assert!(4 * (hint.len() - 3) <= length, "{length}: {hint}");
        }
    }

    #[test]
    fn the_check_is_crc_32_as_everybody_computes_it() {
        // The check value of CRC-32/ISO-HDLC for "123456789" is cbf43926.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        // 3421780262 = 3·62^5 + 45·62^4 + 35·62^3 + 27·62^2 + 22·62 + 14
        assert_eq!(&check_of(b"123456789"), b"3jZRME");
    }

    #[test]
    fn the_digest_is_sha_256_of_the_whole_secret() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(digest(b"abc")), expected);
    }

    #[test]
    fn the_hint_is_the_first_eight_and_the_last_four() {
        let secret = secret_of("tsend_", 3);
        let hint = hint(&secret);
        assert_eq!(hint.len(), 8 + 3 + 4);
        assert!(hint.starts_with(&secret[..8]) && hint.ends_with(&secret[secret.len() - 4..]));
    }

    #[test]
    fn randomness_that_fails_makes_no_secret() {
        assert_eq!(generate("tok_", |_| Err("no entropy")), Err("no entropy"));
    }

    #[test]
    fn every_letter_is_equally_likely() {
        let mut count = [0u32; 256];
        for seed in 0..4000 {
            for letter in secret_of("a_", seed * 7919)[2..45].bytes() {
                count[usize::from(letter)] += 1;
            }
        }
        // A byte taken modulo 62 without rejection would favour the first 8 letters by a quarter.
        let counts = BASE62.map(|letter| f64::from(count[usize::from(letter)]));
        let mean = |counts: &[f64]| counts.iter().sum::<f64>() / counts.len() as f64;
        let ratio = mean(&counts[..8]) / mean(&counts[8..]);
        assert!((0.95..1.05).contains(&ratio), "{ratio}: {counts:?}");
    }

    #[test]
    fn junk_is_malformed() {
        let good = secret_of("tok_", 1);
        for junk in [
            String::new(),
            " ".into(),
            format!("Bearer {good}"),
            format!(" {good}"),
            format!("{good}\n"),
            good[4..].to_string(),
            format!("TOK_{}", &good[4..]),
            "x".repeat(1 << 20),
            "ü".repeat(30),
        ] {
            assert!(!is_well_formed(junk.as_bytes()), "{}", &junk[..junk.len().min(60)]);
        }
        assert!(!is_well_formed(&[0xff; 60]));
    }

    #[test]
    fn every_single_character_change_is_malformed() {
        for seed in 0..20 {
            let secret = secret_of("mlsn_", seed).into_bytes();
            for place in 0..secret.len() {
                for byte in 0..=255u8 {
                    let mut changed = secret.clone();
                    changed[place] = byte;
                    assert_eq!(is_well_formed(&changed), changed == secret, "place {place}, byte {byte}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_secret_is_well_formed(prefix in "[a-z0-9_]{0,11}_", seed: u64) {
            let secret = secret_of(&prefix, seed);
            prop_assert!(is_well_formed(secret.as_bytes()));
            prop_assert_eq!(secret.len(), prefix.len() + 49);
        }

        #[test]
        fn two_neighbours_that_change_places_are_malformed(seed: u64, place in 0usize..52) {
            let mut secret = secret_of("tok_", seed).into_bytes();
            let before = secret.clone();
            secret.swap(place, place + 1);
            prop_assert_eq!(is_well_formed(&secret), secret == before);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(!is_well_formed(&bytes));
        }
    }
}
