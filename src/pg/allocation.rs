//! Rust's allocator ends the process where it finds no memory, and PostgreSQL then restarts the server. So whatever grows with
//! what a caller sends or a table holds is PostgreSQL's own memory, which raises an error, or is asked for here first.

use pgrx::PgSqlErrorCode;

use super::raise::raise;

/// Raises an error where so many bytes are not to be had.
pub fn ensure(bytes: usize) {
    /// What any session has left.
    const LITTLE: usize = 64 << 10;
    if bytes <= LITTLE {
        return;
    }
    let mut probe = Vec::<u8>::new();
    let is_there = probe.try_reserve_exact(bytes).is_ok();
    // Otherwise the compiler may leave out an allocation that nobody uses.
    std::hint::black_box(&mut probe);
    if !is_there {
        let message = format!("out of memory: token_auth needs {bytes} bytes");
        raise(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, message, "Give the server more memory, or the token less access.")
    }
}
