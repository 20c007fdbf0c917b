//! The alternatives to token_auth: peers.sql.

use super::blocks;
use crate::sizes::{BLOCK, Sizes};
use cluster::Sql as _;
use postgres::Client;

/// JSON Web Tokens are longer than secrets. This many fit on a page.
pub const JWT_BLOCK: u64 = BLOCK / 4;

pub fn create(db: &mut Client, sizes: &Sizes) {
    db.batch_execute(include_str!("../../sql/peers.sql")).unwrap_or_else(|error| panic!("peers.sql: {error:?}"));
    blocks::create(db, "bench.block_jwt", "", 's', "text", JWT_BLOCK as usize);
    let columns: Vec<String> = (1..=JWT_BLOCK).map(|n| format!("jwt[{n}]")).collect();
    db.run(
        &format!(
            "INSERT INTO bench.block_jwt
             SELECT block, {}
               FROM (SELECT (n - 1) / {JWT_BLOCK} AS block, array_agg(peer.sign_jwt(n, 'email:read email:send')) AS jwt
                       FROM generate_series(1, {}) AS n
                      GROUP BY 1) AS signed",
            columns.join(", "),
            sizes.hot
        ),
        &[],
    );
    db.run(
        &format!(
            "CREATE TABLE bench.list_jwt AS
             SELECT signed.jwt AS secret
               FROM (SELECT peer.sign_jwt(n, 'email:read email:send') AS jwt, n FROM generate_series(1, {}) AS n) AS signed,
                    generate_series(1, {}) AS round
              ORDER BY hashint8(signed.n * 1000 + round)",
            sizes.hot,
            sizes.calls / sizes.hot
        ),
        &[],
    );
}

/// Asserts that the function in PL/pgSQL returns what `verify_token` returns, in all columns.
pub fn check_answers(db: &mut Client) {
    let different: Vec<String> = db.list(
        "SELECT format('%s, %s: %s, not %s', scope, domain, mine, theirs)
           FROM (SELECT s0 FROM bench.block WHERE id < 3
                 UNION ALL SELECT s1 FROM bench.block_domains_8 WHERE id < 3
                 UNION ALL SELECT s2 FROM bench.block_wrong WHERE id < 3) AS s(secret),
                (VALUES (NULL), ('email:read'), ('email:full'), ('email.templates:read'), ('sms:send')) AS q(scope),
                (VALUES (NULL), ('w1.example'), ('W8.EXAMPLE'), ('w9.example'), ('none.example')) AS d(domain),
                token_auth.verify_token(secret, scope, domain) AS mine,
                peer.verify_token(secret, scope, domain) AS theirs
          WHERE mine IS DISTINCT FROM theirs",
        &[],
    );
    assert_eq!(different, Vec::<String>::new());
}
