//! The report of a secret that was found where it should not be.

use pgrx::pg_extern;

use super::target::Target;
use crate::arguments::{TextArg, any_account_id, new_name};
use crate::error::{Error, guarded};
use crate::permission::check_not_token;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;
use crate::verify;

/// Returns `(token_id, account_id, account, name, owner, created_by)`, all NULL if no token has the secret.
///
/// The secret itself authorizes the call: each of its bearers could use the token. The profile is not asked.
#[pg_extern(sql = false)]
fn report_leaked_secret(secret: TextArg<'_>, source: TextArg<'_>) -> Record<6> {
    static PAUSE: Query = Query::new(
        "UPDATE token_auth.token
            SET paused_at = coalesce(paused_at, pg_catalog.clock_timestamp()),
                leaked_at = coalesce(leaked_at, pg_catalog.clock_timestamp()),
                leak_source = coalesce(leak_source, $2)
          WHERE id = $1
         RETURNING created_by",
    );
    const ACTION: &str = "report a secret";
    guarded(|| {
        let source = new_name(source, "source")?;
        check_not_token(ACTION)?;
        let target = match verify::token_of_secret(secret) {
            Some(id) => Target::token(Some(id), any_account_id()).and_then(|target| target.lock()),
            None => return Ok(unknown()),
        };
        let target = match target {
            Ok(target) => target.authorize_bearer(ACTION)?,
            // It was deleted meanwhile.
            Err(Error::NotFound(_)) => return Ok(unknown()),
            Err(error) => return Err(error),
        };
        let (token, account) = (target.row, target.account);
        let created_by: Option<String> = PAUSE.row(&[token.id.into(), source.into()], |row| row.get_not_null(1));
        Ok(Record([
            token.id.into(),
            account.id.into(),
            account.name.into(),
            token.name.into(),
            token.owner.into(),
            created_by.into(),
        ]))
    })
}

fn unknown() -> Record<6> {
    let (id, text) = (None::<i64>, None::<String>);
    Record([id.into(), id.into(), text.clone().into(), text.clone().into(), text.clone().into(), text.into()])
}
