//! The rows of a token's access: which scopes it has on which domain.

use smallvec::SmallVec;

use crate::scope::Scope;
use crate::scope::grant::Grants;

/// The rows of a token's access. Most tokens have one.
pub type AccessRows = SmallVec<[Access; 1]>;

/// One row of a token's access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The domain, or `None` for every domain of the account and account-wide operations.
    pub domain_id: Option<i64>,
    pub scopes: Grants,
}

impl Access {
    pub fn new<T: AsRef<str>>(domain_id: Option<i64>, scopes: impl IntoIterator<Item = T>) -> Self {
        Self { domain_id, scopes: scopes.into_iter().collect() }
    }

    pub(crate) fn grants(&self, asked: &Scope<'_>) -> bool {
        self.scopes.iter().any(|grant| grant.covers(asked))
    }
}
