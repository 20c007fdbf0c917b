//! The access of a token: its rows of `token_auth.token_access`.

use token_auth_core::scope::access::Access;

use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::{Query, ResultRow};

/// Returns the current access of a token.
pub fn of_token(token_id: i64) -> Vec<Access> {
    static ACCESS: Query =
        Query::new("SELECT domain_id, scopes FROM token_auth.token_access WHERE token_id = $1 ORDER BY id");
    ACCESS.rows_with(&CurrentSnapshot::take(), &[token_id.into()], |row: &ResultRow| {
        Access::new(row.get(c"domain_id"), row.get_not_null::<Vec<Option<String>>>(c"scopes").into_iter().flatten())
    })
}

/// Locks the domains that a token has access to, so that none is deleted.
pub fn lock_domains(token_id: i64) {
    static LOCK: Query = Query::new(
        "SELECT d.id
           FROM token_auth.token_access x
           JOIN token_auth.domain d ON d.id = x.domain_id
          WHERE x.token_id = $1
          ORDER BY d.id
            FOR KEY SHARE OF d",
    );
    LOCK.execute(&[token_id.into()]);
}
