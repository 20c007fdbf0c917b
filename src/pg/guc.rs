//! Settings beyond what `pgrx::guc` offers.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;

/// The most bytes of a text setting: a name of 255 characters.
const MAX_TEXT: usize = 4 * 255;

/// Defines a text setting of at most [`MAX_TEXT`] bytes.
///
/// The value is copied each time that it is read, so a user who may set it must not be able to make it a gigabyte.
pub fn define_bounded_text(
    name: &'static CStr,
    description: &'static CStr,
    long_description: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
    context: GucContext,
) {
    // SAFETY: the hook does not panic, and reads a C string or null.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            name,
            description,
            long_description,
            setting,
            context,
            GucFlags::default(),
            Some(check_length),
            None,
            None,
        );
    }
}

unsafe extern "C-unwind" fn check_length(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes the new value, a C string or null. The text of the error is static.
    unsafe {
        let fits = (*value).is_null() || CStr::from_ptr(*value).to_bytes().len() <= MAX_TEXT;
        if !fits {
            pg_sys::GUC_check_errdetail_string = c"It has more than 1020 bytes.".as_ptr().cast_mut();
        }
        fits
    }
}

/// Reserves a prefix, so that setting an unknown name with it is an error instead of defining a placeholder.
pub fn reserve_prefix(prefix: &CStr) {
    // SAFETY: the string is copied.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) }
}

/// Sets a setting for the rest of this process, over the values of the database, the role and the configuration files.
pub fn override_for_process(name: &CStr, value: &CStr) {
    // SAFETY: both strings are copied.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Changes a setting until this goes out of scope, as a function's SET clause does.
pub struct LocalGuc(c_int);

impl LocalGuc {
    /// Sets a setting that every user may set.
    pub fn set(name: &CStr, value: &CStr) -> Self {
        // SAFETY: the nesting level ends in Drop, or with the abort of the (sub)transaction after an error. Both strings are
        // copied.
        unsafe {
            let level = Self(pg_sys::NewGUCNestLevel());
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
            level
        }
    }

    /// Resets `plan_cache_mode` to `auto` if the caller has changed it.
    ///
    /// With forced custom plans a plan would contain the digest that it is planned for, and the caller could have it
    /// printed (`debug_print_plan`).
    pub fn auto_plan_cache_mode() -> Option<Self> {
        // SAFETY: reads a variable of the process.
        let is_forced = unsafe { pg_sys::plan_cache_mode } != pg_sys::PlanCacheMode::PLAN_CACHE_MODE_AUTO as c_int;
        is_forced.then(|| Self::set(c"plan_cache_mode", c"auto"))
    }

    /// Sets a `search_path` in which names and operators are PostgreSQL's own, whatever the caller's path contains.
    pub fn safe_search_path() -> Self {
        Self::set(c"search_path", c"pg_catalog, pg_temp")
    }
}

impl Drop for LocalGuc {
    fn drop(&mut self) {
        // After an error the abort of the (sub)transaction restores the settings.
        if !std::thread::panicking() {
            // SAFETY: levels end in reverse order, by scope.
            unsafe { pg_sys::AtEOXact_GUC(true, self.0) }
        }
    }
}
