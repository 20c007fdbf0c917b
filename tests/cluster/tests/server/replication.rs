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
    create_subscription(publisher, copy);
    wait_until("the initial copy", seconds(60), || {
        copy.get::<bool>("SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel", &[])
    });
}

fn create_subscription(publisher: &Cluster, copy: &mut Client) {
    copy.batch_execute(&format!(
        "CREATE SUBSCRIPTION everything CONNECTION 'host={} dbname=app user=postgres' PUBLICATION everything",
        publisher.socket_directory().display()
    ))
    .expect("a subscription");
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

/// A subscription copies tables in any order, and applies what comes later.
#[test]
fn a_change_of_a_preset_on_the_publisher_reaches_no_preset_of_the_subscriber() {
    let (publisher, mut source, _, _subscriber, mut copy) = publisher_and_subscriber();
    let presets = "SELECT array_agg(row ORDER BY row)
                     FROM (SELECT p::text FROM token_auth.profile p WHERE builtin
                           UNION ALL
                           SELECT r::text FROM token_auth.profile_resource r
                             JOIN token_auth.profile p ON p.name = r.profile WHERE builtin) presets (row)";
    let before: Vec<String> = copy.get(presets, &[]);
    as_its_script(&mut source, "UPDATE token_auth.profile SET reset_grace = '1 second' WHERE name = 'mailersend'");
    source.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").expect("a publication");
    subscribe(&publisher, &mut copy);
    assert_eq!(copy.get::<Vec<String>>(presets, &[]), before, "the initial copy");
    for change in [
        "UPDATE token_auth.profile SET can_rename = NOT can_rename WHERE name = 'mailersend'",
        "UPDATE token_auth.profile SET name = 'renamed' WHERE name = 'mailosaur'",
        "UPDATE token_auth.profile_resource SET actions = '{read}' WHERE profile = 'mailersend' AND resource = 'email'",
        "DELETE FROM token_auth.profile_resource WHERE profile = 'mailersend'",
        "DELETE FROM token_auth.profile WHERE name = 'mailtrap'",
        "INSERT INTO token_auth.profile_resource VALUES ('mailersend', 'fax', '{send}')",
    ] {
        as_its_script(&mut source, change);
        source.account(change);
        catch_up(&mut source);
        assert_eq!(copy.get::<Vec<String>>(presets, &[]), before, "{change}");
        assert!(copy.get::<bool>("SELECT EXISTS (SELECT FROM token_auth.account WHERE name = $1)", &[&change]));
    }
}

#[test]
fn a_profile_that_is_a_preset_on_one_side_only_is_refused_by_the_subscriber() {
    for (there, refused, mend) in [
        (
            "INSERT INTO token_auth.profile (name, builtin) VALUES ('later', true)",
            "profile \"later\" is a preset where the row comes from, and this database has no such preset",
            // As an update of the extension would.
            "INSERT INTO token_auth.profile (name, builtin) VALUES ('later', true)",
        ),
        (
            "INSERT INTO token_auth.profile (name) VALUES ('ours')",
            "profile \"ours\" is a preset in this database, and none where the row comes from",
            "UPDATE token_auth.profile SET builtin = false WHERE name = 'ours'; DELETE FROM token_auth.profile WHERE name = 'ours'",
        ),
        (
            "UPDATE token_auth.profile SET builtin = true WHERE name = 'own'",
            "profile \"own\" is a preset where the row comes from, and this database has no such preset",
            "UPDATE token_auth.profile SET builtin = true WHERE name = 'own'",
        ),
    ] {
        for is_copied in [true, false] {
            let (publisher, mut source, _, subscriber, mut copy) = publisher_and_subscriber();
            as_its_script(&mut copy, "INSERT INTO token_auth.profile (name, builtin) VALUES ('ours', true)");
            source.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").expect("a publication");
            if !is_copied {
                subscribe(&publisher, &mut copy);
            }
            as_its_script(&mut source, there);
            if is_copied {
                create_subscription(&publisher, &mut copy);
            }
            wait_until(refused, seconds(60), || !subscriber.log().lines_with(refused).is_empty());
            // Nothing is lost: replication goes on when the reason is gone.
            source.account("made meanwhile");
            as_its_script(&mut copy, mend);
            catch_up(&mut source);
            let has = "SELECT EXISTS (SELECT FROM token_auth.account WHERE name = 'made meanwhile')";
            wait_until("the account", seconds(60), || copy.get::<bool>(has, &[]));
        }
    }
}

#[test]
fn a_truncate_of_presets_on_the_publisher_is_refused_by_the_subscriber() {
    let (publisher, mut source, _, subscriber, mut copy) = publisher_and_subscriber();
    source.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").expect("a publication");
    subscribe(&publisher, &mut copy);
    as_its_script(&mut source, "TRUNCATE token_auth.profile_resource");
    let refused = "token_auth.profile_resource cannot be truncated, since presets are in it or may be";
    wait_until(refused, seconds(60), || !subscriber.log().lines_with(refused).is_empty());
}

/// In an ordinary session `protect_presets` decides, however the trigger for replicas is enabled.
#[test]
fn the_trigger_for_replicas_does_nothing_elsewhere() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.run("ALTER TABLE token_auth.profile ENABLE ALWAYS TRIGGER skip_replicated_presets", &[]);
    db.own_profile("own", "{}");
    db.run("UPDATE token_auth.profile SET can_rename = false WHERE name = 'own'", &[]);
    db.run("ALTER TABLE token_auth.profile DISABLE TRIGGER protect_presets", &[]);
    assert_eq!(
        db.execute("UPDATE token_auth.profile SET can_rename = false WHERE name = 'mailersend'", &[]).ok(),
        Some(1)
    );
}

/// Changes presets, as a script of the extension does.
fn as_its_script(db: &mut Client, change: &str) {
    const TABLES: [&str; 2] = ["profile", "profile_resource"];
    for (state, then) in [("DISABLE", Some(change)), ("ENABLE", None)] {
        for table in TABLES {
            db.run(&format!("ALTER TABLE token_auth.{table} {state} TRIGGER protect_presets"), &[]);
            let always = if state == "ENABLE" { "ENABLE ALWAYS" } else { state };
            db.run(&format!("ALTER TABLE token_auth.{table} {always} TRIGGER protect_presets_truncate"), &[]);
        }
        if let Some(change) = then {
            db.batch_execute(change).expect(change);
        }
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

    // The worker removes expired tokens from now on, also if the first token is not made yet.
    let expired = "SELECT count(*) FROM token_auth.token WHERE name = 'expired, not swept'";
    assert_eq!(copy.get::<i64>(expired, &[]), 1);
    copy.batch_execute(&readme::sequences()).expect("the statement, once more");
    copy.run("UPDATE token_auth.profile SET expired_retention = '0' WHERE name = 'own'", &[]);
    copy.run("UPDATE token_auth.account SET profile = 'own' WHERE id = (SELECT account_id FROM token_auth.token WHERE name = 'expired, not swept')", &[]);
    subscriber.reload_with("token_auth.sweep_interval", "1s");
    subscriber.reload_with("token_auth.databases", "app");
    wait_until("the worker removes the expired token", seconds(30), || copy.get::<i64>(expired, &[]) == 0);
}

/// Without a row a sequence begins at 1, as in a new database.
#[test]
fn a_subscriber_without_tokens_takes_over() {
    let cluster = Cluster::builder().start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.batch_execute(&readme::sequences()).expect("the statement of docs/verification.md");
    assert_eq!(db.account("the first"), 1);
}
