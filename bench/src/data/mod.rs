//! The databases and their contents.

pub mod blocks;
pub mod domains;
mod load;
pub mod peers;
mod triggers;

pub use load::{Tokens, load};

use crate::{
    empty, random,
    server::Server,
    sizes::{Sizes, TOKENS_PER_ACCOUNT, short},
};
use cluster::Sql as _;
use postgres::Client;

/// Creates a database with this many tokens, and blocks of them.
pub fn create(server: &Server, sizes: &Sizes, tokens: u64) -> String {
    let name = format!("b{}", short(tokens).to_lowercase());
    server.admin().run(&format!("CREATE DATABASE {name}"), &[]);
    let mut db = server.connect(&name);
    db.run("CREATE EXTENSION token_auth", &[]);
    db.run("CREATE EXTENSION pg_prewarm", &[]);
    db.run("CREATE SCHEMA bench", &[]);

    add_accounts(&mut db, tokens / TOKENS_PER_ACCOUNT);
    let accounts = tokens / TOKENS_PER_ACCOUNT;
    load(server, &name, &Tokens { first: 1, count: tokens, accounts, expired: false });
    let ids = random::ids(tokens, sizes.sample);
    blocks::secrets(&mut db, "bench.block", ids.iter().map(|id| random::secret_of(*id)));
    blocks::ids(&mut db, "bench.block_id", &ids);
    if tokens == sizes.main() {
        add_all_that_is_compared(server, &mut db, sizes, &ids);
    }
    settle(&mut db);
    name
}

/// Creates what only the main database has.
fn add_all_that_is_compared(server: &Server, db: &mut Client, sizes: &Sizes, ids: &[u64]) {
    empty::create_functions(server, db);
    blocks::secrets(db, "bench.block_wrong", (0..sizes.hot).map(random::unknown_secret));
    blocks::secrets(db, "bench.block_malformed", (0..sizes.hot).map(random::malformed_secret));

    // The hot tokens are those of the first blocks, each equally often.
    let mut hot: Vec<u64> = (0..sizes.calls).map(|call| ids[(call % sizes.hot) as usize]).collect();
    random::Random::new(1).shuffle(&mut hot);
    blocks::list(db, "bench.list_hot", hot.into_iter().map(random::secret_of));
    blocks::list(
        db,
        "bench.list_uniform",
        ids.iter().cycle().take(sizes.calls as usize).map(|id| random::secret_of(*id)),
    );
    blocks::list(db, "bench.list_wrong", (0..sizes.calls).map(random::unknown_secret));
    blocks::list(db, "bench.list_malformed", (0..sizes.calls).map(random::malformed_secret));

    domains::create(db, sizes);
    peers::create(db, sizes);
    peers::check_answers(db);
    db.run(
        &format!(
            "CREATE TABLE bench.unrelated AS
             SELECT id::bigint, 0 AS changes, repeat('x', 100) AS filler FROM generate_series(1, {}) AS id",
            sizes.main()
        ),
        &[],
    );
    db.run("ALTER TABLE bench.unrelated ADD PRIMARY KEY (id)", &[]);
}

/// Creates accounts with the ids from 1 on, each with a domain of the same id.
fn add_accounts(db: &mut Client, count: u64) {
    triggers::without(db, |db| {
        db.run(
            &format!("INSERT INTO token_auth.account (id, name) SELECT n, 'account ' || n FROM generate_series(1, {count}) AS n"),
            &[],
        );
        db.run(
            &format!(
                "INSERT INTO token_auth.domain (id, account_id, name)
                 SELECT n, n, 'd' || n || '.example' FROM generate_series(1, {count}) AS n"
            ),
            &[],
        );
    });
    load::set_sequences(db);
}

/// Creates a database in which one account has all tokens.
pub fn create_with_one_account(server: &Server, tokens: u64) -> String {
    let name = "one_account";
    server.admin().run(&format!("CREATE DATABASE {name}"), &[]);
    let mut db = server.connect(name);
    db.run("CREATE EXTENSION token_auth", &[]);
    add_accounts(&mut db, 1);
    load(server, name, &Tokens { first: 1, count: tokens, accounts: 1, expired: false });
    settle(&mut db);
    name.to_owned()
}

/// Loads everything that a verification reads into the shared buffers: a short measurement would measure that.
pub fn into_memory(server: &Server, database: &str) {
    server.connect(database).run(
        "SELECT pg_prewarm(oid) FROM pg_class
         WHERE relkind IN ('r', 'i') AND (relnamespace = 'token_auth'::regnamespace OR oid::regclass::text LIKE 'bench.block%')",
        &[],
    );
}

/// Vacuums and checkpoints, so that nothing runs in the background during a measurement.
pub fn settle(db: &mut Client) {
    db.run("VACUUM (FREEZE, ANALYZE)", &[]);
    db.run("CHECKPOINT", &[]);
}
