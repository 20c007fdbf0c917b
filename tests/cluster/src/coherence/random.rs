//! Pseudorandom numbers that differ between changers and are the same in every run.

/// xorshift64*
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 1) % limit as u64) as usize
    }

    /// Returns the index of an item that fits, if there is one.
    pub fn place<T>(&mut self, among: &[T], fit: impl Fn(&T) -> bool) -> Option<usize> {
        let places: Vec<usize> = (0..among.len()).filter(|place| fit(&among[*place])).collect();
        (!places.is_empty()).then(|| places[self.below(places.len())])
    }

    pub fn one_of<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }
}
