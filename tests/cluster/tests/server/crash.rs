//! What a COMMIT has acknowledged exists after the server ended in any way: no token is lost, and none returns.

use cluster::{Client, Cluster, NewToken, Stop, TokenAuth, seconds, wait_until};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const SESSIONS: usize = 4;

/// The server is stopped when each session has had at least this many acknowledgements.
const ENOUGH: usize = 40;

#[test]
fn an_immediate_stop_loses_no_token_and_brings_none_back() {
    nothing_acknowledged_is_lost(Stop::Immediate);
}

#[test]
fn a_restart_loses_no_token_and_brings_none_back() {
    nothing_acknowledged_is_lost(Stop::Fast);
}

fn nothing_acknowledged_is_lost(how: Stop) {
    let cluster = Cluster::builder().setting("fsync", "on").preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    let account = db.account("acme");
    db.domain(account, "mail.example");

    let sessions: Vec<Session> =
        (0..SESSIONS).map(|_| Session::start(cluster.connect("app", "postgres"), account)).collect();
    wait_until("traffic in every session", seconds(60), || sessions.iter().all(|s| s.acknowledged() >= ENOUGH));
    cluster.stop(how);
    let record: Vec<Acknowledged> = sessions.into_iter().flat_map(Session::end).collect();
    cluster.start();

    let mut db = cluster.connect("app", "postgres");
    for Acknowledged { token, deleted } in &record {
        let code = db.verify(&token.secret, Some("email:send"), Some("mail.example")).code;
        assert_eq!(code, if *deleted { "not_found" } else { "ok" }, "token {}", token.id);
    }
    let deleted = record.iter().filter(|entry| entry.deleted).count();
    assert!(deleted > 0 && deleted < record.len(), "{deleted} of {} deleted: not the mixture meant", record.len());
    // The identity counter has not gone back either: a new token gets an id of its own.
    let fresh = db.token(account, "fresh", &["*"], "mail.example");
    assert!(record.iter().all(|entry| entry.token.id < fresh.id), "id {} was used before", fresh.id);
}

/// A token whose creation, and perhaps deletion, was acknowledged. What was in progress at the end is not recorded.
struct Acknowledged {
    token: NewToken,
    deleted: bool,
}

/// A session that creates tokens and deletes every second one, until it loses the server.
struct Session {
    thread: std::thread::JoinHandle<Vec<Acknowledged>>,
    acknowledged: Arc<AtomicUsize>,
}

impl Session {
    fn start(mut client: Client, account: i64) -> Session {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&acknowledged);
        let thread = std::thread::spawn(move || {
            let mut record = Vec::new();
            while let Some(token) = create(&mut client, account) {
                counter.fetch_add(1, Ordering::Relaxed);
                let deleted = record.len() % 2 == 1;
                if deleted && client.execute("SELECT token_auth.delete_token($1)", &[&token.id]).is_err() {
                    break;
                }
                record.push(Acknowledged { token, deleted });
            }
            assert!(
                client.is_closed() || client.execute("SELECT 1", &[]).is_err(),
                "the traffic ended before the server"
            );
            record
        });
        Session { thread, acknowledged }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    fn end(self) -> Vec<Acknowledged> {
        self.thread.join().expect("the session ends by losing the server")
    }
}

fn create(client: &mut Client, account: i64) -> Option<NewToken> {
    let row = client.query_one(
        "SELECT token_id, secret FROM token_auth.create_token(
             account_id => $1, name => 'made in traffic', scopes => '{email:send}', domain => 'mail.example')",
        &[&account],
    );
    row.ok().map(|row| NewToken { id: row.get(0), secret: row.get(1) })
}
