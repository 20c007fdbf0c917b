//! The setting `token_auth.identity`: the token of this transaction, or that the transaction is refused.

use std::cell::Cell;
use std::ffi::CString;

use token_auth_core::identity::{self, Identity};

use crate::pg::protected_guc::{self, Definition, MAX_VALUE, Value};
use crate::pg::sticky_flag;

const _: () = assert!(identity::MAX_LENGTH <= MAX_VALUE);

/// Defines the setting.
pub fn define() {
    protected_guc::define(Definition {
        name: c"token_auth.identity",
        description: c"The token that this transaction is authenticated as: its id, and a tag of its digest.",
        long_description: c"Empty means none. Only token_auth.authenticate() sets it.",
        refusal: c"token_auth.identity cannot be set",
        refusal_hint: c"Call token_auth.authenticate() with the secret of a token.",
    });
}

/// Returns the token that this transaction is authenticated as, even if it is no longer valid.
pub fn current_identity() -> Option<Identity> {
    thread_local! {
        /// The value that was parsed last: policies ask for each row.
        static PARSED: Cell<Option<(Value, Identity)>> = const { Cell::new(None) };
    }
    if is_refused() {
        return None;
    }
    let value = protected_guc::value()?;
    if let Some((parsed, identity)) = PARSED.get()
        && parsed == value
    {
        return Some(identity);
    }
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    // Only `set_identity` sets it. A value that cannot be parsed must not count as none.
    let identity = Identity::parse(text).expect("token_auth.identity is an identity");
    PARSED.set(Some((value, identity)));
    Some(identity)
}

/// Returns true if this transaction is refused.
pub fn is_refused() -> bool {
    sticky_flag::is_raised()
}

/// Refuses this transaction: it has no identity, and manages nothing.
///
/// That ends with the transaction, by [`set_identity`] or by [`clear_identity`], and not by a rollback to a savepoint. A
/// rollback that undoes one of these two refuses the transaction again, whatever identity it restores.
pub fn refuse() {
    sticky_flag::raise();
    protected_guc::clear();
}

/// Authenticates this transaction as a token, until it ends.
pub fn set_identity(identity: Identity) {
    sticky_flag::lower();
    protected_guc::set(&CString::new(identity.to_string()).expect("digits have no NUL in them"));
}

/// Ends the authentication of this transaction, and its refusal.
pub fn clear_identity() {
    sticky_flag::lower();
    protected_guc::clear();
}
