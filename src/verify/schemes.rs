//! The schemes of imported tokens that are in use.
//!
//! A text that does not have the form of a secret is looked up only if there is an imported token, and only by the schemes of such
//! tokens. A session remembers which these are. A new imported token is announced by a trigger, like every change that a cached read
//! depends on; that the last one of a scheme is gone is not, and costs other sessions nothing but index probes.

use std::cell::Cell;

use token_auth_core::scheme::{Scheme, SchemeSet};

use super::catalog::Catalog;
use super::invalidation::{self, Stamp};
use super::reader::read_consistent;
use crate::error::guarded;
use crate::pg::xact;

/// Returns the schemes of imported tokens that exist.
///
/// In a transaction that has written something they are read each time: [`announce`] sends one message for many tokens.
pub fn in_use() -> SchemeSet {
    thread_local! {
        static REMEMBERED: Cell<Option<(SchemeSet, Stamp)>> = const { Cell::new(None) };
    }
    let has_written = xact::has_transaction_id();
    if let Some((schemes, stamp)) = REMEMBERED.get()
        && !has_written
        && stamp.is_current_for_schemes()
    {
        return schemes;
    }
    let (schemes, is_cacheable) = guarded(|| {
        Ok(read_consistent(|reader| {
            let mut schemes = SchemeSet::default();
            Scheme::IMPORTED.into_iter().filter(|scheme| reader.has_scheme(*scheme)).for_each(|it| schemes.insert(it));
            schemes
        }))
    });
    let is_remembered = is_cacheable && !has_written && Catalog::current().announces_schemes;
    REMEMBERED.set(is_remembered.then(|| (schemes, Stamp::of_schemes())));
    schemes
}

/// Informs every session, when this transaction commits, that a token of this scheme exists. Repeated calls in a subtransaction
/// send nothing: PostgreSQL would keep a message for each of a million tokens until COMMIT.
pub fn announce(scheme: Scheme) {
    thread_local! {
        /// The subtransaction of the last call, and the schemes that it has announced.
        static ANNOUNCED: Cell<((u32, u32), SchemeSet)> = Cell::new(((0, 0), SchemeSet::default()));
    }
    let current = xact::current_subtransaction();
    let (last, announced) = ANNOUNCED.get();
    let mut announced = if last == current { announced } else { SchemeSet::default() };
    if !announced.contains(scheme) {
        invalidation::invalidate_schemes();
        announced.insert(scheme);
    }
    ANNOUNCED.set((current, announced));
}
