//! Once COMMIT of a change has returned, no verification that starts later sees the old state, in whichever session.

use cluster::coherence::{DATABASE, Kind, Mode, Stress, Way, prepare_for_verifiers};
use cluster::{Cluster, Sql};

const VERIFIERS: [Way; 5] = [Way::Plain, Way::Digest, Way::Batch, Way::OldSnapshot, Way::Writing];

#[test]
fn no_change_is_ever_missed() {
    let cluster = start();
    let stress = Stress { changes: 10_000, alone: 50, each_mode: 200, ..stress(&cluster, &Kind::ALL) };
    let tally = stress.run();
    tally.assert_never_stale();
    tally.assert_not_in_vain(&stress, 5_000);
}

/// The test of the test: with one trigger removed it finds the missed changes.
#[test]
fn a_change_without_its_trigger_is_missed() {
    let cluster = start();
    let mut superuser = cluster.connect(DATABASE, "postgres");
    let functions: Vec<String> = superuser.list(
        "SELECT DISTINCT tgfoid::regproc::text
         FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
         WHERE relnamespace = 'token_auth'::regnamespace AND tgname = '_invalidate_cache' ORDER BY 1",
        &[],
    );
    for (function, kinds) in [
        ("invalidate_token_cache", &[Kind::PauseToken, Kind::GrantAccess, Kind::DeleteToken][..]),
        ("invalidate_account_cache", &[Kind::PauseAccount, Kind::SetAccountProfile, Kind::RenameDomain]),
        ("invalidate_whole_cache", &[Kind::ChangeProfile]),
    ] {
        let function = format!("token_auth.{function}");
        assert!(functions.contains(&function), "{functions:?}");
        let was: String = superuser.get("SELECT pg_get_functiondef($1::text::regproc)", &[&function]);
        let silent = "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
        superuser.run(&format!("CREATE OR REPLACE FUNCTION {function}() {silent}"), &[]);
        // Whether a verifier asks in time is a matter of chance, so a run may not find every kind.
        let mut not_missed = kinds.to_vec();
        for _ in 0..5 {
            let missed = Stress { changes: 1_200, ..stress(&cluster, &Kind::ALL) }.run().missed();
            not_missed.retain(|kind| !missed.contains_key(kind));
            if not_missed.is_empty() {
                break;
            }
        }
        superuser.batch_execute(&was).expect("as it was");
        assert!(not_missed.is_empty(), "without {function}, no stale answer after {not_missed:?}");
    }
    assert_eq!(functions.len(), 3, "{functions:?}");
    // With all triggers it finds none.
    Stress { changes: 500, ..stress(&cluster, &Kind::ALL) }.run().assert_never_stale();
}

fn start() -> Cluster {
    let cluster = Cluster::builder().preload("token_auth").setting("max_prepared_transactions", "20").start();
    let mut superuser = cluster.create_database_with_token_auth(DATABASE);
    prepare_for_verifiers(&mut superuser);
    cluster
}

fn stress<'a>(cluster: &'a Cluster, kinds: &'a [Kind]) -> Stress<'a> {
    Stress {
        change_on: cluster,
        verify_on: cluster,
        changers: 4,
        verifiers: &VERIFIERS,
        kinds,
        modes: &Mode::ALL,
        forgiven: &[],
        changes: 0,
        alone: 0,
        each_mode: 0,
    }
}
