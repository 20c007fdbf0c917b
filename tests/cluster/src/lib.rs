//! Real PostgreSQL clusters for tests: made, started, crashed, dumped and removed by the test that needs them.
//!
//! ```no_run
//! use cluster::{Cluster, Sql};
//!
//! let cluster = Cluster::builder().preload("token_auth").setting("token_auth.sweep_interval", "1s").start();
//! let mut db = cluster.create_database_with_token_auth("app");
//! assert_eq!(db.get::<i64>("SELECT count(*) FROM token_auth.token", &[]), 0);
//! ```
//!
//! A [`Cluster`] lives in a directory of its own under `/tmp`, listens on a socket in that directory only, and is stopped
//! and removed when it goes out of scope, also by a panic, which prints the end of the server's log first. Tests that
//! run in parallel each have their own. Nothing here ends a process that it did not start.

mod clock;
mod cluster;
pub mod coherence;
mod fixtures;
mod leaks;
mod programs;
pub mod readme;
pub mod scene;
mod sql;
mod worker;

pub use clock::{wait_for, wait_until};
pub use cluster::{Builder, Cluster, Format, Pooler, Stop, log::Log, shared};
pub use fixtures::{NewDomain, NewToken, TokenAuth, Verification, digest_hex};
pub use leaks::{Watch, random_part};
pub use scene::{
    Stage,
    product::{self, Product},
    talkative,
};
pub use sql::{Refusal, Sql, flood, refusal};
pub use worker::{
    LAUNCHER, WORKER, database_to_sweep, delay_deletions, launcher, swept_every, worker_is_in, workers_started,
};

/// A session with a server; the `postgres` crate's, under the name that the tests use.
pub use postgres::Client;
pub use postgres::types::ToSql;

/// Seconds, for the timeouts in tests.
pub const fn seconds(count: u64) -> std::time::Duration {
    std::time::Duration::from_secs(count)
}
