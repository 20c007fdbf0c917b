//! The arguments of functions: NULL, text that is not UTF-8, names, and the scope that is asked for.
//!
//! No function is STRICT: a NULL where a value is needed is an error, not a call without effect. Text arrives as bytes,
//! because in a database with the encoding SQL_ASCII it may be anything.

pub mod network;

use pgrx::pg_extern;
use token_auth_core::name;
use token_auth_core::scheme::Scheme;
use token_auth_core::scope::{self, Scope};

use crate::error::{ArgumentError, Error, excerpt};

/// A text argument.
pub type TextArg<'a> = Option<&'a [u8]>;

/// The accounts whose objects a call may know: the argument `account_id` of the functions that take an id.
#[derive(Clone, Copy)]
pub enum Tenant {
    Any,
    Account(i64),
}

/// The number that means any account. It is arbitrary and negative, and no bug produces it: it is neither 0 nor -1 nor the
/// least `bigint`, which missing values become in several languages.
const ANY_ACCOUNT: i64 = -7_283_946_150_283_746_511;

/// Returns the argument that means any account.
pub fn any_account_id() -> Option<i64> {
    Some(ANY_ACCOUNT)
}

#[pg_extern(sql = false)]
fn any_account() -> i64 {
    ANY_ACCOUNT
}

/// The text that means any value of a filter. It is arbitrary, and no name: it has a control character.
const ANY_TEXT: &str = "any value \u{7} of token_auth.revoke_tokens";

#[pg_extern(sql = false)]
fn any_text() -> &'static str {
    ANY_TEXT
}

/// Returns the text that a filter asks for, or `None` for any. NULL is an error, as in [`Tenant::from_argument`].
pub fn text_filter<'a>(argument: TextArg<'a>, what: &'static str) -> Result<Option<&'a str>, Error> {
    let text = text(argument, what)?
        .ok_or(ArgumentError::NullWidens { what, instead: "Pass a value, or leave the filter out." })?;
    Ok(Some(text).filter(|text| *text != ANY_TEXT))
}

impl Tenant {
    /// Reads the argument. NULL is an error: it is what a variable without a value becomes, and must not mean any account.
    pub fn from_argument(account_id: Option<i64>) -> Result<Self, Error> {
        match account_id {
            None => Err(ArgumentError::NullWidens {
                what: "account_id",
                instead: "Pass the id of the account, or leave account_id out for any account.",
            }
            .into()),
            Some(ANY_ACCOUNT) => Ok(Self::Any),
            Some(id) => Ok(Self::Account(id)),
        }
    }

    /// Returns true if the call may know the objects of this account.
    pub fn includes(self, account_id: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Account(id) => id == account_id,
        }
    }
}

/// Returns an error if an argument is NULL.
pub fn required<T>(argument: Option<T>, what: &'static str) -> Result<T, Error> {
    argument.ok_or(ArgumentError::Null(what).into())
}

/// Returns a text that may be NULL.
///
/// Only the beginning of a text is returned that is longer than every limit. The beginning exceeds these limits, too, so
/// no caller waits for a gigabyte to be checked.
pub fn text<'a>(argument: TextArg<'a>, what: &'static str) -> Result<Option<&'a str>, Error> {
    const MAX_CHECKED: usize = 2048;
    const _: () = assert!(MAX_CHECKED > 4 * name::MAX_LENGTH && MAX_CHECKED > scope::MAX_LENGTH);
    let Some(bytes) = argument else { return Ok(None) };
    let head = &bytes[..bytes.len().min(MAX_CHECKED)];
    match str::from_utf8(head) {
        Ok(text) => Ok(Some(text)),
        // The cut is within a character.
        Err(error) if head.len() < bytes.len() && error.error_len().is_none() => {
            Ok(str::from_utf8(&head[..error.valid_up_to()]).ok())
        }
        Err(_) => Err(ArgumentError::NotUtf8(what).into()),
    }
}

/// Returns a new name for an object.
pub fn new_name<'a>(argument: TextArg<'a>, what: &'static str) -> Result<&'a str, Error> {
    let name = required(text(argument, what)?, what)?;
    check_name(name, what)?;
    Ok(name)
}

/// Returns a new name for an object, or `None` for NULL.
pub fn optional_name<'a>(argument: TextArg<'a>, what: &'static str) -> Result<Option<&'a str>, Error> {
    if argument.is_none() { Ok(None) } else { new_name(argument, what).map(Some) }
}

/// Returns an error if a text is not a name.
pub fn check_name(name: &str, what: &'static str) -> Result<(), Error> {
    name::check(name).map_err(|why| ArgumentError::BadName { what, name: excerpt(name), why }.into())
}

/// Returns the scope to ask for, or `None` for NULL.
pub fn requested_scope<'a>(argument: TextArg<'a>) -> Result<Option<Scope<'a>>, Error> {
    text(argument, "scope")?
        .map(|text| {
            Scope::parse_question(text).map_err(|why| ArgumentError::BadScope { scope: excerpt(text), why }.into())
        })
        .transpose()
}

/// Returns the scheme of a digest.
pub fn scheme_argument(argument: TextArg<'_>) -> Result<Scheme, Error> {
    let name = required(argument, "scheme")?;
    match Scheme::from_name(name) {
        Some(scheme) => Ok(scheme),
        None => Err(ArgumentError::UnknownScheme(text(argument, "scheme")?.map(excerpt).unwrap_or_default()).into()),
    }
}
