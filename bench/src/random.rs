//! Pseudorandom data, the same in every run. It must not be used for anything else.

use std::convert::Infallible;
use token_auth_core::secret;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// Returns the secret of the token with this id, which is the same in every database.
pub fn secret_of(id: u64) -> String {
    let mut random = Random::new(Random::new(id).number());
    let fill = |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&random.number().to_le_bytes()[..chunk.len()]);
        }
        Ok::<(), Infallible>(())
    };
    let Ok(secret) = secret::generate("tok_", fill);
    secret
}

/// Returns a well-formed secret that no token has.
pub fn unknown_secret(number: u64) -> String {
    secret_of((1 << 40) + number)
}

/// Returns a secret with a typo.
pub fn malformed_secret(number: u64) -> String {
    let mut secret = secret_of((1 << 41) + number);
    let letter = if secret.ends_with('x') { 'y' } else { 'x' };
    secret.pop();
    secret.push(letter);
    secret
}

/// Returns `count` ids from 1 to `tokens` in random order, the same in every run.
pub fn ids(tokens: u64, count: u64) -> Vec<u64> {
    let mut ids: Vec<u64> = (1..=tokens).collect();
    Random::new(tokens).shuffle(&mut ids);
    ids.truncate(count as usize);
    ids
}
