//! Domains.

use token_auth_core::name;

use super::RowLock;
use crate::error::{Error, NotFound, excerpt};
use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::Query;

/// Returns the account of a domain.
pub fn account_id(id: i64) -> Option<i64> {
    static ACCOUNT: Query = Query::new("SELECT account_id FROM token_auth.domain WHERE id = $1");
    ACCOUNT.row(&[id.into()], |row| row.get_not_null(1))
}

/// Locks a domain.
pub fn lock(id: i64, lock: RowLock) -> Result<(), Error> {
    static KEY_SHARE: Query = Query::new("SELECT true FROM token_auth.domain WHERE id = $1 FOR KEY SHARE");
    static NO_KEY_UPDATE: Query = Query::new("SELECT true FROM token_auth.domain WHERE id = $1 FOR NO KEY UPDATE");
    static UPDATE: Query = Query::new("SELECT true FROM token_auth.domain WHERE id = $1 FOR UPDATE");
    let query = match lock {
        RowLock::KeyShare => &KEY_SHARE,
        RowLock::NoKeyUpdate => &NO_KEY_UPDATE,
        RowLock::Update => &UPDATE,
    };
    query.row(&[id.into()], |_| ()).ok_or(NotFound::Domain(id).into())
}

/// Locks the tokens whose home a domain is.
///
/// A deletion of the domain deletes them. A session that is granting them more access is waited for, before their access
/// is compared with that of the caller.
pub fn lock_tokens(id: i64) {
    static LOCK: Query = Query::new("SELECT id FROM token_auth.token WHERE domain_id = $1 ORDER BY id FOR UPDATE");
    LOCK.execute_latest_snapshot(&[id.into()]);
}

/// Returns the tokens whose home a domain is.
pub fn tokens(id: i64) -> Vec<i64> {
    static TOKENS: Query = Query::new("SELECT id FROM token_auth.token WHERE domain_id = $1 ORDER BY id");
    TOKENS.rows_with(&CurrentSnapshot::take(), &[id.into()], |row| row.get_not_null(1))
}

/// Returns true if a domain is verified now.
pub fn is_verified(id: i64) -> bool {
    static VERIFIED: Query = Query::new("SELECT verified_at IS NOT NULL FROM token_auth.domain WHERE id = $1");
    VERIFIED.rows_with(&CurrentSnapshot::take(), &[id.into()], |row| row.get_not_null::<bool>(1)) == [true]
}

/// Finds a domain of an account by its name and locks it, so that it is not deleted until the transaction ends.
pub fn find(account_id: i64, name: &str) -> Result<i64, Error> {
    static FIND: Query = Query::new(
        "SELECT id FROM token_auth.domain
          WHERE account_id = $1 AND pg_catalog.lower(name COLLATE \"C\") = $2
            FOR KEY SHARE",
    );
    let found = FIND.row(&[account_id.into(), name::fold(name).into()], |row| row.get_not_null(1));
    found.ok_or_else(|| NotFound::DomainName { name: excerpt(name), account_id }.into())
}
