//! Reads of tokens, accounts and domains without SQL: a few index scans under one snapshot.
//!
//! The reader only reads. It consults no cache and decides nothing. No privilege on the tables is checked: the caller has
//! EXECUTE on the function, and sees only its result.

use std::cell::Cell;

use pgrx::pg_sys;
use token_auth_core::decision::AllowedDomains;
use token_auth_core::identity::Identity;
use token_auth_core::mvcc::{self, ReadStamp};
use token_auth_core::name;
use token_auth_core::scheme::Scheme;
use token_auth_core::scope::access::{Access, AccessRows};
use token_auth_core::secret::Digest;

use super::catalog::{Catalog, DomainTable};
use super::state::{AccountState, DomainState, TokenRow, TokenState};
use crate::arguments::network;
use crate::pg::index_scan::{ScanKey, TableRow};
use crate::pg::inval;
use crate::pg::snapshot::{CurrentSnapshot, TransactionId, next_full_transaction_id};
use crate::pg::varlena::{FixedBytea, OwnedVarlena};
use crate::pg::xact;

/// Reads that are repeated if an invalidation message arrives meanwhile: after a wait for a lock, the snapshot is older than
/// the change that was waited for.
///
/// Each attempt is right by itself, and sees what had committed before it began.
pub struct ConsistentReads {
    attempts: usize,
    count_before: u64,
}

impl ConsistentReads {
    /// Returns the reads before the first attempt.
    pub fn new() -> Self {
        Self { attempts: 0, count_before: 0 }
    }

    /// Begins an attempt, and returns its reader.
    pub fn begin_attempt(&mut self) -> SnapshotReader {
        self.attempts += 1;
        inval::accept_messages();
        // The search for the tables can wait for a lock, too, so it comes before the snapshot.
        Catalog::current();
        self.count_before = inval::total_count();
        SnapshotReader::new()
    }

    /// Ends an attempt. Returns `None` if it must be repeated, and otherwise true if what it read can be cached.
    pub fn end_attempt(&self) -> Option<bool> {
        const MAX_ATTEMPTS: usize = 10;
        let sends_invalidations = Catalog::current().sends_invalidations;
        let is_undisturbed = inval::total_count() == self.count_before;
        let is_last = self.attempts == MAX_ATTEMPTS || self.attempts > 1 && inval::messages_never_cease();
        (is_undisturbed || is_last).then(|| is_undisturbed && sends_invalidations)
    }
}

/// Calls `read` for each attempt of [`ConsistentReads`]. Returns what was read last, and true if it can be cached.
pub fn read_consistent<T>(mut read: impl FnMut(&SnapshotReader) -> T) -> (T, bool) {
    let mut reads = ConsistentReads::new();
    loop {
        let found = read(&reads.begin_attempt());
        if let Some(is_cacheable) = reads.end_attempt() {
            return (found, is_cacheable);
        }
    }
}

/// A reader with one snapshot.
pub struct SnapshotReader {
    snapshot: CurrentSnapshot,
    next_transaction: mvcc::Transaction,
    empty_stamp: ReadStamp,
}

impl SnapshotReader {
    fn new() -> Self {
        thread_local! {
            static READS: Cell<u64> = const { Cell::new(0) };
        }
        READS.set(READS.get() + 1);
        let snapshot = CurrentSnapshot::take();
        let next_transaction = next_full_transaction_id();
        let empty_stamp = ReadStamp::new(READS.get(), mvcc_snapshot(&snapshot, next_transaction));
        Self { snapshot, next_transaction, empty_stamp }
    }

    /// Returns the stamp of a read that found nothing.
    pub fn empty_stamp(&self) -> ReadStamp {
        self.empty_stamp.clone()
    }

    /// Returns the token with this scheme and digest, and its access.
    pub fn token_by_digest(&self, scheme: Scheme, digest: &Digest) -> Option<TokenRow> {
        // The table is closed before another one is opened: who holds one lock at a time is in no deadlock.
        let mut found = {
            let (catalog, table) = Catalog::open(|catalog| (catalog.token.oid, catalog.token.by_digest));
            let wanted = OwnedVarlena::bytes(digest);
            let mut scan = table.scan(&[ScanKey::bytes(&wanted)], &self.snapshot);
            loop {
                let row = scan.next()?;
                // The hash index finds every digest with the same hash code of 32 bits.
                if row.get_not_null(&catalog.token.digest).0 == *digest {
                    if row.get_not_null(&catalog.token.scheme) != scheme.as_str() {
                        return None;
                    }
                    break self.token_row(&catalog, &row);
                }
            }
        };
        self.read_access(&mut found);
        Some(found)
    }

    /// Returns the token with this identity.
    pub fn token_by_identity(&self, identity: Identity) -> Option<TokenState> {
        let mut found = {
            let (catalog, table) = Catalog::open(|catalog| (catalog.token.oid, catalog.token.by_id));
            let mut scan = table.scan(&[ScanKey::bigint(identity.token_id)], &self.snapshot);
            self.token_row(&catalog, &scan.next()?)
        };
        if Identity::new(found.id, &found.digest) != identity {
            return None;
        }
        self.read_access(&mut found);
        let account = self.account(found.account_id)?;
        Some(found.into_state(&account).expect("both were read under one snapshot"))
    }

    /// Returns true if a token of this scheme exists.
    pub fn has_scheme(&self, scheme: Scheme) -> bool {
        let (_catalog, table) = Catalog::open(|catalog| (catalog.token.oid, catalog.token.by_scheme));
        let name = OwnedVarlena::text(scheme.as_str());
        let mut scan = table.scan(&[ScanKey::text(&name, pg_sys::DEFAULT_COLLATION_OID)], &self.snapshot);
        scan.next().is_some()
    }

    fn token_row(&self, catalog: &Catalog, row: &TableRow<'_>) -> TokenRow {
        let columns = &catalog.token;
        TokenRow {
            id: row.get_not_null(&columns.id),
            digest: row.get_not_null::<FixedBytea<32>>(&columns.digest).0,
            account_id: row.get_not_null(&columns.account_id),
            home: row.get(&columns.domain_id),
            name: row.get_not_null(&columns.name),
            owner: row.get(&columns.owner),
            networks: row.get(&columns.networks).map(network::of_column),
            is_paused: !row.is_null(&columns.paused_at),
            expires_at: row.get(&columns.expires_at),
            metadata: row.get_not_null(&columns.metadata),
            access: AccessRows::new(),
            read_stamp: self.stamp_of(row),
        }
    }

    fn read_access(&self, token: &mut TokenRow) {
        let (catalog, table) = Catalog::open(|catalog| (catalog.access.oid, catalog.access.by_token));
        let columns = &catalog.access;
        let mut scan = table.scan(&[ScanKey::bigint(token.id)], &self.snapshot);
        while let Some(row) = scan.next() {
            // A token can have thousands of rows.
            if !token.access.is_empty() {
                xact::check_for_interrupts();
            }
            self.add_writer(&mut token.read_stamp, &row);
            let scopes = row.get_not_null(&columns.scopes).0;
            token.access.push(Access { domain_id: row.get(&columns.domain_id), scopes });
        }
    }

    /// Returns an account, with the rules of its profile.
    pub fn account(&self, id: i64) -> Option<AccountState> {
        let (name, is_paused, profile, mut read_stamp) = {
            let (catalog, table) = Catalog::open(|catalog| (catalog.account.oid, catalog.account.by_id));
            let columns = &catalog.account;
            let mut scan = table.scan(&[ScanKey::bigint(id)], &self.snapshot);
            let row = scan.next()?;
            let (name, profile) = (row.get_not_null(&columns.name), row.get_not_null(&columns.profile));
            (name, !row.is_null(&columns.paused_at), profile, self.stamp_of(&row))
        };
        let (catalog, table) = Catalog::open(|catalog| (catalog.profile.oid, catalog.profile.by_name));
        let key = ScanKey::text(&profile, pg_sys::DEFAULT_COLLATION_OID);
        let mut scan = table.scan(&[key], &self.snapshot);
        let row = scan.next()?;
        self.add_writer(&mut read_stamp, &row);
        let needs_verified_domain = row.get_not_null(&catalog.profile.needs_verified_domain);
        Some(AccountState { name, is_paused, needs_verified_domain, read_stamp })
    }

    /// Returns the domain of an account with this folded name.
    pub fn domain_by_name(&self, account_id: i64, folded: &str) -> Option<DomainState> {
        let (catalog, table) = Catalog::open(|catalog| (catalog.domain.oid, catalog.domain.by_name));
        // The index is on lower(name COLLATE "C").
        let folded = OwnedVarlena::text(folded);
        let keys = [ScanKey::bigint(account_id), ScanKey::text(&folded, pg_sys::C_COLLATION_OID)];
        let mut scan = table.scan(&keys, &self.snapshot);
        scan.next().map(|row| self.domain(&catalog.domain, &row))
    }

    /// Returns the domains of an account that are among the allowed ones, or all of them if every domain is allowed. The
    /// latter are in the order of their folded names.
    pub fn domains(&self, account_id: i64, allowed: &AllowedDomains) -> Vec<DomainState> {
        if !allowed.everywhere {
            let find = |id: &i64| {
                xact::check_for_interrupts();
                self.domain_by_id(*id)
            };
            return allowed.domains.iter().filter_map(find).collect();
        }
        let (catalog, table) = Catalog::open(|catalog| (catalog.domain.oid, catalog.domain.by_name));
        let mut scan = table.scan(&[ScanKey::bigint(account_id)], &self.snapshot);
        let mut domains = Vec::new();
        while let Some(row) = scan.next() {
            xact::check_for_interrupts();
            domains.push(self.domain(&catalog.domain, &row));
        }
        domains
    }

    fn domain_by_id(&self, id: i64) -> Option<DomainState> {
        let (catalog, table) = Catalog::open(|catalog| (catalog.domain.oid, catalog.domain.by_id));
        let mut scan = table.scan(&[ScanKey::bigint(id)], &self.snapshot);
        scan.next().map(|row| self.domain(&catalog.domain, &row))
    }

    fn domain(&self, columns: &DomainTable, row: &TableRow<'_>) -> DomainState {
        DomainState {
            id: row.get_not_null(&columns.id),
            name: name::fold(&row.get_not_null(&columns.name)),
            is_verified: !row.is_null(&columns.verified_at),
            read_stamp: self.stamp_of(row),
        }
    }

    fn stamp_of(&self, row: &TableRow<'_>) -> ReadStamp {
        let mut stamp = self.empty_stamp();
        self.add_writer(&mut stamp, row);
        stamp
    }

    fn add_writer(&self, stamp: &mut ReadStamp, row: &TableRow<'_>) {
        stamp.add(mvcc::full_transaction_id(row.written_by().0, self.next_transaction));
    }
}

/// Describes a snapshot to the rules of consistency.
fn mvcc_snapshot(snapshot: &CurrentSnapshot, next_transaction: mvcc::Transaction) -> mvcc::Snapshot {
    /// With more transactions in progress no list is kept, because each cached entry would contain it.
    const MAX_IN_PROGRESS: usize = 32;
    let full = |TransactionId(id): TransactionId| mvcc::full_transaction_id(id, next_transaction);
    // With none in progress, xmin is xmax, which says all. A session's own subtransactions are in none of its snapshots.
    let count = snapshot.in_progress_count().filter(|_| !xact::has_transaction_id());
    let has_list = count.is_some_and(|count| (1..=MAX_IN_PROGRESS).contains(&count));
    let in_progress = if has_list { snapshot.in_progress() } else { None };
    mvcc::Snapshot {
        xmin: full(snapshot.xmin()),
        xmax: full(snapshot.xmax()),
        xip: in_progress.map(|ids| ids.map(full).collect()),
    }
}
