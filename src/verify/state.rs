//! The state of tokens, accounts and domains: what a decision depends on, each with the stamp of its read.

use token_auth_core::decision::{DomainQuery, TokenRights};
use token_auth_core::identity::Identity;
use token_auth_core::mvcc::ReadStamp;
use token_auth_core::network::Networks;
use token_auth_core::scope::access::AccessRows;
use token_auth_core::secret::Digest;

use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::tuple::RowTemplate;
use crate::pg::varlena::OwnedVarlena;

/// The number of columns of a `token_auth.verification`.
pub const COLUMNS: usize = 10;

/// A token in the session's cache.
pub struct CachedToken {
    pub token: TokenState,
    /// The verification of the token without a scope and a domain, as it is if the code is ok.
    pub template: RowTemplate<COLUMNS>,
}

impl CachedToken {
    /// Returns true if the token and a domain were true at one moment.
    pub fn is_consistent_with(&self, domain: &DomainState) -> bool {
        self.token.read_stamp.is_consistent_with(&domain.read_stamp)
    }

    /// Returns the bytes that it allocates, with `alloc_overhead` for each allocation.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        self.template.heap_size(alloc_overhead)
            + self.token.rights.heap_size(alloc_overhead)
            + self.token.read_stamp.heap_size(alloc_overhead)
    }
}

/// The row of a token and its access, without its account.
pub struct TokenRow {
    pub id: i64,
    pub digest: Digest,
    pub account_id: i64,
    pub home: Option<i64>,
    pub name: OwnedVarlena<String>,
    pub owner: Option<OwnedVarlena<String>>,
    pub networks: Option<Networks>,
    pub is_paused: bool,
    pub expires_at: Option<Timestamp>,
    pub metadata: OwnedVarlena<Jsonb>,
    pub access: AccessRows,
    pub read_stamp: ReadStamp,
}

impl TokenRow {
    /// Returns the state of the token with that of its account, or `None` if the two reads are not consistent.
    pub fn into_state(self, account: &AccountState) -> Option<TokenState> {
        let read_stamp = self.read_stamp.merge(&account.read_stamp)?;
        let is_paused = self.is_paused || account.is_paused;
        Some(TokenState {
            id: self.id,
            digest: self.digest,
            account_id: self.account_id,
            rights: TokenRights::new(is_paused, self.expires_at.map(|at| at.0), self.access)
                .with_networks(self.networks),
            needs_verified_domain: account.needs_verified_domain,
            read_stamp,
        })
    }

    /// Returns true if the row and an account are consistent.
    pub fn is_consistent_with(&self, account: &AccountState) -> bool {
        self.read_stamp.is_consistent_with(&account.read_stamp)
    }
}

/// The state of a token, with that of its account.
pub struct TokenState {
    pub id: i64,
    pub digest: Digest,
    pub account_id: i64,
    pub rights: TokenRights,
    pub needs_verified_domain: bool,
    pub read_stamp: ReadStamp,
}

impl TokenState {
    /// Returns the identity that a transaction has after it authenticated as the token.
    pub fn identity(&self) -> Identity {
        Identity::new(self.id, &self.digest)
    }

    /// Returns true if every decision about the token is the same in both states.
    pub fn has_same_rights(&self, other: &Self) -> bool {
        self.rights == other.rights && self.needs_verified_domain == other.needs_verified_domain
    }

    /// Returns the query for a domain of the token's account, or for one that does not exist.
    pub fn query_for(&self, domain: Option<&DomainState>) -> DomainQuery {
        domain.map_or(DomainQuery::Unusable, |domain| self.query_for_id(domain.id, domain.is_verified))
    }

    /// Returns the query for a domain of the token's account. Some profiles refuse a domain that is not verified.
    pub fn query_for_id(&self, domain_id: i64, is_verified: bool) -> DomainQuery {
        if is_verified || !self.needs_verified_domain { DomainQuery::Id(domain_id) } else { DomainQuery::Unusable }
    }
}

/// The state that the tokens of an account share.
#[derive(Clone)]
pub struct AccountState {
    pub name: OwnedVarlena<String>,
    pub is_paused: bool,
    pub needs_verified_domain: bool,
    pub read_stamp: ReadStamp,
}

/// The state of a domain.
pub struct DomainState {
    pub id: i64,
    /// The name in its folded form.
    pub name: String,
    pub is_verified: bool,
    pub read_stamp: ReadStamp,
}
