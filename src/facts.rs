//! What the database knows about a token: read without SQL, by a few index probes under one snapshot.
//!
//! It asks for no privilege on the tables: whoever may execute a function of ours gets its answer, and only that.

use std::cell::Cell;

use pgrx::pg_sys;
use token_auth_core::name;
use token_auth_core::secret::Digest;
use token_auth_core::sighting::Sighting;
use token_auth_core::verdict::{Access, AccessRows, Code, Domain, Reach, TokenFacts};

use crate::store::identity::Identity;
use crate::store::invalidation;
use crate::store::record::Formed;
use crate::store::relation::{Key, Row};
use crate::store::server;
use crate::store::snapshot::{FreshSnapshot, NextTransaction};
use crate::store::value::{Instant, Jsonb, Kept, Octets, ShortText};
use crate::tables::{DomainTable, Tables};

/// A token that was found by its secret, with the answer to a question about no domain, where that is ok.
pub struct Known {
    pub token: Token,
    pub verification: Formed<8>,
}

impl Known {
    /// How many bytes it takes beside itself, where each piece takes `piece` more than what is in it.
    pub fn heap_size(&self, piece: usize) -> usize {
        self.verification.heap_size(piece) + self.token.facts.heap_size(piece) + self.token.seen.heap_size(piece)
    }
}

/// What a verdict about a token depends on.
pub struct Token {
    pub id: i64,
    digest: Digest,
    pub account_id: i64,
    pub facts: TokenFacts,
    needs_verified_domain: bool,
    pub seen: Sighting,
}

impl Token {
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
    pub fn domain(&self, found: Option<&NamedDomain>) -> Domain {
        found.map_or(Domain::Unusable, |domain| self.usable(domain.id, domain.is_verified))
    }

    /// A domain of its account, unless that is refused because it is not verified.
    pub fn usable(&self, domain_id: i64, is_verified: bool) -> Domain {
        if is_verified || !self.needs_verified_domain { Domain::Known(domain_id) } else { Domain::Unusable }
    }
}

/// What the tokens of an account share.
#[derive(Clone)]
pub struct Account {
    is_paused: bool,
    needs_verified_domain: bool,
    pub seen: Sighting,
}

/// A domain, with its name folded.
pub struct NamedDomain {
    pub id: i64,
    pub name: String,
    pub is_verified: bool,
    pub seen: Sighting,
}

/// Reads what `read` reads, and again where something changed meanwhile: after waiting for a lock, the snapshot is of
/// before. Says besides whether what was read last can be remembered.
pub fn read<T>(mut read: impl FnMut(&Reading) -> T) -> (T, bool) {
    /// Each reading is right by itself, and sees what had committed before it began.
    const TIMES: usize = 10;
    let mut times = 0;
    loop {
        invalidation::accept();
        // Found before the snapshot is taken: finding can wait, too.
        Tables::now();
        let before = invalidation::changes();
        let found = read(&Reading::begin());
        let announced = Tables::now().invalidates_cache;
        let is_undisturbed = invalidation::changes() == before;
        times += 1;
        if is_undisturbed || times == TIMES || times > 1 && invalidation::changes_never_cease() {
            return (found, is_undisturbed && announced);
        }
    }
}

/// One look at the database: all that it reads is of one moment.
pub struct Reading {
    snapshot: FreshSnapshot,
    next_transaction: NextTransaction,
    nothing_seen: Sighting,
}

impl Reading {
    fn begin() -> Self {
        thread_local! {
            static READINGS: Cell<u64> = const { Cell::new(0) };
        }
        READINGS.set(READINGS.get() + 1);
        let snapshot = FreshSnapshot::take();
        let next_transaction = NextTransaction::now();
        let moment = snapshot.moment(next_transaction);
        Self { snapshot, next_transaction, nothing_seen: Sighting::new(READINGS.get(), moment) }
    }

    /// That nothing was there.
    pub fn seen(&self) -> Sighting {
        self.nothing_seen.clone()
    }

    fn add(&self, seen: &mut Sighting, row: &Row<'_>) {
        seen.add(self.next_transaction.complete(row.written_by()));
    }

    /// The token with this digest. `remembered` gives what is remembered of its account; where that does not go with what
    /// is seen of the token, the account is read, and returned besides.
    pub fn token_with_digest(
        &self,
        digest: &Digest,
        remembered: impl FnOnce(i64) -> Option<Account>,
    ) -> Option<(Known, Option<Account>)> {
        let row = self.token_row(Search::Digest(digest))?;
        let verification = row.verification();
        let (token, account) = self.token(row, remembered)?;
        Some((Known { token, verification }, account))
    }

    /// The token of this id, if it is the one that the identity was given for.
    pub fn token_with_identity(&self, identity: Identity) -> Option<Token> {
        let (token, _) = self.token(self.token_row(Search::Id(identity.token_id))?, |_| None)?;
        Some(token).filter(|token| token.identity() == identity)
    }

    fn token(
        &self,
        mut found: TokenRow,
        remembered: impl FnOnce(i64) -> Option<Account>,
    ) -> Option<(Token, Option<Account>)> {
        let access = self.access(found.id, &mut found.seen);
        if let Some(account) = remembered(found.account_id)
            && let Some(seen) = found.seen.with(&account.seen)
        {
            return Some((found.token(access, &account, seen), None));
        }
        let account = self.account(found.account_id)?;
        let seen = found.seen.with(&account.seen).expect("both are of this reading");
        Some((found.token(access, &account, seen), Some(account)))
    }

    fn token_row(&self, search: Search<'_>) -> Option<TokenRow> {
        let (tables, table) = Tables::open(|tables| match search {
            Search::Digest(_) => (tables.token.oid, tables.token.by_digest),
            Search::Id(_) => (tables.token.oid, tables.token.by_id),
        });
        let columns = &tables.token;
        let wanted;
        let key = match search {
            Search::Digest(digest) => {
                wanted = Kept::bytes(digest);
                Key::bytes(&wanted)
            }
            Search::Id(id) => Key::bigint(id),
        };
        let mut probe = table.probe(&[key], &self.snapshot);
        loop {
            let row = probe.next()?;
            let Octets(digest) = row.must(&columns.digest);
            // The hash index finds every digest with the same code of 32 bits.
            if matches!(search, Search::Digest(wanted) if digest != *wanted) {
                continue;
            }
            let mut seen = self.seen();
            self.add(&mut seen, &row);
            return Some(TokenRow {
                id: row.must(&columns.id),
                digest,
                account_id: row.must(&columns.account_id),
                home: row.get(&columns.domain_id),
                name: row.must(&columns.name),
                is_paused: !row.is_null(&columns.paused_at),
                expires_at: row.get(&columns.expires_at),
                metadata: row.must(&columns.metadata),
                seen,
            });
        }
    }

    fn access(&self, token_id: i64, seen: &mut Sighting) -> AccessRows {
        let (tables, table) = Tables::open(|tables| (tables.access.oid, tables.access.by_token));
        let columns = &tables.access;
        let mut probe = table.probe(&[Key::bigint(token_id)], &self.snapshot);
        let mut access = AccessRows::new();
        while let Some(row) = probe.next() {
            // A token can have thousands of rows.
            if !access.is_empty() {
                server::check_for_interrupts();
            }
            self.add(seen, &row);
            access.push(Access { domain_id: row.get(&columns.domain_id), scopes: row.must(&columns.scopes).0 });
        }
        access
    }

    pub fn account(&self, id: i64) -> Option<Account> {
        let mut seen = self.seen();
        let (is_paused, profile) = {
            let (tables, table) = Tables::open(|tables| (tables.account.oid, tables.account.by_id));
            let columns = &tables.account;
            let mut probe = table.probe(&[Key::bigint(id)], &self.snapshot);
            let row = probe.next()?;
            self.add(&mut seen, &row);
            (!row.is_null(&columns.paused_at), row.must(&columns.profile))
        };
        let (tables, table) = Tables::open(|tables| (tables.profile.oid, tables.profile.by_name));
        let key = Key::text(&profile, pg_sys::DEFAULT_COLLATION_OID);
        let mut probe = table.probe(&[key], &self.snapshot);
        let row = probe.next()?;
        self.add(&mut seen, &row);
        Some(Account { is_paused, needs_verified_domain: row.must(&tables.profile.needs_verified_domain), seen })
    }

    /// The domain of an account with this name, folded.
    pub fn domain_named(&self, account_id: i64, folded: &str) -> Option<NamedDomain> {
        let (tables, table) = Tables::open(|tables| (tables.domain.oid, tables.domain.by_name));
        // The index is on lower(name COLLATE "C").
        let folded = Kept::text(folded);
        let keys = [Key::bigint(account_id), Key::text(&folded, pg_sys::C_COLLATION_OID)];
        let mut probe = table.probe(&keys, &self.snapshot);
        probe.next().map(|row| self.named(&tables.domain, &row))
    }

    /// The domains of an account that can be within this reach. All of them come in the order of their folded names.
    pub fn domains(&self, account_id: i64, reach: &Reach) -> Vec<NamedDomain> {
        if !reach.everywhere {
            let find = |id: &i64| {
                server::check_for_interrupts();
                self.domain_with_id(*id)
            };
            return reach.domains.iter().filter_map(find).collect();
        }
        let (tables, table) = Tables::open(|tables| (tables.domain.oid, tables.domain.by_name));
        let mut probe = table.probe(&[Key::bigint(account_id)], &self.snapshot);
        let mut domains = Vec::new();
        while let Some(row) = probe.next() {
            server::check_for_interrupts();
            domains.push(self.named(&tables.domain, &row));
        }
        domains
    }

    fn domain_with_id(&self, id: i64) -> Option<NamedDomain> {
        let (tables, table) = Tables::open(|tables| (tables.domain.oid, tables.domain.by_id));
        let mut probe = table.probe(&[Key::bigint(id)], &self.snapshot);
        probe.next().map(|row| self.named(&tables.domain, &row))
    }

    fn named(&self, columns: &DomainTable, row: &Row<'_>) -> NamedDomain {
        let mut seen = self.seen();
        self.add(&mut seen, row);
        NamedDomain {
            id: row.must(&columns.id),
            name: name::fold(&row.must(&columns.name)).to_string(),
            is_verified: !row.is_null(&columns.verified_at),
            seen,
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
    name: Kept<String>,
    is_paused: bool,
    expires_at: Option<Instant>,
    metadata: Kept<Jsonb>,
    seen: Sighting,
}

impl TokenRow {
    fn verification(&self) -> Formed<8> {
        static OK: ShortText = ShortText::new(Code::Ok.as_str());
        Formed::new(
            Tables::now().verification,
            [
                true.into(),
                OK.lend(),
                self.id.into(),
                self.account_id.into(),
                self.home.into(),
                self.name.lend(),
                self.expires_at.into(),
                self.metadata.lend(),
            ],
        )
    }

    fn token(self, access: AccessRows, account: &Account, seen: Sighting) -> Token {
        let paused = self.is_paused || account.is_paused;
        Token {
            id: self.id,
            digest: self.digest,
            account_id: self.account_id,
            facts: TokenFacts::new(paused, self.expires_at.map(|at| at.0), access),
            needs_verified_domain: account.needs_verified_domain,
            seen,
        }
    }
}
