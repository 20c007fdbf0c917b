//! What the bearer of a token may know of it.

use pgrx::pg_extern;

use crate::arguments::TextArg;
use crate::error::{Error, guarded};
use crate::pg::clock;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::Query;
use crate::pg::tuple::Record;
use crate::verify;

/// Returns `(token_id, name, owner, account_id, account, domain, status, created_at, expires_at, access)`, all NULL if no token
/// has the secret. It writes nothing and works on a standby.
#[pg_extern(sql = false)]
fn describe_token(secret: TextArg<'_>) -> Record<10> {
    static DESCRIBE: Query = Query::new(
        "SELECT t.name, t.owner, t.account_id, a.name AS account, d.name AS domain,
                CASE
                    WHEN t.paused_at IS NOT NULL OR a.paused_at IS NOT NULL THEN 'paused'
                    WHEN t.expires_at <= $2                                 THEN 'expired'
                    WHEN t.replaced_at IS NOT NULL                          THEN 'retiring'
                    ELSE 'active'
                END AS status,
                t.created_at, t.expires_at,
                coalesce((
                    SELECT pg_catalog.jsonb_agg(
                               pg_catalog.jsonb_build_object('domain', xd.name, 'scopes', x.scopes)
                               ORDER BY x.domain_id NULLS FIRST)
                      FROM token_auth.token_access x
                      LEFT JOIN token_auth.domain xd ON xd.id = x.domain_id
                     WHERE x.token_id = t.id), '[]') AS access
           FROM token_auth.token t
           JOIN token_auth.account a ON a.id = t.account_id
           LEFT JOIN token_auth.domain d ON d.id = t.domain_id
          WHERE t.id = $1",
    );
    guarded(|| {
        let Some(id) = verify::token_of_secret(secret) else { return Ok(unknown()) };
        let described = DESCRIBE.rows_with(&CurrentSnapshot::take(), &[id.into(), clock::now().into()], |row| {
            Record([
                id.into(),
                row.get::<String>(c"name").into(),
                row.get::<String>(c"owner").into(),
                row.get::<i64>(c"account_id").into(),
                row.get::<String>(c"account").into(),
                row.get::<String>(c"domain").into(),
                row.get::<String>(c"status").into(),
                row.get::<Timestamp>(c"created_at").into(),
                row.get::<Timestamp>(c"expires_at").into(),
                row.get::<Jsonb>(c"access").into(),
            ])
        });
        // It may have been deleted meanwhile.
        Ok::<_, Error>(described.into_iter().next().unwrap_or_else(unknown))
    })
}

fn unknown() -> Record<10> {
    let (id, time) = (None::<i64>, None::<Timestamp>);
    let text = || None::<String>.into();
    Record([
        id.into(),
        text(),
        text(),
        id.into(),
        text(),
        text(),
        text(),
        time.into(),
        time.into(),
        None::<Jsonb>.into(),
    ])
}
