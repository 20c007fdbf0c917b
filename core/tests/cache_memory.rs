//! The cache takes no more memory than it was given: every byte that is allocated is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hash::RandomState;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use token_auth_core::cache::{Cache, HeapSize};

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// True in the thread of the test. The test harness allocates in its own thread at the same time.
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn allocated(size: usize) {
    if IS_COUNTED.get() {
        MOST.fetch_max(ALLOCATED.fetch_add(size, Relaxed) + size, Relaxed);
    }
}

fn freed(size: usize) {
    if IS_COUNTED.get() {
        ALLOCATED.fetch_sub(size, Relaxed);
    }
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    // An allocation that grows is not counted twice: mremap(2) moves the large blocks of malloc(3).
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        freed(layout.size());
        allocated(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(PartialEq, Eq, Hash)]
struct Key([u8; 32]);

impl HeapSize for Key {
    fn heap_size(&self) -> usize {
        0
    }
}

struct Value(Box<[u8]>);

impl HeapSize for Value {
    fn heap_size(&self) -> usize {
        self.0.len()
    }
}

#[test]
fn a_cache_takes_no_more_memory_than_it_was_given() {
    IS_COUNTED.set(true);
    for (room, lengths) in [
        (64 << 10, 16..17_usize),
        (1 << 20, 16..17),
        (1 << 20, 100..400),
        (8 << 20, 16..1000),
        (8 << 20, 4000..20_000),
        (50_000, 0..40_000),
    ] {
        fill(room, &[lengths]);
    }
    // Few large entries after many small ones, and the other way round. In one test, because all of the process is counted.
    for room in [1 << 20, 8 << 20] {
        fill(room, &[16..17, 9000..9001]);
        fill(room, &[16..17, 1000..2000, 8000..9000, 16..17]);
    }
}

/// Puts many values of these lengths there, one range after the other.
fn fill(room: usize, phases: &[Range<usize>]) {
    let before = ALLOCATED.load(Relaxed);
    let mut cache = Cache::new(room, 600, RandomState::new());
    let mut state = 1_u64;
    let mut number = 0_u64;
    for lengths in phases {
        MOST.store(ALLOCATED.load(Relaxed), Relaxed);
        for _ in 0..200_000 {
            number += 1;
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Some come again.
            let number = if state >> 62 == 0 { number.saturating_sub(state >> 50) } else { number };
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_ne_bytes());
            let length = lengths.start + (state >> 20) as usize % lengths.len();
            if cache.get(&Key(key)).is_none() {
                cache.insert(Key(key), Value(vec![0; length].into()));
            }
        }
        let most = MOST.load(Relaxed) - before;
        // The entry that is being inserted is not counted yet.
        assert!(most <= room + lengths.end, "{most} bytes of {room} for {lengths:?} of {phases:?}");
        assert!(most * 3 > room, "only {most} bytes of {room} were used, for {lengths:?} of {phases:?}");
    }
    drop(cache);
    assert_eq!(ALLOCATED.load(Relaxed), before);
}
