//! The trigger functions.

pub mod erase_sealed;
pub mod immutable;
pub mod invalidate;
pub mod last_token;
