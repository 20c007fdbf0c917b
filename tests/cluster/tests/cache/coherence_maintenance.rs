//! No verification is stale, and none fails, while the tables are rebuilt and altered under it.

use cluster::coherence::{DATABASE, Kind, Mode, Stress, Way, prepare_for_verifiers};
use cluster::{Cluster, refusal};

const TABLES: [&str; 5] = ["token", "token_access", "account", "domain", "profile"];

#[test]
fn no_change_is_missed_during_maintenance() {
    let cluster = Cluster::builder().preload("token_auth").setting("max_prepared_transactions", "20").start();
    let mut superuser = cluster.create_database_with_token_auth(DATABASE);
    prepare_for_verifiers(&mut superuser);
    let rounds = [
        "REINDEX TABLE token_auth.$",
        "ALTER TABLE token_auth.$ ADD own int",
        "VACUUM FULL token_auth.$",
        "REINDEX TABLE CONCURRENTLY token_auth.$",
        "ALTER TABLE token_auth.$ ADD rewritten text DEFAULT random()::text",
        "CLUSTER token_auth.$ USING $_pkey",
        "ALTER TABLE token_auth.$ ALTER own TYPE text",
        "VACUUM (FREEZE, ANALYZE) token_auth.$",
        "ALTER TABLE token_auth.$ DROP own, DROP rewritten",
        "ALTER TABLE token_auth.$ SET (fillfactor = 70)",
    ];
    let statements = rounds.iter().flat_map(|statement| TABLES.map(|table| statement.replace('$', table)));
    let mut statements = statements.clone().chain(statements);
    let stress = Stress {
        change_on: &cluster,
        verify_on: &cluster,
        changers: 2,
        verifiers: &[Way::Plain, Way::Digest, Way::Batch, Way::OldSnapshot, Way::Writing],
        kinds: &Kind::ALL,
        modes: &Mode::UNPREPARED,
        // A transaction that changes several tables conflicts with one that locks them, and may find a rewritten table empty.
        forgiven: &["40P01", "P0002"],
        changes: 1_000,
        alone: 5,
        each_mode: 10,
    };
    let tally = stress.run_while(|| {
        let Some(statement) = statements.next() else { return false };
        while let Err(error) = superuser.execute(&statement, &[]) {
            assert_eq!(refusal(&error).code, "40P01", "{statement}");
        }
        true
    });
    tally.assert_never_stale();
    tally.assert_not_in_vain(&stress, 2_000);
}
