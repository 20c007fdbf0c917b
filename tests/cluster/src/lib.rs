//! Real PostgreSQL clusters for tests: created, started, crashed, dumped and removed by the test that needs them.
//!
//! ```no_run
//! use cluster::{Cluster, Sql};
//!
//! let cluster = Cluster::builder().preload("token_auth").setting("token_auth.sweep_interval", "1s").start();
//! let mut db = cluster.create_database_with_token_auth("app");
//! assert_eq!(db.get::<i64>("SELECT count(*) FROM token_auth.token", &[]), 0);
//! ```
//!
//! A [`Cluster`] has a directory of its own under `/tmp`, and listens only on a socket in it. It is stopped and removed when it goes
//! out of scope. After a panic the end of the server's log is printed first. Tests that run in parallel have separate clusters. No
//! process is ended that was not started here.

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
pub use programs::{Programs, run, text};
pub use scene::{
    Stage,
    product::{self, Product},
    talkative,
};
pub use sql::{Refusal, Sql, flood, plan_in_current_words, refusal};
pub use worker::{
    LAUNCHER, WORKER, database_to_sweep, delay_deletions, launcher, swept_every, worker_is_in, workers_started,
};

/// A session: the client of the crate `postgres`.
pub use postgres::Client;
pub use postgres::types::ToSql;

/// Returns a duration in seconds.
pub const fn seconds(count: u64) -> std::time::Duration {
    std::time::Duration::from_secs(count)
}
