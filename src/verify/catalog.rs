//! The OIDs and columns of the tables that verification reads without SQL.
//!
//! They are found by name, and found again if one of the tables has changed.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use pgrx::pg_sys;
use token_auth_core::scope::grant::Grants;

use super::state::COLUMNS;
use crate::error::guarded;
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::index_scan::IndexedTable;
use crate::pg::inet::CidrArray;
use crate::pg::inval::{self, WatchStamp};
use crate::pg::relation::{self, Column, OpenTable};
use crate::pg::tuple::RowTemplate;
use crate::pg::varlena::{CollectedTexts, FixedBytea, OwnedVarlena};
use crate::pg::xact;

/// The tables, and the type of a verification.
pub struct Catalog {
    pub token: TokenTable,
    pub access: AccessTable,
    pub account: AccountTable,
    pub profile: ProfileTable,
    pub domain: DomainTable,
    /// The row type `token_auth.verification`.
    pub verification: pg_sys::Oid,
    verification_relation: pg_sys::Oid,
    /// The verifications of secrets without a token, formed when they are first needed.
    pub malformed: OnceCell<RowTemplate<COLUMNS>>,
    pub not_found: OnceCell<RowTemplate<COLUMNS>>,
    /// True if each table has its trigger `_invalidate_cache`, ENABLE ALWAYS, so that reads can be cached.
    pub sends_invalidations: bool,
    /// True if the table of tokens has its trigger `_announce_scheme`, ENABLE ALWAYS, so that the schemes in use can be cached.
    pub announces_schemes: bool,
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident = $table:literal { $($column:ident: $type:ty),* $(,)? } by { $($index:ident = $index_name:literal),* $(,)? }) => {
        $(#[$doc])*
        pub struct $name {
            pub oid: pg_sys::Oid,
            $(pub $index: pg_sys::Oid,)*
            $(pub $column: Column<$type>,)*
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

table!(
    /// `token_auth.token`
    TokenTable = c"token" {
        id: i64, account_id: i64, domain_id: i64, name: OwnedVarlena<String>, owner: OwnedVarlena<String>,
        digest: FixedBytea<32>, scheme: String, networks: CidrArray, paused_at: Timestamp, expires_at: Timestamp,
        metadata: OwnedVarlena<Jsonb>,
    } by { by_id = c"token_pkey", by_digest = c"token_digest_excl", by_scheme = c"token_scheme_idx" }
);
table!(
    /// `token_auth.token_access`
    AccessTable = c"token_access" { domain_id: i64, scopes: CollectedTexts<Grants> }
        by { by_token = c"token_access_token_id_domain_id_key" }
);
table!(
    /// `token_auth.account`
    AccountTable = c"account" { name: OwnedVarlena<String>, profile: OwnedVarlena<String>, paused_at: Timestamp }
        by { by_id = c"account_pkey" }
);
table!(
    /// `token_auth.profile`
    ProfileTable = c"profile" { needs_verified_domain: bool } by { by_name = c"profile_pkey" }
);
table!(
    /// `token_auth.domain`
    DomainTable = c"domain" { id: i64, name: String, verified_at: Timestamp }
        by { by_id = c"domain_pkey", by_name = c"domain_account_id_name_key" }
);

impl Catalog {
    /// Returns the current catalog. Most calls only check that it has not changed, so only the search is guarded.
    pub fn current() -> Rc<Self> {
        thread_local! {
            static FOUND: RefCell<Option<(Rc<Catalog>, WatchStamp)>> = const { RefCell::new(None) };
        }
        FOUND.with_borrow_mut(|found| match found {
            Some((catalog, stamp)) if *stamp == WatchStamp::current() => Rc::clone(catalog),
            _ => {
                let (catalog, stamp) = guarded(|| Ok(inval::watch(Self::find, Self::relations)));
                let catalog = Rc::new(catalog);
                *found = Some((Rc::clone(&catalog), stamp));
                catalog
            }
        })
    }

    /// Opens the table and the index that `select` returns.
    ///
    /// What was found by name is checked again after the table is locked. A command that replaces an index, such as REINDEX
    /// CONCURRENTLY, waits for that lock before it drops the old index.
    pub fn open(select: impl Fn(&Self) -> (pg_sys::Oid, pg_sys::Oid)) -> (Rc<Self>, IndexedTable) {
        const ATTEMPTS: usize = 10;
        for _ in 0..ATTEMPTS {
            let catalog = Self::current();
            if inval::messages_never_cease() {
                break;
            }
            let stamp = WatchStamp::current();
            let (table, index) = select(&catalog);
            // If the table no longer exists, the extension was dropped, and perhaps created again: finding tells which.
            if let Some(table) = IndexedTable::open(table, index, || stamp == WatchStamp::current()) {
                return (catalog, table);
            }
        }
        Self::open_under_lock(select)
    }

    /// Opens a table and an index if messages never cease. While the table is locked, it does not change.
    fn open_under_lock(select: impl Fn(&Self) -> (pg_sys::Oid, pg_sys::Oid)) -> (Rc<Self>, IndexedTable) {
        let mut previous = Self::current();
        loop {
            let (table, _) = select(&previous);
            let _locked = OpenTable::open(table);
            let catalog = Rc::new(Self::find());
            let (same, index) = select(&catalog);
            if let Some(open) = (same == table).then(|| IndexedTable::open(table, index, || true)).flatten() {
                return (catalog, open);
            }
            previous = catalog;
        }
    }

    fn find() -> Self {
        // There are about fifty lookups, and PostgreSQL's lookups do not check for interrupts.
        xact::check_for_interrupts();
        let (token, access, account) = (TokenTable::find(), AccessTable::find(), AccountTable::find());
        let (profile, domain) = (ProfileTable::find(), DomainTable::find());
        let oids = [token.oid, access.oid, account.oid, profile.oid, domain.oid];
        let has_trigger = |oid, name| OpenTable::open(oid).is_some_and(|table| table.has_trigger_always(name));
        let sends_invalidations = oids.into_iter().all(|oid| has_trigger(oid, c"_invalidate_cache"));
        let announces_schemes = has_trigger(token.oid, c"_announce_scheme");
        let verification_relation = relation::find(c"verification");
        let verification = relation::row_type(verification_relation);
        let (malformed, not_found) = (OnceCell::new(), OnceCell::new());
        Self {
            token,
            access,
            account,
            profile,
            domain,
            verification,
            verification_relation,
            malformed,
            not_found,
            sends_invalidations,
            announces_schemes,
        }
    }

    fn relations(&self) -> Vec<pg_sys::Oid> {
        let tables = [
            self.token.relations(),
            self.access.relations(),
            self.account.relations(),
            self.profile.relations(),
            self.domain.relations(),
            vec![self.verification_relation],
        ];
        tables.concat()
    }
}
