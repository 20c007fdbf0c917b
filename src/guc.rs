//! The settings, each with the context that decides who may set it and when it takes effect.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

use crate::pg::{protected_guc, server, text_guc};

static ACTOR: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static SWEEP_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(60);
static DATABASES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static CACHE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(16_384);
static SEALING_KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

pub fn define() {
    // A superuser, or a role that was granted SET on it: whoever may set it says who acts.
    text_guc::define(
        c"token_auth.actor",
        c"Who manages tokens in this session, for the administrators of an account and for created_by.",
        c"Empty means session_user.",
        &ACTOR,
        GucContext::Suset,
    );
    GucRegistry::define_int_guc(
        c"token_auth.sweep_interval",
        c"Time between two rounds of the worker that removes expired tokens.",
        c"No answer depends on it: an expired token is refused from the instant of its expiry on.",
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
        c"Memory that a session takes at most for what it remembers of tokens that it has verified.",
        c"A token takes some 680 bytes, and more with long metadata or much access. Nothing is remembered at 0.",
        &CACHE_SIZE,
        0,
        1 << 20,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    // Where it is, is nobody's business but the superuser's.
    GucRegistry::define_string_guc(
        c"token_auth.sealing_key_file",
        c"File with the keys under which secrets that can be revealed are sealed.",
        c"A key a line, in 64 hexadecimal digits, the current one first. A relative path starts at the data directory.",
        &SEALING_KEY_FILE,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    protected_guc::define();
    server::reserve_settings_prefix(c"token_auth");
}

/// `token_auth.actor`, or `None` where it is empty.
pub fn actor() -> Option<CString> {
    ACTOR.get().filter(|actor| !actor.is_empty())
}

pub fn sweep_interval() -> Duration {
    Duration::from_secs(SWEEP_INTERVAL.get().unsigned_abs().into())
}

/// `token_auth.cache_size`, in bytes.
pub fn cache_size() -> usize {
    CACHE_SIZE.get().unsigned_abs() as usize * 1024
}

/// The names in `token_auth.databases`; none means every database.
pub fn databases() -> Vec<String> {
    let setting = DATABASES.get().unwrap_or_default();
    let names = setting.to_string_lossy();
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect()
}

/// `token_auth.sealing_key_file`, or `None` where it is empty.
pub fn sealing_key_file() -> Option<PathBuf> {
    let file = SEALING_KEY_FILE.get().filter(|file| !file.is_empty())?;
    Some(PathBuf::from(OsString::from_vec(file.into_bytes())))
}
