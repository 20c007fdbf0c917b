//! Whether facts that were read at different times may be used together.
//!
//! Facts about a token, its account and a domain are remembered apart, so they can be of different moments, and one
//! transaction can have changed several of them in between. A decision from facts that were never true together could let
//! somebody do what he was at no time allowed to do.

use std::rc::Rc;

/// A transaction, by its number since the database was made (PostgreSQL's `FullTransactionId`), which never comes again.
pub type Transaction = u64;

/// A snapshot, by the transactions that had ended by then: what PostgreSQL's snapshots say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// All before this one had ended.
    pub xmin: Transaction,
    /// This one and all after it had not.
    pub xmax: Transaction,
    /// Those in between that had not ended, or `None` where that is not known of each, or where there is nothing in between.
    pub xip: Option<Rc<[Transaction]>>,
}

impl Snapshot {
    fn has_completed(&self, transaction: Transaction) -> bool {
        transaction < self.xmin
            || transaction < self.xmax && self.xip.as_ref().is_some_and(|xip| !xip.contains(&transaction))
    }
}

/// When facts were read, and who wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadStamp {
    /// The number of the reading. One reading sees one snapshot.
    reading: u64,
    snapshot: Snapshot,
    /// The last transactions that wrote rows of them, each once, the latest first; 0 is none.
    writers: [Transaction; 3],
    /// The latest of the others that wrote a row of them.
    earlier_writer: Transaction,
}

impl ReadStamp {
    /// Of nothing yet. Readings are numbered in their order.
    pub fn new(reading: u64, snapshot: Snapshot) -> Self {
        Self { reading, snapshot, writers: [0; 3], earlier_writer: 0 }
    }

    /// And of a row that this transaction wrote.
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

    /// Of both together, if they are known to have been true at one snapshot: that of the earlier reading, where those who
    /// wrote the rows of the later one had ended before it.
    ///
    /// A row that was there at the earlier one, and was deleted by the later one, goes unseen. Access rows only add up,
    /// so a decision without one allows nothing that was not allowed then.
    pub fn merge(&self, other: &Self) -> Option<Self> {
        let (earlier, later) = if self.reading <= other.reading { (self, other) } else { (other, self) };
        self.is_consistent_with(other).then(|| {
            let mut both = earlier.clone();
            later.writers.iter().for_each(|writer| both.add(*writer));
            both.earlier_writer = both.earlier_writer.max(later.earlier_writer);
            both
        })
    }

    /// Whether there are [both together](Self::merge).
    pub fn is_consistent_with(&self, other: &Self) -> bool {
        let (earlier, later) = if self.reading <= other.reading { (self, other) } else { (other, self) };
        earlier.reading == later.reading
            || later.earlier_writer < earlier.snapshot.xmin
                && later.writers.iter().all(|writer| earlier.snapshot.has_completed(*writer))
    }

    /// How many bytes it takes beside itself, where each alloc_overhead takes `alloc_overhead` more than what is in it.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        self.snapshot.xip.as_ref().map_or(0, |xip| alloc_overhead + size_of_val(&**xip))
    }
}

/// The number since the database was made of a transaction that has one of 32 bits, while `next` is the next one to be
/// given out. Numbers of 32 bits come round, and those that rows show are of the last half round, or of rows that are
/// older than any snapshot (frozen), whose number says little: it is taken for one in the past.
pub fn full_transaction_id(transaction: u32, next: Transaction) -> Transaction {
    let age = (next as u32).wrapping_sub(transaction);
    next.saturating_sub(age.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// At a snapshot when all before `xmin` had ended, and of those up to `xmax` these had not.
    fn snapshot(xmin: Transaction, xip: &[Transaction], xmax: Transaction) -> Snapshot {
        Snapshot { xmin, xmax, xip: Some(xip.into()) }
    }

    fn stamp(reading: u64, snapshot: &Snapshot, writers: &[Transaction]) -> ReadStamp {
        let mut stamp = ReadStamp::new(reading, snapshot.clone());
        writers.iter().for_each(|writer| stamp.add(*writer));
        stamp
    }

    #[test]
    fn facts_go_together_when_the_later_ones_were_there_at_the_earlier_reading() {
        let (first, second) = (snapshot(100, &[], 100), snapshot(200, &[], 200));
        let earlier = stamp(1, &first, &[99]);
        assert_eq!(earlier.merge(&stamp(2, &second, &[99])), Some(earlier.clone()));
        assert_eq!(stamp(2, &second, &[50]).merge(&earlier), Some(stamp(1, &first, &[99, 50])));
        // Of one reading, whoever wrote them.
        assert_eq!(earlier.merge(&stamp(1, &first, &[170])), Some(stamp(1, &first, &[170, 99])));
    }

    #[test]
    fn facts_that_were_written_after_the_earlier_reading_do_not_go_with_it() {
        // However old the earlier ones are: whoever wrote the later ones can have changed both.
        let (first, second) = (snapshot(100, &[], 100), snapshot(200, &[], 200));
        for writer in [100, 101, 199] {
            let (earlier, later) = (stamp(1, &first, &[10]), stamp(2, &second, &[writer]));
            assert_eq!((earlier.merge(&later), later.merge(&earlier)), (None, None));
        }
    }

    #[test]
    fn a_transaction_that_takes_long_keeps_only_what_it_writes_apart() {
        // 50 is still xip.
        let (first, second) = (snapshot(50, &[50, 97], 100), snapshot(50, &[50], 200));
        let together =
            |writers: &[Transaction]| stamp(1, &first, &[10]).is_consistent_with(&stamp(2, &second, writers));
        assert!(together(&[96]) && together(&[99, 60, 51]));
        assert!(!together(&[50]) && !together(&[97]) && !together(&[100]));
        assert!(!together(&[99, 97, 60]));
        // Of more than three writers only the last are known one by one.
        assert!(together(&[99, 96, 95, 49]) && !together(&[99, 96, 95, 94]));
        // Neither are those of a snapshot that is not known in full.
        let vague = Snapshot { xmin: 50, xmax: 100, xip: None };
        assert!(stamp(1, &vague, &[10]).is_consistent_with(&stamp(2, &second, &[49])));
        assert!(!stamp(1, &vague, &[10]).is_consistent_with(&stamp(2, &second, &[96])));
    }

    #[test]
    fn the_last_writers_are_known_one_by_one() {
        let at = snapshot(1, &[], 1);
        let seen = stamp(1, &at, &[5, 9, 5, 7, 9, 3, 4]);
        assert_eq!((seen.writers, seen.earlier_writer), ([9, 7, 5], 4));
        let both = stamp(1, &at, &[9, 2]).merge(&stamp(1, &at, &[8, 7, 6, 5])).unwrap();
        assert_eq!((both.writers, both.earlier_writer), ([9, 8, 7], 6));
    }

    #[test]
    fn a_short_number_is_one_of_the_last_round() {
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
        fn facts_that_go_together_were_true_at_one_moment(history in history(), at in prop::array::uniform3(0..12usize)) {
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
