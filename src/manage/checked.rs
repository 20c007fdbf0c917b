//! Arguments that are checked against the rules of a profile or of the tables.

use pgrx::Array;
use pgrx::datum::TimestampWithTimeZone;
use token_auth_core::limits::{MAX_EXPIRY, MAX_METADATA, MAX_SCOPES};
use token_auth_core::scope::Scope;

use crate::arguments::{TextArg, required, text};
use crate::error::{ArgumentError, Error, excerpt};
use crate::model::profile::Profile;
use crate::pg::clock;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::spi::Query;

/// Returns scopes to grant: in the grammar, known to the profile, each once, in the order given.
pub fn scopes(argument: Option<Array<'_, &[u8]>>, profile: &Profile) -> Result<Vec<String>, Error> {
    let argument = required(argument, "scopes")?;
    if argument.is_empty() {
        return Err(ArgumentError::NoScopes.into());
    }
    if argument.len() > MAX_SCOPES {
        return Err(ArgumentError::TooManyScopes(argument.len()).into());
    }
    let resources = profile.resources();
    let mut scopes: Vec<String> = Vec::with_capacity(argument.len());
    for element in argument.iter() {
        let text = text(element, "scopes")?.ok_or(ArgumentError::NoScopes)?;
        let scope = Scope::parse_grant(text).map_err(|why| ArgumentError::BadScope { scope: excerpt(text), why })?;
        profile.check_knows(text, &scope, &resources)?;
        if !scopes.iter().any(|scope| scope == text) {
            scopes.push(text.to_string());
        }
    }
    Ok(scopes)
}

/// Returns an error unless a call names a domain, or asks for every domain: NULL alone must not give access to the whole account.
pub fn some_domain(domain: TextArg<'_>, all_domains: bool) -> Result<(), Error> {
    if domain.is_none() && !all_domains { Err(ArgumentError::NoDomain.into()) } else { Ok(()) }
}

/// Returns an expiry to set. NULL and `infinity` mean never, which is `None`. The life of the token begins at `start`.
pub fn expiry(
    argument: Option<TimestampWithTimeZone>,
    profile: &Profile,
    start: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let expiry = argument.map(Timestamp::from).filter(|expiry| expiry.0 != i64::MAX);
    let Some(expiry) = expiry else {
        profile.check_lifetime(None, start)?;
        return Ok(None);
    };
    profile.check_can_expire()?;
    if expiry <= clock::now() {
        Err(ArgumentError::ExpiryInThePast.into())
    } else if expiry.0 >= MAX_EXPIRY {
        Err(ArgumentError::ExpiryTooLate.into())
    } else {
        profile.check_lifetime(Some(expiry), start)?;
        Ok(Some(expiry))
    }
}

/// Returns the metadata of a token: an object that is not too large.
pub fn metadata(argument: &[u8]) -> Result<Jsonb, Error> {
    static SIZE: Query = Query::new("SELECT pg_catalog.octet_length($1::text)::bigint");
    // A jsonb takes at most six times the bytes of its text: a number of one digit and a comma take twelve.
    if argument.len() > 8 * MAX_METADATA {
        return Err(ArgumentError::MetadataTooLarge(argument.len() as i64).into());
    }
    let metadata = Jsonb(argument.to_vec());
    if !metadata.is_object() {
        return Err(ArgumentError::MetadataNotObject.into());
    }
    // Most tokens have the default.
    if metadata.is_empty_object() {
        return Ok(metadata);
    }
    let size: i64 = SIZE.row(&[metadata.clone().into()], |row| row.get_not_null(1)).unwrap_or_default();
    if size > MAX_METADATA as i64 { Err(ArgumentError::MetadataTooLarge(size).into()) } else { Ok(metadata) }
}
