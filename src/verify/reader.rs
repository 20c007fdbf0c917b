//! What the database knows about a token: read without SQL, by a few index probes under one snapshot.
//!
//! It asks for no privilege on the tables: whoever may execute a function of ours gets its answer, and only that.

use std::cell::Cell;

use pgrx::pg_sys;
use token_auth_core::decision::{AllowedDomains, Code, DomainQuery, TokenRights};
use token_auth_core::mvcc::ReadStamp;
use token_auth_core::name;
use token_auth_core::scope::access::{Access, AccessRows};
use token_auth_core::secret::Digest;

use crate::pg::datum::{FixedBytea, Jsonb, OwnedVarlena, ShortText, Timestamp};
use crate::pg::index_scan::{ScanKey, TableRow};
use crate::pg::inval;
use crate::pg::protected_guc::Identity;
use crate::pg::server;
use crate::pg::snapshot::{FreshSnapshot, NextTransaction};
use crate::pg::tuple::RowTemplate;
use crate::verify::catalog::{Catalog, DomainTable};

/// A token that was found by its secret, with the answer to a question about no domain, where that is ok.
pub struct CachedToken {
    pub token: TokenState,
    pub verification: RowTemplate<8>,
}

impl CachedToken {
    /// How many bytes it takes beside itself, where each alloc_overhead takes `alloc_overhead` more than what is in it.
    pub fn heap_size(&self, alloc_overhead: usize) -> usize {
        self.verification.heap_size(alloc_overhead)
            + self.token.facts.heap_size(alloc_overhead)
            + self.token.stamp.heap_size(alloc_overhead)
    }
}

/// What a verdict about a token depends on.
pub struct TokenState {
    pub id: i64,
    digest: Digest,
    pub account_id: i64,
    pub facts: TokenRights,
    needs_verified_domain: bool,
    pub stamp: ReadStamp,
}

impl TokenState {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn identity(&self) -> Identity {
        Identity::of(self.id, &self.digest)
    }

    /// Whether the same follows from both, of the same token.
    pub fn means_the_same(&self, other: &Self) -> bool {
        self.facts == other.facts && self.needs_verified_domain == other.needs_verified_domain
    }

    /// What a name means that the database knows, or does not know, as the name of a domain of its account.
    pub fn domain(&self, found: Option<&DomainState>) -> DomainQuery {
        found.map_or(DomainQuery::Unusable, |domain| self.usable(domain.id, domain.is_verified))
    }

    /// A domain of its account, unless that is refused because it is not verified.
    pub fn usable(&self, domain_id: i64, is_verified: bool) -> DomainQuery {
        if is_verified || !self.needs_verified_domain { DomainQuery::Id(domain_id) } else { DomainQuery::Unusable }
    }
}

/// What the tokens of an account share.
#[derive(Clone)]
pub struct AccountState {
    is_paused: bool,
    needs_verified_domain: bool,
    pub stamp: ReadStamp,
}

/// A domain, with its name folded.
pub struct DomainState {
    pub id: i64,
    pub name: String,
    pub is_verified: bool,
    pub stamp: ReadStamp,
}

/// Reads what `read` reads, and again where something changed meanwhile: after waiting for a lock, the snapshot is of
/// before. Says besides whether what was read last can be remembered.
pub fn read_consistent<T>(mut read: impl FnMut(&SnapshotReader) -> T) -> (T, bool) {
    /// Each reading is right by itself, and sees what had committed before it began.
    const TIMES: usize = 10;
    let mut times = 0;
    loop {
        inval::accept_messages();
        // Found before the snapshot is taken: finding can wait, too.
        Catalog::current();
        let before = inval::changes();
        let found = read(&SnapshotReader::begin());
        let announced = Catalog::current().invalidates_cache;
        let is_undisturbed = inval::changes() == before;
        times += 1;
        if is_undisturbed || times == TIMES || times > 1 && inval::changes_never_cease() {
            return (found, is_undisturbed && announced);
        }
    }
}

/// One look at the database: all that it reads is of one moment.
pub struct SnapshotReader {
    snapshot: FreshSnapshot,
    next_transaction: NextTransaction,
    nothing_seen: ReadStamp,
}

impl SnapshotReader {
    fn begin() -> Self {
        thread_local! {
            static READINGS: Cell<u64> = const { Cell::new(0) };
        }
        READINGS.set(READINGS.get() + 1);
        let snapshot = FreshSnapshot::take();
        let next_transaction = NextTransaction::now();
        let moment = snapshot.moment(next_transaction);
        Self { snapshot, next_transaction, nothing_seen: ReadStamp::new(READINGS.get(), moment) }
    }

    /// That nothing was there.
    pub fn stamp(&self) -> ReadStamp {
        self.nothing_seen.clone()
    }

    fn add(&self, stamp: &mut ReadStamp, row: &TableRow<'_>) {
        stamp.add(self.next_transaction.complete(row.written_by()));
    }

    /// The token with this digest. `remembered` gives what is remembered of its account; where that does not go with what
    /// is stamp of the token, the account is read, and returned besides.
    pub fn token_with_digest(
        &self,
        digest: &Digest,
        remembered: impl FnOnce(i64) -> Option<AccountState>,
    ) -> Option<(CachedToken, Option<AccountState>)> {
        let row = self.token_row(Search::Digest(digest))?;
        let verification = row.verification();
        let (token, account) = self.token(row, remembered)?;
        Some((CachedToken { token, verification }, account))
    }

    /// The token of this id, if it is the one that the identity was given for.
    pub fn token_with_identity(&self, identity: Identity) -> Option<TokenState> {
        let (token, _) = self.token(self.token_row(Search::Id(identity.token_id))?, |_| None)?;
        Some(token).filter(|token| token.identity() == identity)
    }

    fn token(
        &self,
        mut found: TokenRow,
        remembered: impl FnOnce(i64) -> Option<AccountState>,
    ) -> Option<(TokenState, Option<AccountState>)> {
        let access = self.access(found.id, &mut found.stamp);
        if let Some(account) = remembered(found.account_id)
            && let Some(stamp) = found.stamp.merge(&account.stamp)
        {
            return Some((found.token(access, &account, stamp), None));
        }
        let account = self.account(found.account_id)?;
        let stamp = found.stamp.merge(&account.stamp).expect("both are of this reading");
        Some((found.token(access, &account, stamp), Some(account)))
    }

    fn token_row(&self, search: Search<'_>) -> Option<TokenRow> {
        let (tables, table) = Catalog::open(|tables| match search {
            Search::Digest(_) => (tables.token.oid, tables.token.by_digest),
            Search::Id(_) => (tables.token.oid, tables.token.by_id),
        });
        let columns = &tables.token;
        let wanted;
        let key = match search {
            Search::Digest(digest) => {
                wanted = OwnedVarlena::bytes(digest);
                ScanKey::bytes(&wanted)
            }
            Search::Id(id) => ScanKey::bigint(id),
        };
        let mut scan = table.scan(&[key], &self.snapshot);
        loop {
            let row = scan.next()?;
            let FixedBytea(digest) = row.get_not_null(&columns.digest);
            // The hash index finds every digest with the same code of 32 bits.
            if matches!(search, Search::Digest(wanted) if digest != *wanted) {
                continue;
            }
            let mut stamp = self.stamp();
            self.add(&mut stamp, &row);
            return Some(TokenRow {
                id: row.get_not_null(&columns.id),
                digest,
                account_id: row.get_not_null(&columns.account_id),
                home: row.get(&columns.domain_id),
                name: row.get_not_null(&columns.name),
                is_paused: !row.is_null(&columns.paused_at),
                expires_at: row.get(&columns.expires_at),
                metadata: row.get_not_null(&columns.metadata),
                stamp,
            });
        }
    }

    fn access(&self, token_id: i64, stamp: &mut ReadStamp) -> AccessRows {
        let (tables, table) = Catalog::open(|tables| (tables.access.oid, tables.access.by_token));
        let columns = &tables.access;
        let mut scan = table.scan(&[ScanKey::bigint(token_id)], &self.snapshot);
        let mut access = AccessRows::new();
        while let Some(row) = scan.next() {
            // A token can have thousands of rows.
            if !access.is_empty() {
                server::check_for_interrupts();
            }
            self.add(stamp, &row);
            access.push(Access { domain_id: row.get(&columns.domain_id), scopes: row.get_not_null(&columns.scopes).0 });
        }
        access
    }

    pub fn account(&self, id: i64) -> Option<AccountState> {
        let mut stamp = self.stamp();
        let (is_paused, profile) = {
            let (tables, table) = Catalog::open(|tables| (tables.account.oid, tables.account.by_id));
            let columns = &tables.account;
            let mut scan = table.scan(&[ScanKey::bigint(id)], &self.snapshot);
            let row = scan.next()?;
            self.add(&mut stamp, &row);
            (!row.is_null(&columns.paused_at), row.get_not_null(&columns.profile))
        };
        let (tables, table) = Catalog::open(|tables| (tables.profile.oid, tables.profile.by_name));
        let key = ScanKey::text(&profile, pg_sys::DEFAULT_COLLATION_OID);
        let mut scan = table.scan(&[key], &self.snapshot);
        let row = scan.next()?;
        self.add(&mut stamp, &row);
        Some(AccountState {
            is_paused,
            needs_verified_domain: row.get_not_null(&tables.profile.needs_verified_domain),
            stamp,
        })
    }

    /// The domain of an account with this name, folded.
    pub fn domain_named(&self, account_id: i64, folded: &str) -> Option<DomainState> {
        let (tables, table) = Catalog::open(|tables| (tables.domain.oid, tables.domain.by_name));
        // The index is on lower(name COLLATE "C").
        let folded = OwnedVarlena::text(folded);
        let keys = [ScanKey::bigint(account_id), ScanKey::text(&folded, pg_sys::C_COLLATION_OID)];
        let mut scan = table.scan(&keys, &self.snapshot);
        scan.next().map(|row| self.named(&tables.domain, &row))
    }

    /// The domains of an account that can be within this reach. All of them come in the order of their folded names.
    pub fn domains(&self, account_id: i64, reach: &AllowedDomains) -> Vec<DomainState> {
        if !reach.everywhere {
            let find = |id: &i64| {
                server::check_for_interrupts();
                self.domain_with_id(*id)
            };
            return reach.domains.iter().filter_map(find).collect();
        }
        let (tables, table) = Catalog::open(|tables| (tables.domain.oid, tables.domain.by_name));
        let mut scan = table.scan(&[ScanKey::bigint(account_id)], &self.snapshot);
        let mut domains = Vec::new();
        while let Some(row) = scan.next() {
            server::check_for_interrupts();
            domains.push(self.named(&tables.domain, &row));
        }
        domains
    }

    fn domain_with_id(&self, id: i64) -> Option<DomainState> {
        let (tables, table) = Catalog::open(|tables| (tables.domain.oid, tables.domain.by_id));
        let mut scan = table.scan(&[ScanKey::bigint(id)], &self.snapshot);
        scan.next().map(|row| self.named(&tables.domain, &row))
    }

    fn named(&self, columns: &DomainTable, row: &TableRow<'_>) -> DomainState {
        let mut stamp = self.stamp();
        self.add(&mut stamp, row);
        DomainState {
            id: row.get_not_null(&columns.id),
            name: name::fold(&row.get_not_null(&columns.name)).to_string(),
            is_verified: !row.is_null(&columns.verified_at),
            stamp,
        }
    }
}

#[derive(Clone, Copy)]
enum Search<'a> {
    Digest(&'a Digest),
    Id(i64),
}

/// A token, without its account.
struct TokenRow {
    id: i64,
    digest: Digest,
    account_id: i64,
    home: Option<i64>,
    name: OwnedVarlena<String>,
    is_paused: bool,
    expires_at: Option<Timestamp>,
    metadata: OwnedVarlena<Jsonb>,
    stamp: ReadStamp,
}

impl TokenRow {
    fn verification(&self) -> RowTemplate<8> {
        static OK: ShortText = ShortText::new(Code::Ok.as_str());
        RowTemplate::new(
            Catalog::current().verification,
            [
                true.into(),
                OK.as_datum(),
                self.id.into(),
                self.account_id.into(),
                self.home.into(),
                self.name.as_datum(),
                self.expires_at.into(),
                self.metadata.as_datum(),
            ],
        )
    }

    fn token(self, access: AccessRows, account: &AccountState, stamp: ReadStamp) -> TokenState {
        let paused = self.is_paused || account.is_paused;
        TokenState {
            id: self.id,
            digest: self.digest,
            account_id: self.account_id,
            facts: TokenRights::new(paused, self.expires_at.map(|at| at.0), access),
            needs_verified_domain: account.needs_verified_domain,
            stamp,
        }
    }
}
