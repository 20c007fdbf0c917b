//! Whether rows that were read under different snapshots may be used together.
//!
//! A token, its account and a domain are cached apart, so they can come from different snapshots, and one transaction can
//! have changed several of them in between. A decision from rows that never existed together could allow what was never
//! allowed. So rows are used together only if there was one snapshot that shows all of them.

use std::rc::Rc;

/// A transaction id of 64 bits (PostgreSQL's `FullTransactionId`), which is never reused.
pub type Transaction = u64;

/// A snapshot, as PostgreSQL describes it: by the transactions that had ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Every earlier transaction had ended.
    pub xmin: Transaction,
    /// This transaction and every later one had not ended.
    pub xmax: Transaction,
    /// The transactions in between that had not ended. `None` if they are not known, or if there is nothing in between.
    pub xip: Option<Rc<[Transaction]>>,
}

impl Snapshot {
    fn has_completed(&self, transaction: Transaction) -> bool {
        transaction < self.xmin
            || transaction < self.xmax && self.xip.as_ref().is_some_and(|xip| !xip.contains(&transaction))
    }
}

/// The snapshot that rows were read under, and the transactions that wrote these row versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadStamp {
    /// The number of the read. One read uses one snapshot.
    read: u64,
    snapshot: Snapshot,
    /// The latest transactions that wrote the rows, each once, the latest first. 0 is none.
    writers: [Transaction; 3],
    /// The latest of the other transactions that wrote them.
    earlier_writer: Transaction,
}

impl ReadStamp {
    /// Returns the stamp of a read that has found no row yet. Reads are numbered in their order.
    pub fn new(read: u64, snapshot: Snapshot) -> Self {
        Self { read, snapshot, writers: [0; 3], earlier_writer: 0 }
    }

    /// Adds a row that was written by this transaction.
    pub fn add(&mut self, mut writer: Transaction) {
        for place in &mut self.writers {
            if *place == writer {
                return;
            }
            if *place < writer {
                std::mem::swap(place, &mut writer);
            }
        }
        self.earlier_writer = self.earlier_writer.max(writer);
    }

    /// Returns the stamp of both reads together, if one snapshot shows all rows: that of the earlier read, if the
    /// transactions that wrote the rows of the later read had ended before it.
    ///
    /// A row that the earlier snapshot shows, and that was deleted before the later read, is missed. Rows of access only add
    /// up, so a decision without one allows nothing that was not allowed under the earlier snapshot.
    pub fn merge(&self, other: &Self) -> Option<Self> {
        let (earlier, later) = if self.read <= other.read { (self, other) } else { (other, self) };
        self.is_consistent_with(other).then(|| {
            let mut both = earlier.clone();
            later.writers.iter().for_each(|writer| both.add(*writer));
            both.earlier_writer = both.earlier_writer.max(later.earlier_writer);
            both
        })
    }

    /// Returns true if [`merge`](Self::merge) returns a stamp.
    pub fn is_consistent_with(&self, other: &Self) -> bool {
        let (earlier, later) = if self.read <= other.read { (self, other) } else { (other, self) };
        earlier.read == later.read
            || later.earlier_writer < earlier.snapshot.xmin
                && later.writers.iter().all(|writer| earlier.snapshot.has_completed(*writer))
    }

    /// Returns the bytes that it allocates, with `alloc_overhead` for each allocation.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        self.snapshot.xip.as_ref().map_or(0, |xip| alloc_overhead + size_of_val(&**xip))
    }
}

/// Returns the full id of a transaction with an id of 32 bits. `next` is the next full id that will be assigned.
///
/// Ids of 32 bits wrap around. Those in rows are from the last half of the range, or the rows are frozen: then they are older
/// than any snapshot, and any id in the past is right.
pub fn full_transaction_id(transaction: u32, next: Transaction) -> Transaction {
    let age = (next as u32).wrapping_sub(transaction);
    next.saturating_sub(age.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A snapshot with these transactions in progress.
    fn snapshot(xmin: Transaction, xip: &[Transaction], xmax: Transaction) -> Snapshot {
        Snapshot { xmin, xmax, xip: Some(xip.into()) }
    }

    fn stamp(read: u64, snapshot: &Snapshot, writers: &[Transaction]) -> ReadStamp {
        let mut stamp = ReadStamp::new(read, snapshot.clone());
        writers.iter().for_each(|writer| stamp.add(*writer));
        stamp
    }

    #[test]
    fn reads_are_consistent_if_the_later_rows_existed_at_the_earlier_read() {
        let (first, second) = (snapshot(100, &[], 100), snapshot(200, &[], 200));
        let earlier = stamp(1, &first, &[99]);
        assert_eq!(earlier.merge(&stamp(2, &second, &[99])), Some(earlier.clone()));
        assert_eq!(stamp(2, &second, &[50]).merge(&earlier), Some(stamp(1, &first, &[99, 50])));
        // Rows of one read are consistent, whichever transactions wrote them.
        assert_eq!(earlier.merge(&stamp(1, &first, &[170])), Some(stamp(1, &first, &[170, 99])));
    }

    #[test]
    fn rows_written_after_the_earlier_read_are_not_consistent_with_it() {
        // However old the earlier rows are: the transaction that wrote the later ones may have changed both.
        let (first, second) = (snapshot(100, &[], 100), snapshot(200, &[], 200));
        for writer in [100, 101, 199] {
            let (earlier, later) = (stamp(1, &first, &[10]), stamp(2, &second, &[writer]));
            assert_eq!((earlier.merge(&later), later.merge(&earlier)), (None, None));
        }
    }

    #[test]
    fn a_long_transaction_separates_only_the_rows_that_it_writes() {
        // 50 is still in progress.
        let (first, second) = (snapshot(50, &[50, 97], 100), snapshot(50, &[50], 200));
        let together =
            |writers: &[Transaction]| stamp(1, &first, &[10]).is_consistent_with(&stamp(2, &second, writers));
        assert!(together(&[96]) && together(&[99, 60, 51]));
        assert!(!together(&[50]) && !together(&[97]) && !together(&[100]));
        assert!(!together(&[99, 97, 60]));
        // Only the last three writers are known one by one.
        assert!(together(&[99, 96, 95, 49]) && !together(&[99, 96, 95, 94]));
        // Neither are those of a snapshot that is not known in full.
        let vague = Snapshot { xmin: 50, xmax: 100, xip: None };
        assert!(stamp(1, &vague, &[10]).is_consistent_with(&stamp(2, &second, &[49])));
        assert!(!stamp(1, &vague, &[10]).is_consistent_with(&stamp(2, &second, &[96])));
    }

    #[test]
    fn the_last_three_writers_are_kept() {
        let at = snapshot(1, &[], 1);
        let seen = stamp(1, &at, &[5, 9, 5, 7, 9, 3, 4]);
        assert_eq!((seen.writers, seen.earlier_writer), ([9, 7, 5], 4));
        let both = stamp(1, &at, &[9, 2]).merge(&stamp(1, &at, &[8, 7, 6, 5])).unwrap();
        assert_eq!((both.writers, both.earlier_writer), ([9, 8, 7], 6));
    }

    #[test]
    fn a_short_id_is_in_the_last_half_of_its_range() {
        const ROUND: u64 = 1 << 32;
        assert_eq!(full_transaction_id(7, 10), 7);
        assert_eq!(full_transaction_id(10, 3 * ROUND + 10), 3 * ROUND + 10);
        assert_eq!(full_transaction_id(u32::MAX, 3 * ROUND + 10), 3 * ROUND - 1);
        assert_eq!(full_transaction_id(3, 3 * ROUND + 10), 3 * ROUND + 3);
        // Frozen and bootstrap, in a database that has not been round yet.
        assert_eq!(full_transaction_id(2, 1000), 2);
        assert_eq!(full_transaction_id(u32::MAX, 10), 0);
    }

    /// What a database was like at a snapshot: who wrote the version of each of three rows that was to be seen, or that there
    /// was none.
    #[derive(Clone, Debug)]
    struct State {
        rows: [Option<Transaction>; 3],
        snapshot: Snapshot,
    }

    /// Transactions that begin in order, write or delete one or two rows, and commit in any order.
    fn history() -> impl Strategy<Value = Vec<State>> {
        let commit = (prop::collection::vec((0..3usize, prop::bool::weighted(0.7)), 1..3), 0..4usize);
        prop::collection::vec(commit, 1..12).prop_map(|commits| {
            let count = commits.len() as u64;
            let mut waiting: Vec<u64> = (1..=count).collect();
            let now = |waiting: &[u64]| snapshot(*waiting.first().unwrap_or(&(count + 1)), waiting, count + 1);
            let mut states = vec![State { rows: [Some(0); 3], snapshot: now(&waiting) }];
            for (rows, pick) in commits {
                let transaction = waiting.remove(pick.min(waiting.len() - 1));
                let mut next = states.last().unwrap().clone();
                rows.into_iter().for_each(|(row, writes)| next.rows[row] = writes.then(|| transaction));
                next.snapshot = now(&waiting);
                states.push(next);
            }
            states
        })
    }

    proptest! {
        #[test]
        fn consistent_reads_are_shown_by_one_snapshot(history in history(), at in prop::array::uniform3(0..12usize)) {
            let at = at.map(|at| at.min(history.len() - 1));
            let row_seen = |row: usize| history[at[row]].rows[row];
            let seen = [0, 1, 2].map(|row| {
                let writers = Vec::from_iter(row_seen(row));
                stamp(at[row] as u64, &history[at[row]].snapshot, &writers)
            });
            // A row that is not there allows nothing, so only those that were seen matter.
            let is_so = |state: &State| (0..3).all(|row| row_seen(row).is_none_or(|seen| state.rows[row] == Some(seen)));
            let together = seen[0].merge(&seen[1]).is_some_and(|both| both.is_consistent_with(&seen[2]));
            prop_assert!(!together || history.iter().any(is_so), "{seen:?} in {history:?}");
            // And nothing is kept apart that was not written in between.
            let unchanged = |row: usize| (0..3).all(|other| history[at[other]].rows[row] == row_seen(row));
            prop_assert!(together || !(0..3).all(unchanged), "{seen:?} in {history:?}");
        }
    }
}
