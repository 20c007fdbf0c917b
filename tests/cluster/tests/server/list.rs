//! A page of the view `tokens` reads the rows of the page, and not those of the account.

use cluster::{Client, Cluster, Sql, TokenAuth, readme};

const TOKENS: i64 = 200_000;

/// The pages: by id, by age, by domain, by status and by hint, the first and the following. `$1` is the account, and `$2`
/// the id of a token in the middle.
const PAGES: [&str; 11] = [
    "WHERE account_id = $1 AND $2 > 0 ORDER BY id",
    "WHERE account_id = $1 AND id > $2 ORDER BY id",
    "WHERE account_id = $1 AND id < $2 ORDER BY id DESC",
    "WHERE account_id = $1 AND $2 > 0 ORDER BY created_at DESC, id DESC",
    "WHERE account_id = $1 AND (created_at, id) < (SELECT created_at, id FROM token_auth.tokens WHERE id = $2)
     ORDER BY created_at DESC, id DESC",
    "WHERE account_id = $1 AND domain_id = 1 AND $2 > 0 ORDER BY id",
    "WHERE account_id = $1 AND domain_id = 1 AND id > $2 ORDER BY id",
    "WHERE account_id = $1 AND status = 'active' AND $2 > 0 ORDER BY id",
    "WHERE account_id = $1 AND hint = (SELECT hint FROM token_auth.tokens WHERE id = $2) ORDER BY id",
    "WHERE hint LIKE 'tok\\_c4ca%' AND $1 > 0 AND $2 > 0 ORDER BY id",
    "WHERE account_id = $1 AND id = $2",
];

/// A page of 20 tokens takes some 15 buffers a token: its index and row, its access, and names of domains.
const MOST_BUFFERS: u64 = 600;

#[test]
fn a_page_of_the_list_reads_only_its_own_rows_however_many_tokens_there_are() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = with_many_tokens(&cluster);
    db.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
    db.batch_execute("CREATE ROLE manager LOGIN IN ROLE token_manager").expect("a role");
    let mut manager = cluster.connect("app", "manager");
    for (number, page) in PAGES.iter().enumerate() {
        let sql = format!("SELECT * FROM token_auth.tokens {page} LIMIT 20");
        manager.run(&format!("PREPARE page{number} (bigint, bigint) AS {sql}"), &[]);
        for plan_cache_mode in ["force_custom_plan", "force_generic_plan"] {
            manager.run(&format!("SET plan_cache_mode = {plan_cache_mode}"), &[]);
            let explain = format!(
                "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE page{number}(1, {})",
                TOKENS / 2
            );
            let plan: Vec<String> = manager.list(&explain, &[]);
            let text = plan.join("\n");
            assert!(!text.contains("Seq Scan on token"), "{sql}\n{text}");
            assert!(buffers(&plan) <= MOST_BUFFERS, "{plan_cache_mode}: {sql}\n{text}");
            assert!(!text.contains("rows=0 loops=1)\n"), "it found something: {sql}\n{text}");
        }
    }
}

#[test]
fn the_list_shows_a_role_no_more_than_its_columns_and_a_view_over_it_can_hide_rows() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let [acme, rival] = ["acme", "rival"].map(|name| db.account(name));
    for account in [acme, rival] {
        db.account_token(account, &format!("of {account}"), &["*"]);
    }
    db.batch_execute(&format!(
        "CREATE ROLE reader LOGIN;
         CREATE VIEW public.own WITH (security_barrier) AS SELECT * FROM token_auth.tokens WHERE account_id = {acme};
         CREATE FUNCTION public.peek(text) RETURNS bool LANGUAGE plpgsql COST 0.0001
         AS $$ BEGIN RAISE NOTICE 'peeked at %', $1; RETURN true; END $$;
         GRANT SELECT ON public.own TO reader"
    ))
    .expect("a view of an application");
    let (mut reader, heard) = cluster.connect_listening("app", "reader");
    assert_eq!(reader.refused("SELECT 1 FROM token_auth.tokens", &[]).code, "42501");
    assert_eq!(reader.list::<String>("SELECT name FROM public.own WHERE peek(name)", &[]), [format!("of {acme}")]);
    let heard = heard.lock().expect("the listener does not panic").join("\n");
    assert!(heard.contains(&format!("peeked at of {acme}")) && !heard.contains(&format!("of {rival}")), "{heard}");
}

/// An account with many tokens in two domains, some of them paused or expired, and many accounts with a few.
/// A session plans the query of a foreign key once, perhaps while the table is empty. It then keeps the plan.
#[test]
fn the_foreign_key_of_access_finds_its_token_by_both_columns_even_if_it_is_planned_on_an_empty_table() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.run(
        "PREPARE of_foreign_key (bigint, bigint) AS
             SELECT 1 FROM ONLY token_auth.token x WHERE account_id = $1 AND id = $2 FOR KEY SHARE OF x",
        &[],
    );
    db.run("SET plan_cache_mode = force_generic_plan", &[]);
    let plan: Vec<String> = db.list("EXPLAIN (COSTS OFF) EXECUTE of_foreign_key(1, 1)", &[]);
    assert!(plan.iter().any(|line| line.contains("token_account_id_id_key")), "{plan:?}");
}

fn with_many_tokens(cluster: &Cluster) -> Client {
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("many");
    assert_eq!(account, 1);
    for domain in ["one.example", "two.example"] {
        db.domain(account, domain);
    }
    db.batch_execute(&format!(
        "INSERT INTO token_auth.account (id, name) SELECT n, 'account ' || n FROM generate_series(2, 1000) AS n;
         INSERT INTO token_auth.token (id, account_id, domain_id, name, digest, hint, created_by, created_at, expires_at,
                                       paused_at)
         SELECT n, 1, n % 2 + 1, 'token ' || n, sha256(n::text::bytea),
                'tok_' || substr(md5(n::text), 1, 4) || '...' || substr(md5(n::text), 5, 4), 'me',
                now() - n * interval '1 second', CASE WHEN n % 10 = 0 THEN now() - interval '1 hour' END,
                CASE WHEN n % 17 = 0 THEN now() END
           FROM generate_series(10, {TOKENS}) AS n;
         INSERT INTO token_auth.token (id, account_id, name, digest, hint, created_by)
         SELECT n, n % 999 + 2, 'token ' || n, sha256(n::text::bytea), 'tok_' || substr(md5(n::text), 1, 4), 'me'
           FROM generate_series({TOKENS} + 1, {TOKENS} + 10000) AS n;
         INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes)
         SELECT 1, id, 1, '{{email:send}}' FROM token_auth.token WHERE account_id = 1 AND id >= 10;
         INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes)
         SELECT 1, id, 2, '{{*}}' FROM token_auth.token WHERE account_id = 1 AND id >= 10;"
    ))
    .expect("many tokens");
    db.batch_execute("VACUUM ANALYZE").expect("statistics");
    db
}

/// Returns the buffers that a plan has used, those of its subplans included.
fn buffers(plan: &[String]) -> u64 {
    let line = plan.iter().find(|line| line.trim_start().starts_with("Buffers: ")).expect("a plan with buffers");
    let numbers = line.split(['=', ' ']).filter_map(|part| part.parse::<u64>().ok());
    numbers.sum()
}
