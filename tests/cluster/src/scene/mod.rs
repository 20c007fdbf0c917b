//! Scenes: the clusters, databases, accounts and roles that tests begin with.

mod attack;
mod cache;
pub mod every_state;
mod permission;
pub mod product;
mod stage;
pub mod tenants;

pub use attack::{AttackScene, Installer, TARGETS, Victim};
pub use cache::{AccessChange, CHANGES, CacheScene, is_answered_from_cache, scans_again, session_answer};
pub use permission::{PermissionScene, authenticated_as, refusal_of};
pub use stage::{Stage, talkative};
