//! If COMMIT waits until another server has applied the change, no verification there that starts later sees the old
//! state: on a hot standby, and on a subscriber of logical replication.

use cluster::coherence::{DATABASE, Kind, Mode, Stress, Way, prepare_for_verifiers};
use cluster::{Client, Cluster, Sql, TokenAuth, seconds, wait_until};

/// The kinds of verification that work on a standby.
const READERS: [Way; 4] = [Way::Plain, Way::Digest, Way::Batch, Way::OldSnapshot];

#[test]
fn no_change_is_missed_on_a_standby_that_has_applied_it() {
    let primary = Cluster::builder().preload("token_auth").setting("max_prepared_transactions", "20").start();
    let mut superuser = primary.create_database_with_token_auth(DATABASE);
    prepare_for_verifiers(&mut superuser);
    let standby = Cluster::builder()
        .setting("hot_standby_feedback", "on")
        .setting("max_standby_streaming_delay", "-1")
        .start_standby_of(&primary);
    wait_for_commits_to_be_applied(&primary, &mut superuser, "walreceiver");
    let stress = Stress {
        change_on: &primary,
        verify_on: &standby,
        changers: 3,
        verifiers: &READERS,
        kinds: &Kind::ALL,
        modes: &Mode::ALL,
        forgiven: &[],
        changes: 3_000,
        alone: 10,
        each_mode: 50,
    };
    let tally = stress.run();
    tally.assert_never_stale();
    tally.assert_not_in_vain(&stress, 2_000);
}

#[test]
fn no_change_is_missed_on_a_subscriber_that_has_applied_it() {
    let (publisher, mut source) = start_publisher();
    let (subscriber, mut copy) = start_subscriber();
    prepare_for_verifiers(&mut source);
    prepare_for_verifiers(&mut copy);
    subscribe(&mut source, &mut copy);
    wait_until("the initial copy", seconds(60), || not_copied(&mut copy).is_empty());
    wait_for_commits_to_be_applied(&publisher, &mut source, SUBSCRIPTION);
    let stress = Stress {
        change_on: &publisher,
        verify_on: &subscriber,
        changers: 2,
        verifiers: &[Way::Plain, Way::Digest, Way::Batch, Way::OldSnapshot, Way::Writing],
        kinds: &Kind::ALL,
        modes: &Mode::ALL,
        forgiven: &[],
        changes: 2_000,
        alone: 10,
        each_mode: 30,
    };
    let tally = stress.run();
    tally.assert_never_stale();
    tally.assert_not_in_vain(&stress, 2_000);
    let state = "SELECT string_agg(t::text, E'\n' ORDER BY id) FROM token_auth.token t";
    assert_eq!(copy.get::<String>(state, &[]), source.get::<String>(state, &[]), "it is the copy that was asked");
}

/// Each table in turn is copied last. Reads from before are invalidated by its rows.
#[test]
fn reads_during_the_initial_copy_are_invalidated() {
    let (_publisher, mut source) = start_publisher();
    let (subscriber, mut copy) = start_subscriber();
    source.own_profile("own", r#"{"creates_domain_token": false}"#);
    let account = source.account_under("acme", "own");
    source.run("SELECT token_auth.create_domain($1, 'mail.example')", &[&account]);
    let token = source.token(account, "sender", &["email:send"], "mail.example");
    source.run(PUBLICATION, &[]);

    subscribe_again(&mut copy, &mut source);
    wait_until("the first copy", seconds(60), || not_copied(&mut copy).is_empty());
    let mut verifying = subscriber.connect(DATABASE, "postgres");
    let mut code = || verifying.verify(&token.secret, Some("email:send"), Some("mail.example")).code;
    let mut acting = subscriber.connect(DATABASE, "postgres");
    acting.run("BEGIN", &[]);
    assert_eq!(acting.get::<String>("SELECT code FROM token_auth.authenticate($1)", &[&token.secret]), "ok");
    let mut acts_as = || {
        let row = acting.row(
            "SELECT token_auth.current_account_id(), token_auth.allows('email:send', 'mail.example'),
                    token_auth.allowed_domains('email:send') = '{mail.example}'",
            &[],
        );
        (row.get::<_, Option<i64>>(0), row.get::<_, bool>(1), row.get::<_, bool>(2))
    };
    for (last, meanwhile, acts_meanwhile) in [
        ("profile", "not_found", None),
        ("account", "not_found", None),
        ("domain", "domain_not_allowed", Some(account)),
        ("token", "not_found", None),
        ("token_access", "domain_not_allowed", Some(account)),
    ] {
        assert_eq!((code(), acts_as()), ("ok".to_owned(), (Some(account), true, true)), "before {last}");
        copy.run(&format!("DROP SUBSCRIPTION {SUBSCRIPTION}"), &[]);
        copy.batch_execute("DELETE FROM token_auth.account; DELETE FROM token_auth.profile WHERE NOT builtin")
            .expect("an empty copy");
        assert_eq!((code(), acts_as()), ("not_found".to_owned(), (None, false, false)), "without any, before {last}");
        let mut gate = subscriber.connect(DATABASE, "postgres");
        gate.batch_execute(&format!("BEGIN; LOCK TABLE token_auth.{last} IN SHARE MODE")).expect("nobody writes it");
        subscribe_again(&mut copy, &mut source);
        wait_until("the copies of the others", seconds(60), || not_copied(&mut copy) == [last]);
        for _ in 0..3 {
            assert_eq!((code(), acts_as()), (meanwhile.to_owned(), (acts_meanwhile, false, false)), "without {last}");
        }
        gate.run("COMMIT", &[]);
        wait_until("the last copy", seconds(60), || not_copied(&mut copy).is_empty());
        assert_eq!(code(), "ok", "verified, after {last} was copied");
        assert_eq!(acts_as(), (Some(account), true, true), "acting, after {last} was copied");
    }
}

const SUBSCRIPTION: &str = "copy";

/// Returns the tables whose contents are not copied yet.
fn not_copied(subscriber: &mut Client) -> Vec<String> {
    subscriber.list(
        "SELECT relname::text FROM pg_subscription_rel s JOIN pg_class c ON c.oid = s.srrelid
         WHERE srsubstate NOT IN ('s', 'r')
         ORDER BY 1",
        &[],
    )
}

/// The statement of docs/verification.md.
const PUBLICATION: &str = "CREATE PUBLICATION tokens FOR TABLES IN SCHEMA token_auth";

fn start_publisher() -> (Cluster, Client) {
    let cluster = Cluster::builder()
        .preload("token_auth")
        .setting("wal_level", "logical")
        .setting("max_prepared_transactions", "20")
        .start();
    let superuser = cluster.create_database_with_token_auth(DATABASE);
    (cluster, superuser)
}

fn start_subscriber() -> (Cluster, Client) {
    let cluster = Cluster::builder()
        .preload("token_auth")
        .setting("max_worker_processes", "20")
        .setting("max_logical_replication_workers", "12")
        .setting("max_sync_workers_per_subscription", "8")
        .setting("wal_retrieve_retry_interval", "100ms")
        .start();
    let superuser = cluster.create_database_with_token_auth(DATABASE);
    (cluster, superuser)
}

fn subscribe(source: &mut Client, copy: &mut Client) {
    source.run(PUBLICATION, &[]);
    subscribe_again(copy, source);
}

fn subscribe_again(copy: &mut Client, source: &mut Client) {
    let socket: String = source.get("SHOW unix_socket_directories", &[]);
    copy.run(
        &format!(
            "CREATE SUBSCRIPTION {SUBSCRIPTION} CONNECTION 'host={socket} dbname={DATABASE} user=postgres'
             PUBLICATION tokens"
        ),
        &[],
    );
}

/// From now on COMMIT returns after the server with this name has applied it.
fn wait_for_commits_to_be_applied(cluster: &Cluster, superuser: &mut Client, name: &str) {
    cluster.reload_with("synchronous_standby_names", name);
    cluster.reload_with("synchronous_commit", "remote_apply");
    let is_sync = "SELECT sync_state = 'sync' FROM pg_stat_replication WHERE application_name = $1";
    wait_until("it to be waited for", seconds(30), || superuser.list::<bool>(is_sync, &[&name]) == [true]);
}
