//! The setting `token_auth.identity`, which says as which token the transaction acts.
//!
//! A setting, because PostgreSQL does the rest: it ends with the transaction, follows savepoints, and is copied into
//! parallel workers (utils/misc/guc.c). Its check hook refuses every value but the one that [`set_identity`] is setting at that
//! moment. The permission for it is for one value, once, and is withdrawn on every way out, errors included.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::{fmt, ptr};

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};
use token_auth_core::secret::{self, Digest};

/// What PostgreSQL keeps the setting in.
static mut IDENTITY: *mut c_char = ptr::null_mut();

const NAME: &CStr = c"token_auth.identity";

thread_local! {
    /// The one identity that the check hook lets pass.
    static PERMITTED: Cell<Option<Identity>> = const { Cell::new(None) };
    /// The text that was read last, and what it says: policies ask for each row.
    static READ: Cell<Option<([u8; LONGEST], Identity)>> = const { Cell::new(None) };
}

/// `i64::MIN`, a dot, and 16 digits.
const LONGEST: usize = 20 + 1 + 16;

/// A token, and enough of its secret to tell it from another one that has its id later on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub token_id: i64,
    tag: u64,
}

impl Identity {
    /// The tag is a digest of the digest: it can be shown, and opens nothing.
    pub fn of(token_id: i64, digest: &Digest) -> Self {
        let tagged = secret::digest(&[b"token_auth identity".as_slice(), digest].concat());
        let mut tag = [0; 8];
        tag.copy_from_slice(&tagged[..8]);
        Self { token_id, tag: u64::from_be_bytes(tag) }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (token_id, tag) = str::from_utf8(text).ok()?.split_once('.')?;
        Some(Self { token_id: token_id.parse().ok()?, tag: u64::from_str_radix(tag, 16).ok()? })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.token_id, self.tag)
    }
}

pub fn define() {
    // A session in which somebody set a placeholder of this name before the library was loaded passes its value through
    // the hook here, which refuses it.
    // SAFETY: the strings and the variable live as long as the process, and the hook is guarded.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            NAME.as_ptr(),
            c"The token as which this transaction acts: its id, and a stamp of its secret.".as_ptr(),
            c"Empty means none. Set by token_auth.authenticate(), and by nothing else.".as_ptr(),
            &raw mut IDENTITY,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            (pg_sys::GUC_DISALLOW_IN_FILE | pg_sys::GUC_DISALLOW_IN_AUTO_FILE | pg_sys::GUC_NOT_IN_SAMPLE) as i32,
            Some(check),
            None,
            None,
        );
    }
}

/// The token as which this transaction acts, whether it is good still or not.
pub fn current_identity() -> Option<Identity> {
    // SAFETY: null or a C string, which does not change meanwhile.
    let value = unsafe { IDENTITY.as_ref().map(|value| CStr::from_ptr(value)) }?.to_bytes();
    if value.is_empty() {
        return None;
    }
    let mut text = [0; LONGEST];
    // The hook lets nothing else pass. An identity that cannot be read must not turn into none.
    text.get_mut(..value.len()).expect("token_auth.identity is no longer than this").copy_from_slice(value);
    if let Some((read, identity)) = READ.get()
        && read == text
    {
        return Some(identity);
    }
    let identity = Identity::parse(value).expect("token_auth.identity is an identity");
    READ.set(Some((text, identity)));
    Some(identity)
}

/// Acts as this token until the transaction ends.
pub fn set_identity(identity: Identity) {
    let _permission = Permission::give(identity);
    set(&CString::new(identity.to_string()).expect("digits have no NUL in them"));
}

/// Acts as nobody until the transaction ends.
pub fn clear_identity() {
    set(c"");
}

fn set(value: &CStr) {
    // SAFETY: both strings are copied. An error comes back as a panic, and passes the permission's Drop.
    unsafe {
        pg_sys::set_config_option(
            NAME.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
}

/// Leave to set one value; none is left when it goes out of scope.
struct Permission;

impl Permission {
    fn give(identity: Identity) -> Self {
        PERMITTED.set(Some(identity));
        Self
    }
}

impl Drop for Permission {
    fn drop(&mut self) {
        PERMITTED.set(None);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes the new value, which is a C string or null.
    let value = unsafe { (*value).as_ref().map(|value| CStr::from_ptr(value)) };
    let Some(value) = value.filter(|value| !value.is_empty()) else { return true };
    let permitted = PERMITTED.take().is_some_and(|identity| value.to_bytes() == identity.to_string().as_bytes());
    // A parallel worker that is starting takes over what the leader has, and runs nobody's code yet.
    // SAFETY: a plain flag of the process.
    if permitted || unsafe { pg_sys::InitializingParallelWorker } {
        return true;
    }
    // SAFETY: these hold strings that PostgreSQL only reads, for the error that it raises when this returns.
    unsafe {
        pg_sys::GUC_check_errcode(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as i32);
        pg_sys::GUC_check_errmsg_string = c"token_auth.identity cannot be set".as_ptr().cast_mut();
        pg_sys::GUC_check_errhint_string =
            c"Call token_auth.authenticate() with the secret of a token.".as_ptr().cast_mut();
    }
    false
}
