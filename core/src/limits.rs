//! The limits that functions and constraints share. Those of a single format stand with it: `name::MAX_LENGTH`,
//! `scope::MAX_LENGTH`, `secret::MAX_PREFIX`.

/// The largest metadata of a token, in bytes of its text form. The table has the same limit as a constraint.
pub const MAX_METADATA: usize = 8192;

/// The most scopes that one grant lists. The table has the same limit as a constraint.
pub const MAX_SCOPES: usize = 256;

/// The most bytes of an action in the scopes that a profile lists.
pub const MAX_ACTION: usize = 64;

/// Every expiry is before this, 9999-12-30 00:00 UTC, in microseconds since 2000-01-01: drivers of most languages know no
/// later year, and some convert to local time. The table has the same limit as a constraint.
pub const MAX_EXPIRY: i64 = 2_921_938 * 24 * 3_600 * 1_000_000;

/// The longest grace of a reset, in microseconds: a century. A profile's `reset_grace` has the same limit as a constraint.
pub const MAX_GRACE: i64 = 36_525 * 24 * 3_600 * 1_000_000;

/// The most networks of a token. The table has the same limit as a constraint.
pub const MAX_NETWORKS: usize = 64;
