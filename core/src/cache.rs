//! A cache that is bounded in bytes, and that keeps what is asked for often whatever else comes along.
//!
//! Once it is full, a newcomer is let in when it comes for the second time: what comes once costs nobody anything. Who has
//! to go for it is quick_cache's affair (S3-FIFO and CLOCK-Pro, <https://docs.rs/quick_cache>).

use std::hash::{BuildHasher, Hash};

pub use quick_cache::Equivalent;
use quick_cache::unsync;
use quick_cache::{OptionsBuilder, Weighter};

use crate::doorkeeper::Doorkeeper;

/// What an entry takes beside its place in the cache.
pub trait HeapSize {
    fn heap_size(&self) -> usize;
}

/// A cache that takes at most as many bytes as it was given, everything counted.
pub struct Cache<K, V, S> {
    entries: unsync::Cache<K, V, BySize, S>,
    hasher: S,
    doorkeeper: Doorkeeper,
    bytes: usize,
    expected_entry_size: usize,
}

impl<K: Eq + Hash + HeapSize, V: HeapSize, S: BuildHasher + Clone> Cache<K, V, S> {
    /// `expected_entry_size` is what an entry is expected to take in all, in bytes. It decides how many entries that had to go are
    /// known again by their hashes, which take a part of the room.
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

    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.entries.get(key)
    }

    /// What replaces something is let in at once. Something too large for the whole cache is not kept. All is forgotten
    /// where other kinds of entries come than those that its places were made for.
    pub fn insert(&mut self, key: K, value: V) {
        let is_full = self.entries.weight() + BySize.weight(&key, &value) > self.entries.capacity();
        if !is_full || self.entries.contains_key(&key) || self.doorkeeper.seen_before(self.hasher.hash_one(&key)) {
            self.entries.insert(key, value);
        }
        if self.memory() > self.bytes {
            *self = Self::new(self.bytes, self.expected_entry_size, self.hasher.clone());
        }
    }

    /// How many bytes it takes. Its places are never given back: where many small entries had to go for a few large ones, it
    /// takes more than what is in it was weighed with.
    fn memory(&self) -> usize {
        // In a vector that may have twice as many places as it needs; in the hash table all places are counted.
        let used = self.entries.memory_used();
        let elsewhere = self.entries.weight() as usize - self.entries.len() * slot_size::<K, V>();
        2 * used.entries + used.map + elsewhere + self.doorkeeper.heap_size()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// So many entries that had to go are known again, for each that there is expected to be room for.
const GHOSTS: f64 = 0.5;

/// What an entry takes, in bytes, without what its key and value have elsewhere.
pub const fn slot_size<K, V>() -> usize {
    /// Its state, the links to its neighbours, and its place in the hash table.
    const LINKS: usize = 40;
    // Its place is in a vector, which has up to twice as many places as it needs.
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

    /// So many bytes.
    impl HeapSize for Vec<u8> {
        fn heap_size(&self) -> usize {
            self.capacity()
        }
    }

    type Numbers = Cache<u64, u64, RandomState>;

    fn with_room_for(entries: usize) -> Numbers {
        // Half as much again is for those that had to go.
        let bytes = entries * slot_size::<u64, u64>();
        Cache::new(bytes * 3 / 2, slot_size::<u64, u64>() * 3 / 2, RandomState::new())
    }

    /// How many of `keys` are answered from the cache; the others are put there.
    fn ask(cache: &mut Numbers, keys: impl Iterator<Item = u64>) -> usize {
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
    fn what_fits_stays() {
        let mut cache = with_room_for(1000);
        ask(&mut cache, 0..900);
        assert_eq!(ask(&mut cache, 0..900), 900);
    }

    #[test]
    fn a_stream_of_one_off_keys_pushes_nothing_out_that_is_asked_for_again() {
        let mut cache = with_room_for(1000);
        for _ in 0..3 {
            ask(&mut cache, 0..500);
        }
        // Ten strangers for each that is known.
        let mut strangers = 1_000_000..;
        let (mut found, mut asked) = (0, 0);
        for _ in 0..50 {
            for key in 0..500 {
                found += ask(&mut cache, std::iter::once(key));
                asked += 1;
                ask(&mut cache, strangers.by_ref().take(10));
            }
        }
        assert!(found * 100 >= asked * 99, "{found} of {asked}");
    }

    #[test]
    fn who_comes_once_finds_a_full_cache_closed() {
        let mut cache = with_room_for(1000);
        ask(&mut cache, 0..2000);
        let there = (0..2000).filter(|key| cache.get(key).is_some()).count();
        ask(&mut cache, 10_000..50_000);
        // One stranger in some thirty thousand looks like somebody else.
        let still = (0..2000).filter(|key| cache.get(key).is_some()).count();
        assert!(still + 10 >= there && there > 500, "{still} of {there}");
        // But what is there is replaced, and who comes again is let in.
        let known = (0..2000).find(|key| cache.get(key).is_some()).unwrap();
        cache.insert(known, 7);
        assert_eq!(cache.get(&known), Some(&7));
        cache.insert(known, known);
        ask(&mut cache, std::iter::repeat_n(60_000, 2));
        assert_eq!(cache.get(&60_000), Some(&60_000));
    }

    #[test]
    fn what_is_asked_for_from_now_on_takes_the_place_of_what_was() {
        let mut cache = with_room_for(1000);
        for _ in 0..10 {
            ask(&mut cache, 0..800);
        }
        // In no order, as requests come.
        let mut state = 7_u64;
        let mut request = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            5000 + (state >> 33) % 800
        };
        ask(&mut cache, std::iter::repeat_with(&mut request).take(8000));
        let found = ask(&mut cache, std::iter::repeat_with(&mut request).take(8000));
        assert!(found > 7900, "{found} of 8000");
    }

    #[test]
    fn what_is_put_there_anew_replaces_what_was_there() {
        let mut cache = with_room_for(10);
        cache.insert(1, 1);
        cache.insert(1, 2);
        assert_eq!((cache.get(&1), cache.len()), (Some(&2), 1));
    }

    #[test]
    fn entries_of_mixed_sizes_do_not_make_it_begin_anew() {
        let mut cache = Cache::<u64, Vec<u8>, _>::new(1 << 20, 600, RandomState::new());
        let (mut state, mut most) = (1_u64, 0);
        for number in 0..100_000_u64 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // One in eight is large.
            let length = if state >> 61 == 0 { 3000 } else { 100 };
            // Who comes for the second time is let in.
            cache.insert(number, vec![0; length]);
            cache.insert(number, vec![0; length]);
            most = most.max(cache.len());
            assert!(number < 10_000 || cache.len() * 2 > most, "{} of {most}", cache.len());
        }
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let mut cache = Cache::<u64, Vec<u8>, _>::new(10_000, 1000, RandomState::new());
        cache.insert(1, vec![1; 100]);
        cache.insert(2, vec![1; 20_000]);
        assert!(cache.get(&2).is_none());
        assert!(cache.get(&1).is_some());
    }
}
