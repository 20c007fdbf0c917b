//! The limits that functions and constraints share. Those of a single format stand with it: `name::MAX_LENGTH`,
//! `scope::MAX_LENGTH`, `secret::MAX_PREFIX`.

/// The largest metadata of a token, in bytes of its text form. The table has the same limit as a constraint.
pub const MAX_METADATA: usize = 8192;

/// The most scopes that one grant lists. The table has the same limit as a constraint.
pub const MAX_SCOPES: usize = 256;

/// The most bytes of an action in the scopes that a profile lists.
pub const MAX_ACTION: usize = 64;

/// The longest grace of a reset, in microseconds: a century. A profile's `reset_grace` has the same limit as a constraint.
pub const MAX_GRACE: i64 = 36_525 * 24 * 3_600 * 1_000_000;
