//! The revocation of many tokens at once: of a person who leaves, of an account, of a creator, of an age.

use std::collections::HashSet;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_extern;
use token_auth_core::name;

use super::target::Target;
use crate::arguments::{Tenant, TextArg, required, text, text_filter};
use crate::error::{ArgumentError, Error, excerpt, guarded, map_foreign_key_violation};
use crate::model::{RowLock, domain, token};
use crate::permission::{Action, check_not_token};
use crate::pg::datum::{Timestamp, TypedDatum};
use crate::pg::spi::Query;
use crate::pg::{relation, xact};

/// What is done to the tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Revocation {
    Delete,
    Pause,
}

/// The tokens that are meant. `None` is any.
struct Filters<'a> {
    account_id: Option<i64>,
    owner: Option<&'a str>,
    created_by: Option<&'a str>,
    created_before: Option<Timestamp>,
    home: Option<i64>,
}

/// Returns the number of tokens that it deleted or paused.
///
/// With an account, the lock of the account excludes the creation of tokens in it until the transaction ends. Without one, every
/// transaction is waited for that has written to the tokens so far. What these have created is found, because each round reads
/// under a snapshot of its own, until nothing new is found: while a round waited for a token, that token may have been reset.
#[pg_extern(sql = false)]
fn revoke_tokens(
    account_id: Option<i64>,
    owner: TextArg<'_>,
    created_by: TextArg<'_>,
    created_before: Option<TimestampWithTimeZone>,
    domain: TextArg<'_>,
    action: TextArg<'_>,
) -> i64 {
    guarded(|| {
        check_not_token("revoke tokens in bulk")?;
        let tenant = Tenant::from_argument(account_id)?;
        let (owner, created_by) = (text_filter(owner, "owner")?, text_filter(created_by, "created_by")?);
        let created_before = time_filter(created_before)?;
        let domain = text_filter(domain, "domain")?;
        let revocation = revocation(action)?;
        let account_id = match tenant {
            Tenant::Account(id) => Some(id),
            Tenant::Any => None,
        };
        if account_id.is_none() && owner.is_none() && created_by.is_none() && created_before.is_none() {
            return Err(
                if domain.is_some() { ArgumentError::DomainWithoutAccount } else { ArgumentError::NoFilter }.into()
            );
        }
        if account_id.is_none() && domain.is_some() {
            return Err(ArgumentError::DomainWithoutAccount.into());
        }
        xact::check_not_read_only(c"revoke_tokens()");
        let home = match account_id {
            Some(id) => {
                let target = Target::account(Some(id), account_id)?.lock(RowLock::Update)?;
                let target = target.authorize(Action::ChangeAccount)?;
                domain.map(|domain| domain::find(target.account.id, &name::fold(domain))).transpose()?
            }
            None => {
                relation::wait_for_writers(c"token");
                None
            }
        };
        Filters { account_id, owner, created_by, created_before, home }.revoke(revocation)
    })
}

fn revocation(action: TextArg<'_>) -> Result<Revocation, Error> {
    match required(text(action, "action")?, "action")? {
        "delete" => Ok(Revocation::Delete),
        "pause" => Ok(Revocation::Pause),
        other => Err(ArgumentError::UnknownAction(excerpt(other)).into()),
    }
}

/// Returns the time that a filter asks for, or `None` for `infinity`, the default.
fn time_filter(argument: Option<TimestampWithTimeZone>) -> Result<Option<Timestamp>, Error> {
    let instead = "Pass a value, or leave the filter out.";
    let time = argument.ok_or(ArgumentError::NullWidens { what: "created_before", instead })?;
    Ok(Some(Timestamp::from(time)).filter(|time| time.0 != i64::MAX))
}

macro_rules! matching {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " ($1::bigint IS NULL OR t.account_id = $1)
          AND ($2::text IS NULL OR t.owner = $2)
          AND ($3::text IS NULL OR t.created_by = $3)
          AND ($4::timestamptz IS NULL OR t.created_at < $4)
          AND ($5::bigint IS NULL OR t.domain_id = $5) ",
            $after
        )
    };
}

impl Filters<'_> {
    fn arguments(&self) -> [TypedDatum<'static>; 5] {
        [
            self.account_id.into(),
            self.owner.map(str::to_string).into(),
            self.created_by.map(str::to_string).into(),
            self.created_before.into(),
            self.home.into(),
        ]
    }

    fn revoke(&self, revocation: Revocation) -> Result<i64, Error> {
        static ALL: Query =
            Query::planned_for_arguments(matching!("SELECT t.id FROM token_auth.token t WHERE", "ORDER BY t.id"));
        static NOT_PAUSED: Query = Query::planned_for_arguments(matching!(
            "SELECT t.id FROM token_auth.token t WHERE t.paused_at IS NULL AND",
            "ORDER BY t.id"
        ));
        let query = if revocation == Revocation::Delete { &ALL } else { &NOT_PAUSED };
        let (mut revoked, mut tried) = (0, HashSet::new());
        loop {
            let mut found: Vec<i64> = query.rows_latest_snapshot(&self.arguments(), |row| row.get_not_null(1));
            // A trigger of the application may keep a token as it is.
            found.retain(|id| tried.insert(*id));
            if found.is_empty() {
                return Ok(revoked);
            }
            self.lock(&found, revocation)?;
            revoked += self.change(found, revocation)?;
        }
    }

    /// Locks the tokens and what is locked before them, in the order of all functions, and asks for permission in each account.
    fn lock(&self, tokens: &[i64], revocation: Revocation) -> Result<(), Error> {
        if self.account_id.is_none() {
            for id in token::accounts(tokens) {
                // An account that is gone by now has no tokens.
                match Target::account(Some(id), Some(id))?.lock(RowLock::KeyShare) {
                    Ok(target) => drop(target.authorize(Action::ChangeAccount)?),
                    Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if revocation == Revocation::Delete {
            token::lock_homes(tokens);
        }
        token::lock_all(tokens);
        Ok(())
    }

    /// Deletes or pauses the locked tokens that still match.
    fn change(&self, tokens: Vec<i64>, revocation: Revocation) -> Result<i64, Error> {
        static DELETE: Query =
            Query::planned_for_arguments(matching!("DELETE FROM token_auth.token t WHERE", "AND t.id = ANY ($6)"));
        static PAUSE: Query = Query::planned_for_arguments(matching!(
            "UPDATE token_auth.token t SET paused_at = pg_catalog.clock_timestamp() WHERE t.paused_at IS NULL AND",
            "AND t.id = ANY ($6)"
        ));
        let [account, owner, created_by, created_before, home] = self.arguments();
        let arguments = [account, owner, created_by, created_before, home, tokens.into()];
        let changed = match revocation {
            Revocation::Delete => map_foreign_key_violation(
                || "one of the tokens".to_string(),
                || DELETE.execute_latest_snapshot(&arguments),
            )?,
            Revocation::Pause => PAUSE.execute_latest_snapshot(&arguments),
        };
        Ok(changed as i64)
    }
}
