//! Pages of the view `tokens`, in an account with all tokens of the main database.

use crate::{
    bench::Bench,
    data,
    measurements::{key, median},
    one_processor::on_one_processor,
};
use cluster::Sql as _;
use std::time::Instant;

pub const NAME: &str = "list";

/// A page of the list.
pub struct Page {
    pub name: &'static str,
    pub label: &'static str,
    /// The conditions and the order. `$1` is the account, and `$2` the id of a token in the middle.
    rest: &'static str,
}

pub const PAGES: [Page; 8] = [
    Page { name: "first", label: "the first by id", rest: "WHERE account_id = $1 AND $2::bigint > 0 ORDER BY id" },
    Page { name: "next", label: "the next by id", rest: "WHERE account_id = $1 AND id > $2 ORDER BY id" },
    Page {
        name: "newest",
        label: "the newest",
        rest: "WHERE account_id = $1 AND $2::bigint > 0 ORDER BY created_at DESC, id DESC",
    },
    Page {
        name: "older",
        label: "the next by age",
        rest: "WHERE account_id = $1
                 AND (created_at, id) < (SELECT created_at, id FROM token_auth.tokens WHERE id = $2)
               ORDER BY created_at DESC, id DESC",
    },
    Page {
        name: "domain",
        label: "the first of a domain",
        rest: "WHERE account_id = $1 AND domain_id = 1 AND $2::bigint > 0 ORDER BY id",
    },
    Page {
        name: "active",
        label: "the first that are active",
        rest: "WHERE account_id = $1 AND status = 'active' AND $2::bigint > 0 ORDER BY id",
    },
    Page {
        name: "hint",
        label: "those with a hint",
        rest: "WHERE account_id = $1 AND hint = (SELECT hint FROM token_auth.tokens WHERE id = $2) ORDER BY id",
    },
    Page { name: "id", label: "one by its id", rest: "WHERE account_id = $1 AND id = $2" },
];

/// Calls of one page in a repeat.
const CALLS: usize = 200;

pub fn measure(bench: &mut Bench) {
    let database = data::create_with_one_account(&bench.server, bench.sizes.main());
    bench.in_turns(PAGES.len(), |bench, repeat, turn| {
        let milliseconds = milliseconds(bench, &database, &PAGES[turn]);
        bench.measured.record(key(NAME, PAGES[turn].name, 0), repeat, milliseconds, "ms");
    });
}

fn milliseconds(bench: &Bench, database: &str, page: &Page) -> f64 {
    let sql = format!("SELECT * FROM token_auth.tokens {} LIMIT 20", page.rest);
    let middle = (bench.sizes.main() / 2) as i64;
    on_one_processor(&bench.server, database, |db| {
        assert!(!db.rows(&sql, &[&1_i64, &middle]).is_empty(), "{sql}: no rows");
        let prepared = db.prepare(&sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let call = |id: i64| {
            let began = Instant::now();
            db.query(&prepared, &[&1_i64, &id]).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            began.elapsed().as_secs_f64() * 1e3
        };
        median((middle..).take(CALLS).map(call)).expect("at least one call")
    })
}
