//! Our tables, as far as facts are read from them without SQL: where they are, and how their columns are numbered.
//!
//! They are found by their names, and found again whenever one of them has changed.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use pgrx::pg_sys;

use crate::error::guarded;
use crate::pg::datum::{FixedBytea, Jsonb, OwnedVarlena, Scopes, Timestamp};
use crate::pg::index_scan::{self, Column, IndexedTable, Table};
use crate::pg::inval::{self, RelationStamp};
use crate::pg::server;
use crate::pg::tuple::RowTemplate;

/// What facts are read from.
pub struct Catalog {
    pub token: TokenTable,
    pub access: AccessTable,
    pub account: AccountTable,
    pub profile: ProfileTable,
    pub domain: DomainTable,
    /// The type of what a verification answers.
    pub verification: pg_sys::Oid,
    verification_relation: pg_sys::Oid,
    /// The answers about no token at all, once they were asked for.
    pub malformed: OnceCell<RowTemplate<8>>,
    pub not_found: OnceCell<RowTemplate<8>>,
    /// Each table has its triggers, and nobody has turned one off: what was read can be remembered.
    pub invalidates_cache: bool,
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
                let oid = index_scan::find($table);
                Self {
                    oid,
                    $($index: index_scan::find($index_name),)*
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
    id: i64, account_id: i64, domain_id: i64, name: OwnedVarlena<String>, digest: FixedBytea<32>, paused_at: Timestamp,
    expires_at: Timestamp, metadata: OwnedVarlena<Jsonb>,
} by { by_id = c"token_pkey", by_digest = c"token_digest_excl" });
table!(AccessTable = c"token_access" { domain_id: i64, scopes: Scopes }
    by { by_token = c"token_access_token_id_domain_id_key" });
table!(AccountTable = c"account" { profile: OwnedVarlena<String>, paused_at: Timestamp } by { by_id = c"account_pkey" });
table!(ProfileTable = c"profile" { needs_verified_domain: bool } by { by_name = c"profile_pkey" });
table!(DomainTable = c"domain" { id: i64, name: String, verified_at: Timestamp }
    by { by_id = c"domain_pkey", by_name = c"domain_account_id_name_key" });

impl Catalog {
    /// As they are now. Most calls only look whether they are still the same, so only what can fail is wrapped for it.
    pub fn current() -> Rc<Self> {
        thread_local! {
            static FOUND: RefCell<Option<(Rc<Catalog>, RelationStamp)>> = const { RefCell::new(None) };
        }
        FOUND.with_borrow_mut(|found| match found {
            Some((tables, stamp)) if *stamp == RelationStamp::now() => Rc::clone(tables),
            _ => {
                let (tables, stamp) = guarded(|| Ok(inval::watch(Self::find, Self::relations)));
                let tables = Rc::new(tables);
                *found = Some((Rc::clone(&tables), stamp));
                tables
            }
        })
    }

    /// Opens a table and an index of it. What was found by name is looked at again once the table is locked: whatever
    /// replaces an index, such as REINDEX CONCURRENTLY, waits for that lock before it drops the old one.
    pub fn open(select: impl Fn(&Self) -> (pg_sys::Oid, pg_sys::Oid)) -> (Rc<Self>, IndexedTable) {
        /// How often what was found is given up because something changed meanwhile.
        const TIMES: usize = 10;
        for _ in 0..TIMES {
            let tables = Self::current();
            if inval::changes_never_cease() {
                break;
            }
            let stamp = RelationStamp::now();
            let (table, index) = select(&tables);
            // Without a table the extension is gone, or there again: finding it says which.
            if let Some(table) = IndexedTable::open(table, index, || stamp == RelationStamp::now()) {
                return (tables, table);
            }
        }
        Self::open_under_lock(select)
    }

    /// The same where messages about changes never cease: while the table is locked, nobody changes what is found of it.
    fn open_under_lock(select: impl Fn(&Self) -> (pg_sys::Oid, pg_sys::Oid)) -> (Rc<Self>, IndexedTable) {
        let mut known = Self::current();
        loop {
            let (table, _) = select(&known);
            let _locked = Table::open(table);
            let tables = Rc::new(Self::find());
            let (same, index) = select(&tables);
            if let Some(open) = (same == table).then(|| IndexedTable::open(table, index, || true)).flatten() {
                return (tables, open);
            }
            known = tables;
        }
    }

    fn find() -> Self {
        // Lookups of PostgreSQL's do not ask, and there are some fifty.
        server::check_for_interrupts();
        let (token, access, account) = (TokenTable::find(), AccessTable::find(), AccountTable::find());
        let (profile, domain) = (ProfileTable::find(), DomainTable::find());
        let oids = [token.oid, access.oid, account.oid, profile.oid, domain.oid];
        let announces = |oid: &_| Table::open(*oid).is_some_and(|table| table.has_trigger_always(c"invalidate_cache"));
        let invalidates_cache = oids.iter().all(announces);
        let verification_relation = index_scan::find(c"verification");
        let verification = index_scan::row_type(verification_relation);
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
            invalidates_cache,
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
