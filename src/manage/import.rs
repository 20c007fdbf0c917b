//! The import of tokens whose secrets another system made.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{Array, pg_extern};
use token_auth_core::scheme::{self, Scheme};
use token_auth_core::scope::access::Access;
use token_auth_core::secret::{self, Digest};

use super::checked;
use super::issue::{Imported, NewToken, TokenName};
use super::target::Target;
use crate::arguments::{TextArg, new_name, optional_name, scheme_argument, text};
use crate::error::{ArgumentError, Error, guarded};
use crate::permission::{Action, check_not_token};
use crate::pg::clock;
use crate::pg::datum::{Jsonb, Timestamp};

/// The hint of a token of which only the digest is known.
const UNKNOWN_HINT: &str = "imported";

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn import_token(
    account_id: Option<i64>,
    name: TextArg<'_>,
    scopes: Option<Array<'_, &[u8]>>,
    domain: TextArg<'_>,
    all_domains: Option<bool>,
    secret: TextArg<'_>,
    digest: TextArg<'_>,
    scheme: TextArg<'_>,
    hint: TextArg<'_>,
    owner: TextArg<'_>,
    expires_at: Option<TimestampWithTimeZone>,
    created_at: Option<TimestampWithTimeZone>,
    metadata: Option<&[u8]>,
) -> i64 {
    guarded(|| {
        check_not_token("import tokens")?;
        let name = new_name(name, "name")?;
        let all_domains = all_domains.unwrap_or(false);
        checked::some_domain(domain, all_domains)?;
        let metadata = metadata.map_or(Ok(Jsonb::empty_object()), checked::metadata)?;
        let owner = optional_name(owner, "owner")?;
        let (scheme, digest, secret) = credentials(secret, digest, scheme_argument(scheme)?)?;
        let hint = match optional_name(hint, "hint")? {
            Some(hint) => hint.to_string(),
            None => secret.map_or(UNKNOWN_HINT.to_string(), default_hint),
        };
        check_hint(&hint, scheme, &digest, secret)?;
        let created_at = past(created_at)?;
        let target = Target::new_in(account_id)?;
        let home = target.find_domain(domain);
        let target = target.authorize(Action::CreateToken { home: home.as_ref().ok().copied().flatten() })?;
        let home = home?;
        let scopes = checked::scopes(scopes, &target.account.profile)?;
        let expires_at = target.expiry_or(expires_at, target.account.profile.default_expiry(clock::now()))?;
        target.check_room_for_token()?;
        let access = [Access::new(home.filter(|_| !all_domains), scopes)];
        let token = NewToken {
            account: &target.account,
            home,
            name: TokenName::Given(name),
            owner: owner.map(str::to_string),
            networks: None,
            expires_at,
            metadata,
            is_paused: false,
            access: &access,
        };
        token.import(&Imported { scheme, digest, hint: &hint, secret, created_at })
    })
}

/// Returns the scheme and the digest under which the token is found, and the secret if it is given.
fn credentials<'a>(
    secret: TextArg<'a>,
    digest: TextArg<'_>,
    scheme: Scheme,
) -> Result<(Scheme, Digest, Option<&'a str>), Error> {
    match (secret, digest) {
        (Some(bytes), None) => {
            if secret::is_well_formed(bytes) {
                // It is looked up as a secret of our own.
                let scheme = Scheme::TokenAuth;
                return Ok((scheme, scheme.digest(bytes), text(secret, "secret")?));
            }
            if !scheme::may_be_imported(bytes) {
                return Err(ArgumentError::SecretLength(bytes.len()).into());
            }
            if scheme == Scheme::TokenAuth {
                return Err(ArgumentError::NotOwnForm.into());
            }
            Ok((scheme, scheme.digest(bytes), text(secret, "secret")?))
        }
        (None, Some(foreign)) => match scheme.digest_of_foreign(foreign) {
            Some(digest) => Ok((scheme, digest, None)),
            None => Err(ArgumentError::DigestLength { scheme, length: foreign.len() }.into()),
        },
        _ => Err(ArgumentError::SecretOrDigest.into()),
    }
}

fn default_hint(secret: &str) -> String {
    if secret::is_well_formed(secret.as_bytes()) { secret::hint(secret) } else { secret::hint_of_imported(secret) }
}

/// Returns an error if a hint, which many may read, is the secret: arguments get mixed up.
fn check_hint(hint: &str, scheme: Scheme, digest: &Digest, secret: Option<&str>) -> Result<(), Error> {
    let contains_secret = secret.is_some_and(|secret| hint.contains(secret));
    if contains_secret || scheme.digest(hint.as_bytes()) == *digest {
        return Err(ArgumentError::HintIsSecret.into());
    }
    Ok(())
}

/// Returns the time of creation elsewhere.
fn past(created_at: Option<TimestampWithTimeZone>) -> Result<Option<Timestamp>, Error> {
    let Some(created_at) = created_at.map(Timestamp::from) else { return Ok(None) };
    if created_at > clock::now() || created_at.0 == i64::MIN {
        return Err(ArgumentError::CreatedInTheFuture.into());
    }
    Ok(Some(created_at))
}
