//! A setting whose value is a text of limited length: it is copied each time that it is read, and whoever may set it could
//! make it a gigabyte.

use std::ffi::{CStr, CString, c_char, c_void};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;

/// The most bytes of a value: a name of 255 characters.
const LONGEST: usize = 4 * 255;

pub fn define(
    name: &'static CStr,
    description: &'static CStr,
    more: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
    context: GucContext,
) {
    // SAFETY: the hook does not panic, and reads a C string or null.
    unsafe {
        let flags = GucFlags::default();
        GucRegistry::define_string_guc_with_hooks(
            name,
            description,
            more,
            setting,
            context,
            flags,
            Some(check),
            None,
            None,
        );
    }
}

unsafe extern "C-unwind" fn check(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes the new value, which is a C string or null; the text for the error is static.
    unsafe {
        let fits = (*value).is_null() || CStr::from_ptr(*value).to_bytes().len() <= LONGEST;
        if !fits {
            pg_sys::GUC_check_errdetail_string = c"It has more than 1020 bytes.".as_ptr().cast_mut();
        }
        fits
    }
}
