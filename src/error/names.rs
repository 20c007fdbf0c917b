//! Names of objects in messages. A caller that may not read a name gets the id of the object instead.

use super::redact::quoted;
use crate::pg::snapshot::CurrentSnapshot;
use crate::pg::spi::Query;

/// An account in a message.
#[derive(Debug)]
pub struct AccountName {
    pub id: i64,
    pub name: String,
}

/// A domain in a message.
#[derive(Debug)]
pub struct DomainName {
    pub id: i64,
    pub name: String,
}

/// A profile in a message. It belongs to the account of the call.
#[derive(Debug)]
pub struct ProfileName(pub String);

impl AccountName {
    pub(super) fn shown(&self) -> String {
        static READABLE: Query = Query::as_caller(
            "SELECT pg_catalog.has_column_privilege('token_auth.account', 'name', 'SELECT')
                AND NOT pg_catalog.row_security_active('token_auth.account')
                 OR pg_catalog.has_column_privilege('token_auth.tokens', 'account', 'SELECT')",
        );
        if is_true(&READABLE) { format!("account {}", quoted(&self.name)) } else { format!("account {}", self.id) }
    }
}

impl DomainName {
    pub(super) fn shown(&self) -> String {
        static READABLE: Query = Query::as_caller(
            "SELECT pg_catalog.has_column_privilege('token_auth.domain', 'name', 'SELECT')
                AND NOT pg_catalog.row_security_active('token_auth.domain')
                 OR pg_catalog.has_column_privilege('token_auth.tokens', 'domain', 'SELECT')",
        );
        if is_true(&READABLE) { format!("domain {}", quoted(&self.name)) } else { format!("domain {}", self.id) }
    }
}

impl ProfileName {
    pub(super) fn shown(&self) -> String {
        static READABLE: Query = Query::as_caller(
            "SELECT pg_catalog.has_column_privilege('token_auth.profile', 'name', 'SELECT')
                AND NOT pg_catalog.row_security_active('token_auth.profile')
                 OR pg_catalog.has_column_privilege('token_auth.account', 'profile', 'SELECT')
                AND NOT pg_catalog.row_security_active('token_auth.account')",
        );
        if is_true(&READABLE) { format!("profile {}", quoted(&self.0)) } else { "the account's profile".to_string() }
    }
}

/// Runs a query about the privileges of the current user, who is the caller when an error is reported.
fn is_true(query: &Query) -> bool {
    query.rows_with(&CurrentSnapshot::take(), &[], |row| row.get(1)).into_iter().flatten().next().unwrap_or(false)
}
