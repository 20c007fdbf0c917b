//! A cache that is bounded in bytes and keeps the keys that are used often.
//!
//! A full cache admits a key on its second miss (`doorkeeper.rs`), so keys that are used once evict nothing. Which entry is
//! evicted is decided by quick_cache (S3-FIFO and CLOCK-Pro, <https://docs.rs/quick_cache>).

mod doorkeeper;

use std::hash::{BuildHasher, Hash};

pub use quick_cache::Equivalent;
use quick_cache::unsync;
use quick_cache::{OptionsBuilder, Weighter};

use doorkeeper::Doorkeeper;

/// A key or a value that allocates memory.
pub trait HeapSize {
    /// Returns the bytes that it allocates, besides its slot in the cache.
    fn heap_size(&self) -> usize;
}

/// A cache that uses at most the given number of bytes, everything included.
pub struct Cache<K, V, S> {
    entries: unsync::Cache<K, V, BySize, S>,
    hasher: S,
    doorkeeper: Doorkeeper,
    bytes: usize,
    expected_entry_size: usize,
}

impl<K: Eq + Hash + HeapSize, V: HeapSize, S: BuildHasher + Clone> Cache<K, V, S> {
    /// Returns an empty cache of at most `bytes` bytes.
    ///
    /// `expected_entry_size` is the expected size of an entry in bytes, everything included. It decides how many hashes of
    /// evicted entries are kept, which use a part of the memory.
    pub fn new(bytes: usize, expected_entry_size: usize, hasher: S) -> Self {
        let entries = bytes / expected_entry_size;
        let ghosts = (entries as f64 * GHOSTS) as usize * slot_size::<K, V>();
        let doorkeeper = Doorkeeper::for_entries(entries);
        let options = OptionsBuilder::new()
            .weight_capacity(bytes.saturating_sub(ghosts + doorkeeper.heap_size()) as u64)
            .estimated_items_capacity(entries)
            .ghost_allocation(GHOSTS)
            .build()
            .expect("all that has no default is given");
        let entries = unsync::Cache::with_options(options, BySize, hasher.clone(), Default::default());
        Self { entries, hasher, doorkeeper, bytes, expected_entry_size }
    }

    /// Returns the value of a key.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.entries.get(key)
    }

    /// Inserts a value.
    ///
    /// A value that replaces another one is always admitted. A value that is larger than the cache is not kept. The cache is
    /// emptied if its entries have become so much larger than before that its slots use too much memory.
    pub fn insert(&mut self, key: K, value: V) {
        let is_full = self.entries.weight() + BySize.weight(&key, &value) > self.entries.capacity();
        if !is_full || self.entries.contains_key(&key) || self.doorkeeper.seen_before(self.hasher.hash_one(&key)) {
            self.entries.insert(key, value);
        }
        if self.memory() > self.bytes {
            *self = Self::new(self.bytes, self.expected_entry_size, self.hasher.clone());
        }
    }

    /// Returns the bytes that it uses. Slots are never freed: if a few large entries have replaced many small ones, it uses more
    /// than the weight of its entries.
    fn memory(&self) -> usize {
        // The vector may have twice as many slots as it needs. In the hash table all slots are counted.
        let used = self.entries.memory_used();
        let elsewhere = self.entries.weight() as usize - self.entries.len() * slot_size::<K, V>();
        2 * used.entries + used.map + elsewhere + self.doorkeeper.heap_size()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The number of evicted entries whose hashes are kept, for each entry that fits.
const GHOSTS: f64 = 0.5;

/// Returns the bytes of the slot of an entry, without what its key and value allocate.
pub const fn slot_size<K, V>() -> usize {
    /// Its state, the links to its neighbours, and its slot in the hash table.
    const LINKS: usize = 40;
    // The slot is in a vector, which has up to twice as many slots as it needs.
    (size_of::<K>() + size_of::<V>() + LINKS) * 2
}

struct BySize;

impl<K: HeapSize, V: HeapSize> Weighter<K, V> for BySize {
    fn weight(&self, key: &K, value: &V) -> u64 {
        (slot_size::<K, V>() + key.heap_size() + value.heap_size()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::RandomState;

    impl HeapSize for u64 {
        fn heap_size(&self) -> usize {
            0
        }
    }

    /// A value of this many bytes.
    impl HeapSize for Vec<u8> {
        fn heap_size(&self) -> usize {
            self.capacity()
        }
    }

    type Numbers = Cache<u64, u64, RandomState>;

    fn with_room_for(entries: usize) -> Numbers {
        // Half as much again is for the hashes of evicted entries.
        let bytes = entries * slot_size::<u64, u64>();
        Cache::new(bytes * 3 / 2, slot_size::<u64, u64>() * 3 / 2, RandomState::new())
    }

    /// Returns how many of `keys` are in the cache, and inserts the others.
    fn use_keys(cache: &mut Numbers, keys: impl Iterator<Item = u64>) -> usize {
        let mut found = 0;
        for key in keys {
            match cache.get(&key) {
                Some(value) => {
                    assert_eq!(*value, key);
                    found += 1;
                }
                None => cache.insert(key, key),
            }
        }
        found
    }

    #[test]
    fn entries_that_fit_stay() {
        let mut cache = with_room_for(1000);
        use_keys(&mut cache, 0..900);
        assert_eq!(use_keys(&mut cache, 0..900), 900);
    }

    #[test]
    fn keys_that_are_used_once_do_not_evict_keys_that_are_used_again() {
        let mut cache = with_room_for(1000);
        for _ in 0..3 {
            use_keys(&mut cache, 0..500);
        }
        // Ten new keys for each known one.
        let mut new_keys = 1_000_000..;
        let (mut found, mut asked) = (0, 0);
        for _ in 0..50 {
            for key in 0..500 {
                found += use_keys(&mut cache, std::iter::once(key));
                asked += 1;
                use_keys(&mut cache, new_keys.by_ref().take(10));
            }
        }
        assert!(found * 100 >= asked * 99, "{found} of {asked}");
    }

    #[test]
    fn a_full_cache_admits_a_key_on_its_second_miss() {
        let mut cache = with_room_for(1000);
        use_keys(&mut cache, 0..2000);
        let there = (0..2000).filter(|key| cache.get(key).is_some()).count();
        use_keys(&mut cache, 10_000..50_000);
        // One new key in some thirty thousand has the hash bits of another.
        let still = (0..2000).filter(|key| cache.get(key).is_some()).count();
        assert!(still + 10 >= there && there > 500, "{still} of {there}");
        // An existing entry is replaced, and a key that misses again is admitted.
        let known = (0..2000).find(|key| cache.get(key).is_some()).unwrap();
        cache.insert(known, 7);
        assert_eq!(cache.get(&known), Some(&7));
        cache.insert(known, known);
        use_keys(&mut cache, std::iter::repeat_n(60_000, 2));
        assert_eq!(cache.get(&60_000), Some(&60_000));
    }

    #[test]
    fn keys_that_are_used_now_replace_those_used_before() {
        let mut cache = with_room_for(1000);
        for _ in 0..10 {
            use_keys(&mut cache, 0..800);
        }
        // In random order, as requests arrive.
        let mut state = 7_u64;
        let mut request = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            5000 + (state >> 33) % 800
        };
        use_keys(&mut cache, std::iter::repeat_with(&mut request).take(8000));
        let found = use_keys(&mut cache, std::iter::repeat_with(&mut request).take(8000));
        assert!(found > 7900, "{found} of 8000");
    }

    #[test]
    fn a_key_that_is_inserted_again_has_the_new_value() {
        let mut cache = with_room_for(10);
        cache.insert(1, 1);
        cache.insert(1, 2);
        assert_eq!((cache.get(&1), cache.len()), (Some(&2), 1));
    }

    #[test]
    fn entries_of_mixed_sizes_do_not_empty_the_cache() {
        let mut cache = Cache::<u64, Vec<u8>, _>::new(1 << 20, 600, RandomState::new());
        let (mut state, mut most) = (1_u64, 0);
        for number in 0..100_000_u64 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // One in eight is large.
            let length = if state >> 61 == 0 { 3000 } else { 100 };
            // The second miss is admitted.
            cache.insert(number, vec![0; length]);
            cache.insert(number, vec![0; length]);
            most = most.max(cache.len());
            assert!(number < 10_000 || cache.len() * 2 > most, "{} of {most}", cache.len());
        }
    }

    #[test]
    fn a_value_that_is_larger_than_the_cache_is_not_kept() {
        let mut cache = Cache::<u64, Vec<u8>, _>::new(10_000, 1000, RandomState::new());
        cache.insert(1, vec![1; 100]);
        cache.insert(2, vec![1; 20_000]);
        assert!(cache.get(&2).is_none());
        assert!(cache.get(&1).is_some());
    }
}
