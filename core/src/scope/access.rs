//! The rows of a token's access: which scopes it has on which domain.

use smallvec::SmallVec;

use crate::scope::Scope;
use crate::scope::grant::Grants;

/// The rows of a token's access. Most tokens have one.
pub type AccessRows = SmallVec<[Access; 1]>;

/// A row of a token's access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The domain, or `None` for every domain of the account and for account-wide operations.
    pub domain_id: Option<i64>,
    /// The granted scopes.
    pub scopes: Grants,
}

impl Access {
    /// Returns a row with these scopes.
    pub fn new<T: AsRef<str>>(domain_id: Option<i64>, scopes: impl IntoIterator<Item = T>) -> Self {
        Self { domain_id, scopes: scopes.into_iter().collect() }
    }

    /// Returns true if one of the scopes covers the scope that is asked for.
    pub(crate) fn grants(&self, asked: &Scope<'_>) -> bool {
        self.scopes.iter().any(|grant| grant.covers(asked))
    }
}
