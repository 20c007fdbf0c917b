//! Logical replication of a whole database, the extension's tables included: to a copy, and to a server that takes over.

use cluster::scene::every_state::{EveryState, everything};
use cluster::{Client, Cluster, Sql, TokenAuth, readme, seconds, wait_until};

/// Creates a database with every kind of state, and an empty one with the extension on another server.
fn publisher_and_subscriber() -> (Cluster, Client, EveryState, Cluster, Client) {
    let publisher = Cluster::builder()
        .preload("token_auth")
        .setting("wal_level", "logical")
        .setting("token_auth.databases", "none")
        .start();
    let mut source = publisher.create_database_with_token_auth("app");
    let state = EveryState::create(&mut source);
    let subscriber = Cluster::builder()
        .preload("token_auth")
        .setting("wal_level", "logical")
        .setting("token_auth.databases", "none")
        .start();
    let copy = subscriber.create_database_with_token_auth("app");
    (publisher, source, state, subscriber, copy)
}

fn subscribe(publisher: &Cluster, copy: &mut Client) {
    copy.batch_execute(&format!(
        "CREATE SUBSCRIPTION everything CONNECTION 'host={} dbname=app user=postgres' PUBLICATION everything",
        publisher.socket_directory().display()
    ))
    .expect("a subscription");
    wait_until("the initial copy", seconds(60), || {
        copy.get::<bool>("SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel", &[])
    });
}

/// The rows of the tables. Sequences are not replicated.
fn rows(db: &mut Client) -> Vec<String> {
    everything(db).into_iter().filter(|row| !row.split(':').next().is_some_and(|name| name.ends_with("_seq"))).collect()
}

/// Waits until what is committed on the publisher is applied.
fn catch_up(source: &mut Client) {
    let here: String = source.get("SELECT pg_current_wal_lsn()::text", &[]);
    wait_until("the subscriber", seconds(60), || {
        source.get::<bool>(
            "SELECT coalesce(bool_and(confirmed_flush_lsn >= $1::text::pg_lsn), false) FROM pg_replication_slots",
            &[&here],
        )
    });
}

#[test]
fn a_subscriber_of_all_tables_has_every_token_and_its_own_presets() {
    for publication in ["FOR ALL TABLES", "FOR TABLES IN SCHEMA token_auth"] {
        let (publisher, mut source, state, _subscriber, mut copy) = publisher_and_subscriber();
        source.batch_execute(&format!("CREATE PUBLICATION everything {publication}")).expect("a publication");
        subscribe(&publisher, &mut copy);
        assert_eq!(rows(&mut copy), rows(&mut source), "{publication}");
        assert_eq!(state.answers(&mut copy), state.answers(&mut source), "{publication}");

        // And what changes later: also a profile that is not a preset, with a resource.
        source.own_profile("later", r#"{"secret_prefix": "later_"}"#);
        source.run("INSERT INTO token_auth.profile_resource VALUES ('later', 'email', '{send}')", &[]);
        source.run("UPDATE token_auth.profile SET can_rename = false WHERE name = 'own'", &[]);
        let account = source.account_under("later", "later");
        let token = source.account_token(account, "sender", &["email:send"]);
        catch_up(&mut source);
        assert!(copy.is_good(&token.secret), "{publication}");
        source.run("SELECT token_auth.delete_token($1)", &[&token.id]);
        catch_up(&mut source);
        assert!(!copy.is_good(&token.secret), "{publication}");
        assert_eq!(rows(&mut copy), rows(&mut source), "{publication}");
        assert_eq!(copy.refused("DELETE FROM token_auth.profile WHERE name = 'tosend'", &[]).code, "55000");
    }
}

/// The steps of docs/verification.md.
#[test]
fn a_subscriber_takes_over() {
    let (publisher, mut source, state, subscriber, mut copy) = publisher_and_subscriber();
    source.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").expect("a publication");
    subscribe(&publisher, &mut copy);
    let last = source.account("the last one there");
    catch_up(&mut source);
    copy.batch_execute("DROP SUBSCRIPTION everything").expect("the copy is complete");
    copy.batch_execute(&readme::sequences()).expect("the statement of docs/verification.md");
    assert_eq!(state.answers(&mut copy), state.answers(&mut source));
    let next = copy.account("the first one here");
    assert!(next > last, "{next} after {last}");
    let domain = copy.domain(next, "mail.example");
    assert!(subscriber.connect("app", "postgres").is_good(&domain.token.secret));
}
