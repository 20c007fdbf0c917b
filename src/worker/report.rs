//! The task of a worker and its report, in shared memory. One worker runs at a time.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::manage::sweep::{Attempt, HeldTokens, Position};
use crate::pg::shmem::{self, SharedBytes};

/// The task of a worker in its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepTask {
    /// The position to begin below.
    pub from: Position,
    /// The number of tokens to delete together.
    pub part_size: i64,
    /// Down to this position tokens are tried one by one: at one of them a worker had to be terminated.
    pub single_until: Position,
    /// The weight of held tokens after which to end.
    pub max_held: u32,
}

/// The report of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepReport {
    pub outcome: Outcome,
    pub removed: i64,
    pub held: HeldTokens,
    /// The position to continue from.
    pub next: Position,
    /// The number of tokens to delete together.
    pub part_size: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The worker ended before it had done anything.
    Nothing,
    /// The database does not have the extension.
    NoExtension,
    /// The database must not be swept now.
    NotNow,
    /// There may be more to do.
    More,
    /// All due tokens were tried.
    Done,
}

impl SweepTask {
    /// Assigns the task to the worker that is started next, and empties the report.
    pub fn assign(&self) {
        write(&shmem::REPORT, &SweepReport::before(self));
        write(&shmem::ATTEMPT, &None::<Attempt>);
        write(&shmem::TASK, self);
    }

    /// Returns the task of this worker.
    pub fn receive() -> Self {
        read(&shmem::TASK)
    }
}

impl SweepReport {
    /// Returns the report before anything is done.
    pub fn before(task: &SweepTask) -> Self {
        let (next, part_size) = (task.from, task.part_size);
        Self { outcome: Outcome::Nothing, removed: 0, held: HeldTokens::default(), next, part_size }
    }

    /// Replaces the report of this worker.
    pub fn send(&self) {
        write(&shmem::REPORT, self);
    }

    /// Returns the last report of the worker that has ended, and the attempt during which it ended, if any.
    pub fn receive() -> (Self, Option<Attempt>) {
        (read(&shmem::REPORT), read(&shmem::ATTEMPT))
    }
}

/// Records what this worker is about to do.
pub fn record_attempt(attempt: Option<Attempt>) {
    write(&shmem::ATTEMPT, &attempt);
}

fn write<T: Serialize>(cell: &SharedBytes, value: &T) {
    cell.write(&serde_json::to_vec(value).expect("the value has only strings, numbers and enums"));
}

fn read<T: DeserializeOwned>(cell: &SharedBytes) -> T {
    serde_json::from_slice(&cell.read()).expect("the cell contains what `write` has written")
}
