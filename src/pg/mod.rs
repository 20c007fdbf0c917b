//! PostgreSQL's own structures, behind types that release what they hold.
//!
//! This is the only folder with unsafe code. What it offers to the rest of the crate is safe. It imports nothing of the rest.

pub mod allocation;
pub mod bgworker;
pub mod clock;
pub mod databases;
pub mod datum;
pub mod error_fields;
pub mod extension;
pub mod guc;
pub mod index_scan;
pub mod inet;
pub mod inval;
pub mod log_hook;
pub mod planner;
pub mod protected_guc;
pub mod raise;
pub mod relation;
pub mod shmem;
pub mod snapshot;
pub mod spi;
pub mod sticky_flag;
pub mod subtransaction;
pub mod trigger_queue;
pub mod tuple;
mod unguarded;
pub mod user;
pub mod varlena;
mod version;
pub mod xact;
