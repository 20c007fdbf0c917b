//! The settings, each with the context that decides who may set it and when it takes effect.
//!
//! The setting `token_auth.identity` is defined in `session/identity.rs`.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

use crate::pg::guc::define_bounded_text;

static ACTOR: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static SWEEP_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60);
static DATABASES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static CACHE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(16_384);
static SEALING_KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// Defines the settings. The caller reserves their prefix after all settings are defined.
pub fn define() {
    // Suset: a superuser, or a role with SET on the parameter. Who may set it decides who the actor is.
    define_bounded_text(
        c"token_auth.actor",
        c"The actor who manages tokens in this session, for the administrators of an account and for created_by.",
        c"Empty means session_user.",
        &ACTOR,
        GucContext::Suset,
    );
    GucRegistry::define_int_guc(
        c"token_auth.sweep_interval",
        c"Time between two rounds of the worker that removes expired tokens.",
        c"Verification does not depend on it: an expired token is refused from the time of its expiry on.",
        &SWEEP_INTERVAL,
        1,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_string_guc(
        c"token_auth.databases",
        c"Databases in which the worker removes expired tokens, separated by commas.",
        c"Empty means every database that has the extension.",
        &DATABASES,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"token_auth.cache_size",
        c"The most memory that a session uses to cache the tokens that it has verified.",
        c"A token takes about 680 bytes, and more with long metadata or much access. 0 turns the cache off.",
        &CACHE_SIZE,
        0,
        1 << 20,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    // Only superusers may see where the keys are.
    GucRegistry::define_string_guc(
        c"token_auth.sealing_key_file",
        c"File with the keys under which secrets that can be revealed are sealed.",
        c"One key a line, in 64 hexadecimal digits, the current one first. A relative path starts at the data directory.",
        &SEALING_KEY_FILE,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
}

/// Returns `token_auth.actor`, or `None` if it is empty.
pub fn actor() -> Option<CString> {
    ACTOR.get().filter(|actor| !actor.is_empty())
}

/// Returns `token_auth.sweep_interval`.
pub fn sweep_interval() -> Duration {
    Duration::from_secs(SWEEP_INTERVAL.get().unsigned_abs().into())
}

/// Returns `token_auth.cache_size` in bytes.
pub fn cache_size() -> usize {
    CACHE_SIZE.get().unsigned_abs() as usize * 1024
}

/// Returns the names in `token_auth.databases`. None means every database.
pub fn databases() -> Vec<String> {
    let setting = DATABASES.get().unwrap_or_default();
    let names = setting.to_string_lossy();
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect()
}

/// Returns `token_auth.sealing_key_file`, or `None` if it is empty.
pub fn sealing_key_file() -> Option<PathBuf> {
    let file = SEALING_KEY_FILE.get().filter(|file| !file.is_empty())?;
    Some(PathBuf::from(OsString::from_vec(file.into_bytes())))
}
