//! The functions that manage tokens, other than their access, reset and secret.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{Array, pg_extern};
use token_auth_core::scope::access::Access;

use super::checked;
use super::issue::{NewToken, TokenName};
use super::target::{Authorized, Target};
use crate::arguments::{TextArg, network, new_name, optional_name, required, text};
use crate::error::{ArgumentError, Error, ProfileName, StateError, guarded, map_foreign_key_violation};
use crate::model::token::{self, Token};
use crate::permission::Action;
use crate::pg::clock;
use crate::pg::datum::Jsonb;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;

/// What a session token may not do.
const WRITE_METADATA: &str = "write metadata";

/// Returns `(token_id, name, secret, hint, expires_at)`.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn create_token(
    account_id: Option<i64>,
    name: TextArg<'_>,
    scopes: Option<Array<'_, &[u8]>>,
    domain: TextArg<'_>,
    all_domains: Option<bool>,
    expires_at: Option<TimestampWithTimeZone>,
    metadata: Option<&[u8]>,
    owner: TextArg<'_>,
    networks: Option<Array<'_, &[u8]>>,
    request_id: TextArg<'_>,
) -> Record<5> {
    guarded(|| {
        let name = new_name(name, "name")?;
        let all_domains = all_domains.unwrap_or(false);
        checked::some_domain(domain, all_domains)?;
        let metadata = metadata.map_or(Ok(Jsonb::empty_object()), checked::metadata)?;
        let owner = optional_name(owner, "owner")?;
        let request_id = optional_name(request_id, "request_id")?;
        let networks = networks.map(|networks| network::networks(&networks)).transpose()?;
        let target = Target::new_in(account_id)?;
        // Only a caller who may create the token is told whether the domain exists.
        let home = target.find_domain(domain);
        let target = target.authorize(Action::CreateToken { home: home.as_ref().ok().copied().flatten() })?;
        let home = home?;
        let repeated = request_id.and_then(|request_id| token::with_request_id(target.account.id, request_id));
        if let Some(id) = repeated {
            return Err(StateError::RequestRepeated(id).into());
        }
        let scopes = checked::scopes(scopes, &target.account.profile)?;
        let expires_at = target.expiry_or(expires_at, target.account.profile.default_expiry(clock::now()))?;
        let (owner, networks) = (target.owner_or_own(owner)?, target.networks_or_own(networks)?);
        if !metadata.is_empty_object() {
            target.check_no_token(WRITE_METADATA)?;
        }
        let access = [Access::new(home.filter(|_| !all_domains), scopes)];
        target.check_grants(&access)?;
        target.check_room_for_token()?;
        let new = NewToken {
            account: &target.account,
            home,
            name: TokenName::Given(name),
            owner,
            networks,
            expires_at,
            metadata,
            is_paused: false,
            access: &access,
        };
        let token = new.issue(request_id)?;
        Ok(Record([
            token.id.into(),
            token.name.into(),
            token.secret.into(),
            token.hint.into(),
            token.expires_at.into(),
        ]))
    })
}

#[pg_extern(sql = false)]
fn pause_token(id: Option<i64>, account_id: Option<i64>) -> bool {
    static PAUSE: Query = Query::new(
        "UPDATE token_auth.token SET paused_at = pg_catalog.clock_timestamp() WHERE id = $1 AND paused_at IS NULL",
    );
    guarded(|| {
        let target = Target::token(id, account_id)?.lock()?.authorize()?;
        target.account.profile.check_can_pause()?;
        Ok(PAUSE.execute(&[target.row.id.into()]) > 0)
    })
}

/// It does not ask for `can_pause`: a token that was paused before its profile changed must not stay paused for ever.
#[pg_extern(sql = false)]
fn resume_token(id: Option<i64>, account_id: Option<i64>) -> bool {
    static RESUME: Query =
        Query::new("UPDATE token_auth.token SET paused_at = NULL WHERE id = $1 AND paused_at IS NOT NULL");
    guarded(|| {
        let target = Target::token(id, account_id)?.lock()?.authorize()?;
        target.check_caller_reaches("resume")?;
        Ok(RESUME.execute(&[target.row.id.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn rename_token(id: Option<i64>, name: TextArg<'_>, account_id: Option<i64>) -> bool {
    static RENAME: Query = Query::new("UPDATE token_auth.token SET name = $2 WHERE id = $1 AND name <> $2");
    guarded(|| {
        let name = new_name(name, "name")?;
        let target = Target::token(id, account_id)?.lock()?.authorize()?;
        target.account.profile.check_can_rename()?;
        Ok(RENAME.execute(&[target.row.id.into(), name.into()]) > 0)
    })
}

/// The end of a grace can be moved, too.
#[pg_extern(sql = false)]
fn set_token_expiry(id: Option<i64>, expires_at: Option<TimestampWithTimeZone>, account_id: Option<i64>) -> bool {
    static SET: Query =
        Query::new("UPDATE token_auth.token SET expires_at = $2 WHERE id = $1 AND expires_at IS DISTINCT FROM $2");
    guarded(|| {
        let target = Target::token(id, account_id)?.lock_home().lock()?.authorize()?;
        let new = checked::expiry(expires_at, &target.account.profile, target.row.created_at)?;
        target.check_lifetime(new)?;
        if expires_at.is_none() {
            let instead = "Pass infinity for a token that never expires.";
            return Err(ArgumentError::NullWidens { what: "expires_at", instead }.into());
        }
        target.row.check_not_expired()?;
        if target.row.was_reset && new.is_none() {
            return Err(ArgumentError::GraceWithoutEnd(target.row.id).into());
        }
        Ok(SET.execute(&[target.row.id.into(), new.into()]) > 0)
    })
}

/// NULL is nobody. A token gives no owner: tokens are revoked by their owner.
#[pg_extern(sql = false)]
fn set_token_owner(id: Option<i64>, owner: TextArg<'_>, account_id: Option<i64>) -> bool {
    static SET: Query =
        Query::new("UPDATE token_auth.token SET owner = $2 WHERE id = $1 AND owner IS DISTINCT FROM $2");
    guarded(|| {
        let owner = optional_name(owner, "owner")?;
        let target = Target::token(id, account_id)?.lock()?.authorize()?;
        target.check_no_token("change the owner of a token")?;
        Ok(SET.execute(&[target.row.id.into(), owner.into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn set_token_networks(id: Option<i64>, networks: Option<Array<'_, &[u8]>>, account_id: Option<i64>) -> bool {
    static SET: Query = Query::new(
        "UPDATE token_auth.token SET networks = $2::cidr[] WHERE id = $1 AND networks IS DISTINCT FROM $2::cidr[]",
    );
    guarded(|| {
        let target = Target::token(id, account_id)?.lock()?.authorize()?;
        target.check_no_token("change the networks of a token")?;
        let instead = "Pass {0.0.0.0/0,::/0} for a token that is accepted from anywhere.";
        let networks = networks.ok_or(ArgumentError::NullWidens { what: "networks", instead })?;
        let networks = network::networks(&networks)?;
        Ok(SET.execute(&[target.row.id.into(), networks.as_ref().map(network::texts).into()]) > 0)
    })
}

#[pg_extern(sql = false)]
fn set_token_metadata(id: Option<i64>, metadata: Option<&[u8]>, account_id: Option<i64>) -> bool {
    guarded(|| {
        let metadata = checked::metadata(required(metadata, "metadata")?)?;
        let target = Target::token(id, account_id)?.lock()?.authorize()?;
        set_metadata(&target, metadata)
    })
}

/// The token is locked before its metadata is read, so no concurrent change is lost.
#[pg_extern(sql = false)]
fn merge_token_metadata(id: Option<i64>, metadata: Option<&[u8]>, account_id: Option<i64>) -> bool {
    static MERGE: Query = Query::new("SELECT $1 || $2");
    guarded(|| {
        let added = checked::metadata(required(metadata, "metadata")?)?;
        let target = Target::token(id, account_id)?.lock()?.authorize()?;
        let merged = MERGE.row(&[target.row.metadata.clone().into(), added.into()], |row| row.get_not_null::<Jsonb>(1));
        let merged = merged.expect("a query without FROM returns a row");
        set_metadata(&target, checked::metadata(&merged.0)?)
    })
}

/// A token writes no metadata, neither its own nor that of a token that could take its place, because the application trusts what
/// it wrote there.
fn set_metadata(target: &Authorized<Token>, metadata: Jsonb) -> Result<bool, Error> {
    static SET: Query =
        Query::new("UPDATE token_auth.token SET metadata = $2 WHERE id = $1 AND metadata::text <> $2::text");
    target.check_no_token(WRITE_METADATA)?;
    Ok(SET.execute(&[target.row.id.into(), metadata.into()]) > 0)
}

#[pg_extern(sql = false)]
fn delete_token(id: Option<i64>, confirm_name: TextArg<'_>, account_id: Option<i64>) -> bool {
    static DELETE: Query = Query::new("DELETE FROM token_auth.token WHERE id = $1");
    guarded(|| {
        let confirm_name = text(confirm_name, "confirm_name")?;
        let target = Target::token(id, account_id)?.lock_home().lock()?.authorize()?;
        let (token, profile) = (target.row, target.account.profile);
        match confirm_name {
            Some(name) if name != token.name => {
                return Err(ArgumentError::NotConfirmed { what: "token", id: token.id }.into());
            }
            None if profile.confirms_delete => {
                return Err(ArgumentError::Unconfirmed { profile: ProfileName(profile.name), id: token.id }.into());
            }
            _ => {}
        }
        Ok(map_foreign_key_violation(|| format!("token {}", token.id), || DELETE.execute(&[token.id.into()]))? > 0)
    })
}
