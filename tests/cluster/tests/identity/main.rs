//! The identity of a transaction that is authenticated as a token: it cannot be forged, borrowed or kept.

mod authenticate;
mod borrowed;
mod forged;
mod policy_plans;
mod pooler;
mod postgrest;
mod refused;
mod unloaded;
