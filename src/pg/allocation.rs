//! Checking for memory before Rust allocates it.
//!
//! Rust's allocator ends the process if it finds no memory, and PostgreSQL then restarts the server. PostgreSQL's own
//! allocator raises an error instead. So memory that grows with an argument or with the contents of a table is allocated by
//! PostgreSQL, or is checked for here first.

use pgrx::PgSqlErrorCode;

use super::raise::raise;

/// Raises an error if `bytes` cannot be allocated.
pub fn ensure_available(bytes: usize) {
    /// A size that every session has left.
    const SMALL: usize = 64 << 10;
    if bytes <= SMALL {
        return;
    }
    let mut reservation = Vec::<u8>::new();
    let is_available = reservation.try_reserve_exact(bytes).is_ok();
    // Without this the compiler may remove an allocation that is never used.
    std::hint::black_box(&mut reservation);
    if !is_available {
        let message = format!("out of memory: token_auth needs {bytes} bytes");
        raise(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, message, "Give the server more memory, or the token less access.")
    }
}
