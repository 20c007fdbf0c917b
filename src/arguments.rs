//! What the functions take: NULL, text that is none, and names and scopes outside their rules are refused here.
//!
//! No function is STRICT: a NULL where a value is needed is a mistake of the caller, not a call without effect. Text
//! comes as bytes, because in a database with the encoding SQL_ASCII it may be anything.

use pgrx::Array;
use pgrx::datum::TimestampWithTimeZone;
use token_auth_core::name;
use token_auth_core::scope::{self, Scope};

use crate::error::{Error, MAX_METADATA, MAX_SCOPES, excerpt};
use crate::model::profile::Profile;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::server;
use crate::pg::spi::Query;

/// A text argument as it comes.
pub type Text<'a> = Option<&'a [u8]>;

pub fn required<T>(argument: Option<T>, what: &'static str) -> Result<T, Error> {
    argument.ok_or(Error::Null(what))
}

/// Text that may be NULL. Of a text that is longer than any that is accepted, only the beginning is looked at, which is
/// too long as well: nobody waits for a gigabyte.
pub fn text<'a>(argument: Text<'a>, what: &'static str) -> Result<Option<&'a str>, Error> {
    const LONGEST: usize = 2048;
    const _: () = assert!(LONGEST > 4 * name::MAX_LENGTH && LONGEST > scope::MAX_LENGTH);
    let Some(bytes) = argument else { return Ok(None) };
    let head = &bytes[..bytes.len().min(LONGEST)];
    match str::from_utf8(head) {
        Ok(text) => Ok(Some(text)),
        // A character that is cut in two.
        Err(error) if head.len() < bytes.len() && error.error_len().is_none() => {
            Ok(str::from_utf8(&head[..error.valid_up_to()]).ok())
        }
        Err(_) => Err(Error::NotUtf8(what)),
    }
}

/// A name that is given to something.
pub fn new_name<'a>(argument: Text<'a>, what: &'static str) -> Result<&'a str, Error> {
    let name = required(text(argument, what)?, what)?;
    check_name(name, what)?;
    Ok(name)
}

pub fn check_name(name: &str, what: &'static str) -> Result<(), Error> {
    name::check(name).map_err(|why| Error::BadName { what, name: excerpt(name), why })
}

/// Scopes to grant: in the grammar, known to the profile, each once, in the order given.
pub fn scopes(argument: Option<Array<'_, &[u8]>>, profile: &Profile) -> Result<Vec<String>, Error> {
    let argument = required(argument, "scopes")?;
    if argument.is_empty() {
        return Err(Error::NoScopes);
    }
    if argument.len() > MAX_SCOPES {
        return Err(Error::TooManyScopes(argument.len()));
    }
    let resources = profile.resources();
    let mut scopes: Vec<String> = Vec::with_capacity(argument.len());
    for element in argument.iter() {
        let text = text(element, "scopes")?.ok_or(Error::NoScopes)?;
        let scope = Scope::parse_grant(text).map_err(|why| Error::BadScope { scope: excerpt(text), why })?;
        profile.check_knows(text, &scope, &resources)?;
        if !scopes.iter().any(|held| held == text) {
            scopes.push(text.to_string());
        }
    }
    Ok(scopes)
}

/// A scope to ask for, or NULL.
pub fn question<'a>(argument: Text<'a>) -> Result<Option<Scope<'a>>, Error> {
    text(argument, "scope")?
        .map(|text| Scope::parse_question(text).map_err(|why| Error::BadScope { scope: excerpt(text), why }))
        .transpose()
}

/// An expiry to set. NULL and `infinity` are never, which is `None`.
pub fn expiry(argument: Option<TimestampWithTimeZone>, profile: &Profile) -> Result<Option<Timestamp>, Error> {
    let Some(expiry) = argument.map(Timestamp::from).filter(|expiry| expiry.0 != i64::MAX) else { return Ok(None) };
    profile.check_can_expire()?;
    if expiry <= server::now() { Err(Error::ExpiryInThePast) } else { Ok(Some(expiry)) }
}

/// A token's metadata, as the bytes of a jsonb.
pub fn metadata(argument: &[u8]) -> Result<Jsonb, Error> {
    static SIZE: Query = Query::new("SELECT pg_catalog.octet_length($1::text)::bigint");
    // A jsonb takes at most six times the bytes of its text: a number of one digit and a comma take twelve.
    if argument.len() > 8 * MAX_METADATA {
        return Err(Error::MetadataTooLarge(argument.len() as i64));
    }
    let metadata = Jsonb(argument.to_vec());
    // The default, which is what most tokens have.
    if metadata.is_empty_object() {
        return Ok(metadata);
    }
    let size: i64 = SIZE.row(&[metadata.clone().into()], |row| row.get_not_null(1)).unwrap_or_default();
    if size > MAX_METADATA as i64 { Err(Error::MetadataTooLarge(size)) } else { Ok(metadata) }
}
