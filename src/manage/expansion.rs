//! The support function of the functions that create something and return a row.

use pgrx::{Internal, pg_extern};

use crate::error::{EnvironmentError, guarded};
use crate::pg::planner;

/// Refuses `(create_token(...)).*`, which would call the function once for each column: five tokens, and the id of one with
/// the secret of another. It leaves every other call alone.
#[pg_extern(sql = false)]
fn refuse_expansion(request: Internal) -> Internal {
    guarded(|| match planner::expanded_call(request) {
        Some(function) => Err(EnvironmentError::ExpandedCall(function).into()),
        // A null pointer is "not simplified". A NULL would be an error.
        None => Ok(planner::no_answer()),
    })
}
