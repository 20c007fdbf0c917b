//! Tokens with few and with many domains, in an account with a thousand.

use super::blocks;
use crate::{
    random::{Random, secret_of},
    sizes::{BLOCK, DOMAINS, Sizes},
};
use cluster::Sql as _;
use postgres::Client;
use token_auth_core::secret;

/// The rows of a table of blocks: the most domains of a token that are used.
pub const ROWS: u64 = 100;

/// Creates for each number tokens with this many domains, blocks of them, and a list for loops. Each row has the name of one of
/// these domains.
pub fn create(db: &mut Client, sizes: &Sizes) {
    let account: i64 = db.get("INSERT INTO token_auth.account (name) VALUES ('wide') RETURNING id", &[]);
    let most = DOMAINS.iter().max().copied().unwrap_or_default();
    db.run(
        "INSERT INTO token_auth.domain (account_id, name)
         SELECT $1, 'w' || n || '.example' FROM generate_series(1, $2::bigint) AS n",
        &[&account, &(most as i64)],
    );
    for domains in DOMAINS {
        let secrets: Vec<String> =
            (0..sizes.domain_tokens).map(|n| secret_of((1 << 42) + domains * 1_000 + n)).collect();
        add_tokens(db, account, domains, &secrets);
        add_blocks(db, domains, &secrets);
        db.run(
            &format!(
                "CREATE TABLE bench.list_domains_{domains} AS
                 SELECT block.domain, s.secret
                   FROM bench.block_domains_{domains} AS block, unnest($1::text[]) AS s(secret),
                        generate_series(1, greatest(1, $2 / {ROWS} / cardinality($1))) AS round
                  ORDER BY hashtext(s.secret || block.id || round)"
            ),
            &[&secrets, &(sizes.domain_calls as i32)],
        );
    }
}

fn add_tokens(db: &mut Client, account: i64, domains: u64, secrets: &[String]) {
    let digests: Vec<Vec<u8>> = secrets.iter().map(|secret| secret::digest(secret.as_bytes()).to_vec()).collect();
    let hints: Vec<String> = secrets.iter().map(|secret| secret::hint(secret)).collect();
    db.run(
        "WITH made AS (
             INSERT INTO token_auth.token (account_id, name, digest, hint, created_by)
             SELECT $1, $2 || ' domains', s.digest, s.hint, 'bench'
               FROM unnest($3::bytea[], $4::text[]) AS s(digest, hint)
             RETURNING id
         )
         INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes)
         SELECT $1, made.id, d.id, '{email:read,email:send}'
           FROM made, (SELECT id FROM token_auth.domain WHERE account_id = $1 ORDER BY id LIMIT $2::text::bigint) AS d",
        &[&account, &domains.to_string(), &digests, &hints],
    );
}

fn add_blocks(db: &mut Client, domains: u64, secrets: &[String]) {
    let table = format!("bench.block_domains_{domains}");
    blocks::create(db, &table, "domain text,", 's', "text", BLOCK as usize);
    let mut random = Random::new(domains);
    let mut order = secrets.to_vec();
    let insert = format!("COPY {table} FROM STDIN");
    super::load::copy_lines(db, &insert, 0..ROWS, |line, id| {
        use std::fmt::Write as _;
        random.shuffle(&mut order);
        writeln!(line, "{id}\tw{}.example\t{}", random.below(domains) + 1, order.join("\t"))
    });
}
