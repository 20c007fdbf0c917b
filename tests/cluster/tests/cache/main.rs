//! The cache of a session: never stale, bounded, and right on a standby.

mod coherence;
mod coherence_internals;
mod coherence_maintenance;
mod coherence_standby;
mod coherence_tables;
#[cfg(feature = "assertions")]
mod discarded;
mod imported;
mod session;
mod session_bounds;
mod session_statement;
mod size;
mod standby;
