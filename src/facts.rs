//! What the database knows about a token: read without SQL, by a few index probes under one snapshot.
//!
//! The tables are found by their names, and found again whenever one of them has changed.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys;
use token_auth_rules::name;
use token_auth_rules::secret::Digest;
use token_auth_rules::verdict::{Access, Domain, Reach, TokenFacts};

use crate::store::identity::Identity;
use crate::store::invalidation::{self, RelationMark};
use crate::store::relation::{self, Column, Index, Key, Row, Table};
use crate::store::snapshot::FreshSnapshot;
use crate::store::value::{Instant, Jsonb};

/// A token as verification sees it.
pub struct Token {
    pub id: i64,
    digest: Digest,
    pub account_id: i64,
    pub home: Option<i64>,
    pub name: String,
    pub expires_at: Option<Instant>,
    pub metadata: Jsonb,
    pub facts: TokenFacts,
    needs_verified_domain: bool,
}

impl Token {
    pub fn with_digest(digest: &Digest, snapshot: &FreshSnapshot) -> Option<Self> {
        Tables::token(Search::Digest(digest), snapshot)
    }

    /// The token of this id, if it is the one that the identity was given for.
    pub fn with_identity(identity: Identity, snapshot: &FreshSnapshot) -> Option<Self> {
        Tables::token(Search::Id(identity.token_id), snapshot).filter(|token| token.identity() == identity)
    }

    pub fn identity(&self) -> Identity {
        Identity::of(self.id, &self.digest)
    }

    /// The domain of its account that has this name, if there is one.
    pub fn domain_named(&self, name: &[u8], snapshot: &FreshSnapshot) -> Domain {
        // Text that is no UTF-8 is the name of no domain.
        let Ok(name) = std::str::from_utf8(name) else { return Domain::Unusable };
        let found = Tables::domain(self.account_id, name, snapshot);
        found.map_or(Domain::Unusable, |(id, is_verified)| self.usable(id, is_verified))
    }

    /// The domains of its account that can be within this reach.
    pub fn domains(&self, reach: &Reach, snapshot: &FreshSnapshot) -> Vec<NamedDomain> {
        if reach.everywhere {
            return Tables::domains_of(self.account_id, snapshot);
        }
        reach.domains.iter().filter_map(|id| Tables::domain_with_id(*id, snapshot)).collect()
    }

    /// A domain of its account, unless that is refused because it is not verified.
    pub fn usable(&self, domain_id: i64, is_verified: bool) -> Domain {
        if is_verified || !self.needs_verified_domain { Domain::Known(domain_id) } else { Domain::Unusable }
    }
}

/// A domain, with its name folded.
pub struct NamedDomain {
    pub id: i64,
    pub name: String,
    pub is_verified: bool,
}

/// Whether what is read can be remembered: every change to our tables is announced.
pub fn can_be_remembered() -> bool {
    Tables::now().announce_changes
}

enum Search<'a> {
    Digest(&'a Digest),
    Id(i64),
}

/// Our tables, as far as facts are read from them.
struct Tables {
    token: TokenTable,
    access: AccessTable,
    account: AccountTable,
    profile: ProfileTable,
    domain: DomainTable,
    /// Each has its triggers, and nobody has turned one off.
    announce_changes: bool,
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident = $table:literal { $($column:ident: $type:ty),* $(,)? } by { $($index:ident = $index_name:literal),* $(,)? }) => {
        $(#[$doc])*
        struct $name {
            oid: pg_sys::Oid,
            $($index: pg_sys::Oid,)*
            $($column: Column<$type>,)*
        }

        impl $name {
            fn find() -> Self {
                let oid = relation::find($table);
                Self {
                    oid,
                    $($index: relation::find($index_name),)*
                    $($column: Column::find(oid, {
                        const NAME: &str = concat!(stringify!($column), "\0");
                        std::ffi::CStr::from_bytes_with_nul(NAME.as_bytes()).expect("a name has no NUL in it")
                    }),)*
                }
            }

            fn relations(&self) -> Vec<pg_sys::Oid> {
                vec![self.oid, $(self.$index),*]
            }
        }
    };
}

table!(TokenTable = c"token" {
    id: i64, account_id: i64, domain_id: i64, name: String, digest: Vec<u8>, paused_at: Instant, expires_at: Instant,
    metadata: Jsonb,
} by { by_id = c"token_pkey", by_digest = c"token_digest_excl" });
table!(AccessTable = c"token_access" { domain_id: i64, scopes: Vec<Option<String>> }
    by { by_token = c"token_access_token_id_domain_id_key" });
table!(AccountTable = c"account" { profile: String, paused_at: Instant } by { by_id = c"account_pkey" });
table!(ProfileTable = c"profile" { needs_verified_domain: bool } by { by_name = c"profile_pkey" });
table!(DomainTable = c"domain" { id: i64, name: String, verified_at: Instant }
    by { by_id = c"domain_pkey", by_name = c"domain_account_id_name_key" });

impl Tables {
    /// As they are now.
    fn now() -> Rc<Self> {
        thread_local! {
            static FOUND: RefCell<Option<(Rc<Tables>, RelationMark)>> = const { RefCell::new(None) };
        }
        FOUND.with_borrow_mut(|found| match found {
            Some((tables, mark)) if *mark == RelationMark::now() => Rc::clone(tables),
            _ => {
                let (tables, mark) = invalidation::watch(Self::find, Self::relations);
                let tables = Rc::new(tables);
                *found = Some((Rc::clone(&tables), mark));
                tables
            }
        })
    }

    /// Opens a table and an index of it. What was found by name is looked at again once the table is locked: whatever
    /// replaces an index, such as REINDEX CONCURRENTLY, waits for that lock before it drops the old one.
    fn open(select: impl Fn(&Self) -> (pg_sys::Oid, pg_sys::Oid)) -> (Rc<Self>, Table, Index) {
        invalidation::accept();
        loop {
            let tables = Self::now();
            let mark = RelationMark::now();
            let (table, index) = select(&tables);
            // Without a table the extension is gone, or there again: finding it says which.
            let Some(table) = Table::open(table) else { continue };
            if mark == RelationMark::now() {
                return (tables, table, Index::open(index));
            }
        }
    }

    fn find() -> Self {
        let (token, access, account) = (TokenTable::find(), AccessTable::find(), AccountTable::find());
        let (profile, domain) = (ProfileTable::find(), DomainTable::find());
        let oids = [token.oid, access.oid, account.oid, profile.oid, domain.oid];
        let announces = |oid: &_| Table::open(*oid).is_some_and(|table| table.has_trigger_always(c"announce_change"));
        let announce_changes = oids.iter().all(announces);
        Self { token, access, account, profile, domain, announce_changes }
    }

    fn relations(&self) -> Vec<pg_sys::Oid> {
        let tables = [
            self.token.relations(),
            self.access.relations(),
            self.account.relations(),
            self.profile.relations(),
            self.domain.relations(),
        ];
        tables.concat()
    }

    fn token(search: Search<'_>, snapshot: &FreshSnapshot) -> Option<Token> {
        let (tables, table, index) = Self::open(|tables| match search {
            Search::Digest(_) => (tables.token.oid, tables.token.by_digest),
            Search::Id(_) => (tables.token.oid, tables.token.by_id),
        });
        let columns = &tables.token;
        let key = match search {
            Search::Digest(digest) => Key::bytes(digest),
            Search::Id(id) => Key::bigint(id),
        };
        let mut probe = table.probe(&index, &[key], snapshot);
        // The hash index finds every digest with the same code of 32 bits.
        let is_it = |found: &Digest| match search {
            Search::Digest(digest) => found == digest,
            Search::Id(_) => true,
        };
        let mut token = loop {
            let row = probe.next()?;
            let digest = row.must(&columns.digest).try_into().expect("a digest has 32 bytes, says a constraint");
            if is_it(&digest) {
                let expires_at = row.get(&columns.expires_at);
                break Token {
                    id: row.must(&columns.id),
                    digest,
                    account_id: row.must(&columns.account_id),
                    home: row.get(&columns.domain_id),
                    name: row.must(&columns.name),
                    expires_at,
                    metadata: row.must(&columns.metadata),
                    facts: TokenFacts {
                        paused: !row.is_null(&columns.paused_at),
                        expires_at: expires_at.map(|at| at.0),
                        access: Vec::new(),
                    },
                    needs_verified_domain: false,
                };
            }
        };
        drop(probe);
        let (account_paused, profile) = Self::account(token.account_id, snapshot)?;
        token.facts.paused |= account_paused;
        token.needs_verified_domain = Self::needs_verified_domain(&profile, snapshot)?;
        token.facts.access = Self::access(token.id, snapshot);
        Some(token)
    }

    fn access(token_id: i64, snapshot: &FreshSnapshot) -> Vec<Access> {
        let (tables, table, index) = Self::open(|tables| (tables.access.oid, tables.access.by_token));
        let columns = &tables.access;
        let mut probe = table.probe(&index, &[Key::bigint(token_id)], snapshot);
        let mut access = Vec::new();
        while let Some(row) = probe.next() {
            access.push(Access {
                domain_id: row.get(&columns.domain_id),
                scopes: row.must(&columns.scopes).into_iter().flatten().collect(),
            });
        }
        access
    }

    /// Whether it is paused, and its profile.
    fn account(id: i64, snapshot: &FreshSnapshot) -> Option<(bool, String)> {
        let (tables, table, index) = Self::open(|tables| (tables.account.oid, tables.account.by_id));
        let columns = &tables.account;
        let mut probe = table.probe(&index, &[Key::bigint(id)], snapshot);
        let row = probe.next()?;
        Some((!row.is_null(&columns.paused_at), row.must(&columns.profile)))
    }

    fn needs_verified_domain(profile: &str, snapshot: &FreshSnapshot) -> Option<bool> {
        let (tables, table, index) = Self::open(|tables| (tables.profile.oid, tables.profile.by_name));
        let columns = &tables.profile;
        let mut probe = table.probe(&index, &[Key::text(profile, pg_sys::DEFAULT_COLLATION_OID)], snapshot);
        probe.next().map(|row| row.must(&columns.needs_verified_domain))
    }

    /// Its id, and whether it is verified.
    fn domain(account_id: i64, name: &str, snapshot: &FreshSnapshot) -> Option<(i64, bool)> {
        let (tables, table, index) = Self::open(|tables| (tables.domain.oid, tables.domain.by_name));
        let columns = &tables.domain;
        // The index is on lower(name COLLATE "C").
        let keys = [Key::bigint(account_id), Key::text(&name::fold(name), pg_sys::C_COLLATION_OID)];
        let mut probe = table.probe(&index, &keys, snapshot);
        probe.next().map(|row| (row.must(&columns.id), !row.is_null(&columns.verified_at)))
    }

    fn domain_with_id(id: i64, snapshot: &FreshSnapshot) -> Option<NamedDomain> {
        let (tables, table, index) = Self::open(|tables| (tables.domain.oid, tables.domain.by_id));
        let columns = &tables.domain;
        let mut probe = table.probe(&index, &[Key::bigint(id)], snapshot);
        probe.next().map(|row| columns.named(&row))
    }

    /// All domains of an account, in the order of their folded names.
    fn domains_of(account_id: i64, snapshot: &FreshSnapshot) -> Vec<NamedDomain> {
        let (tables, table, index) = Self::open(|tables| (tables.domain.oid, tables.domain.by_name));
        let columns = &tables.domain;
        let mut probe = table.probe(&index, &[Key::bigint(account_id)], snapshot);
        let mut domains = Vec::new();
        while let Some(row) = probe.next() {
            domains.push(columns.named(&row));
        }
        domains
    }
}

impl DomainTable {
    fn named(&self, row: &Row<'_>) -> NamedDomain {
        NamedDomain {
            id: row.must(&self.id),
            name: name::fold(&row.must(&self.name)).to_string(),
            is_verified: !row.is_null(&self.verified_at),
        }
    }
}
