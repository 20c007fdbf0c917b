//! The doorkeeper of a full cache: it admits a key on its second miss (as TinyLFU does, <https://arxiv.org/abs/1512.00727>).

/// The hashes of the keys that missed lately, a few bits of each.
///
/// Two keys can have the same bits. The second of them is then admitted on its first miss, which is rare and does no harm.
pub struct Doorkeeper {
    seen: Box<[u16]>,
}

impl Doorkeeper {
    /// Returns a doorkeeper for a cache of about `entries` entries.
    pub fn for_entries(entries: usize) -> Self {
        Self { seen: vec![0; (4 * entries.max(1)).next_power_of_two()].into() }
    }

    /// Returns the bytes that it allocates.
    pub fn heap_size(&self) -> usize {
        size_of_val(&*self.seen)
    }

    /// Returns true if a key with this hash has missed lately, and records that it has.
    pub fn seen_before(&mut self, hash: u64) -> bool {
        let slot = hash as usize & (self.seen.len() - 1);
        // 0 marks an empty slot.
        let bits = (hash >> 48) as u16 | 1;
        std::mem::replace(&mut self.seen[slot], bits) == bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_seen_from_its_second_time_on() {
        let mut doorkeeper = Doorkeeper::for_entries(100);
        let hash = 0x1234_0000_0000_0007;
        assert!(!doorkeeper.seen_before(hash));
        assert!(doorkeeper.seen_before(hash));
        assert!(doorkeeper.seen_before(hash));
    }

    #[test]
    fn another_hash_in_the_same_slot_replaces_the_first() {
        let mut doorkeeper = Doorkeeper::for_entries(1);
        let (one, other) = (0x1234_0000_0000_0000, 0x5678_0000_0000_0000);
        assert!(!doorkeeper.seen_before(one));
        assert!(!doorkeeper.seen_before(other));
        assert!(!doorkeeper.seen_before(one));
    }

    #[test]
    fn a_doorkeeper_has_four_slots_of_two_bytes_for_each_entry() {
        assert_eq!(Doorkeeper::for_entries(1024).heap_size(), 8192);
        assert_eq!(Doorkeeper::for_entries(0).heap_size(), 8);
    }
}
