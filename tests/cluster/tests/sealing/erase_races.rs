//! A sealed copy is created, or an account gets the profile, while `can_reveal` is turned off: in either order,
//! and at every isolation level, no copy stays that may not be revealed.

use cluster::{Client, Cluster, Sql, TokenAuth, refusal, seconds, wait_until};
use postgres::{IsolationLevel, Transaction};

const KEYS: [&str; 2] = [
    "7f3a1c05d2e84b96a0c7f1529be6438d0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6",
    "e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff10",
];

const LEVELS: [IsolationLevel; 2] = [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead];

const PROFILE_LOSES_IT: &str = "UPDATE token_auth.profile SET can_reveal = false WHERE name = '$profile'";
const ANY_WAY: [&str; 4] = [
    PROFILE_LOSES_IT,
    "UPDATE token_auth.profile SET can_reveal = false, name = 'now $profile' WHERE name = '$profile'",
    "SELECT token_auth.set_account_profile($account, 'default')",
    "UPDATE token_auth.account SET profile = 'default' WHERE id = $account",
];

#[test]
fn a_token_that_is_being_created_keeps_no_copy() {
    let mut arena = Arena::start();
    for maker in [
        "SELECT token_auth.create_token($account, 'new', '{*}', all_domains => true)",
        "SELECT token_auth.create_domain($account, 'new.example')",
        "SELECT token_auth.reset_token($token)",
    ] {
        arena.race(maker, &ANY_WAY);
    }
}

#[test]
fn a_copy_that_is_being_resealed_is_erased() {
    Arena::start().race("SELECT token_auth.reseal_tokens()", &ANY_WAY);
}

#[test]
fn an_account_that_is_getting_the_profile_keeps_no_copy() {
    let mut arena = Arena::start();
    for newcomer in [
        "SELECT token_auth.set_account_profile($mover, '$profile')",
        "UPDATE token_auth.account SET profile = '$profile' WHERE id = $mover",
        "SELECT token_auth.set_account_profile($mover, '$profile');
         SELECT token_auth.create_token($mover, 'new', '{*}', all_domains => true)",
        "UPDATE token_auth.account SET profile = '$profile' WHERE id = $mover;
         SELECT token_auth.create_token($mover, 'new', '{*}', all_domains => true)",
        "SELECT token_auth.create_token(
             token_auth.create_account('new, $profile', '$profile'), 'new', '{*}', all_domains => true)",
    ] {
        arena.race(newcomer, &ANY_WAY[..2]);
    }
}

/// The first attempt is cancelled while others wait for it: the next eraser and an account with sealed copies
/// then start at the same moment.
#[test]
fn a_second_attempt_after_one_that_was_cancelled_leaves_no_copy() {
    let mut arena = Arena::start();
    for (newcomer, eraser) in [
        ("SELECT token_auth.create_token($account, 'new', '{*}', all_domains => true)", ANY_WAY[0]),
        ("SELECT token_auth.create_token($account, 'new', '{*}', all_domains => true)", ANY_WAY[2]),
        ("SELECT token_auth.create_token($account, 'new', '{*}', all_domains => true)", ANY_WAY[3]),
        ("SELECT token_auth.set_account_profile($mover, '$profile')", PROFILE_LOSES_IT),
        ("UPDATE token_auth.account SET profile = '$profile' WHERE id = $mover", PROFILE_LOSES_IT),
    ] {
        for _ in 0..10 {
            arena.second_attempt(newcomer, eraser);
        }
    }
}

/// Setting the same profile changes nothing, so it must not block an eraser: both wait for a session that creates a token in
/// another account of the profile.
#[test]
fn setting_the_same_profile_again_blocks_no_eraser() {
    let mut arena = Arena::start();
    arena.admin.own_profile("shared", r#"{"can_reveal": true}"#);
    let [one, two] = ["one", "two"].map(|name| arena.admin.account_under(name, "shared"));
    arena.held_up_by(
        &format!("SELECT token_auth.create_token({one}, 'new', '{{*}}', all_domains => true)"),
        [
            &PROFILE_LOSES_IT.replace("$profile", "shared"),
            &format!("SELECT token_auth.set_account_profile({two}, 'shared')"),
        ],
    );
}

/// A reseal locks tokens in the order of their ids, and an eraser account by account: the reseal waits
/// for a session that changes a token of a third account.
#[test]
fn resealing_and_erasing_do_not_deadlock() {
    let mut arena = Arena::start();
    arena.admin.own_profile("shared", r#"{"can_reveal": true}"#);
    let [one, two] = ["one", "two"].map(|name| arena.admin.account_under(name, "shared"));
    let three = arena.admin.account_under("three", "elsewhere");
    let tokens = [two, three, one].map(|account| arena.admin.account_token(account, "sealed", &["*"]).id);
    assert!(one < two && tokens.is_sorted());
    arena.swap_keys();
    arena.held_up_by(
        &format!("SELECT token_auth.pause_token({})", tokens[1]),
        ["SELECT token_auth.reseal_tokens()", &PROFILE_LOSES_IT.replace("$profile", "shared")],
    );
}

/// Three sessions: one prepares and watches, and two conflict.
struct Arena {
    cluster: Cluster,
    admin: Client,
    racers: [Client; 2],
    rounds: usize,
    swapped: bool,
}

/// The work of one of the two in its transaction.
struct Part {
    sql: String,
    level: IsolationLevel,
}

impl Arena {
    fn start() -> Arena {
        let cluster = Cluster::builder()
            .preload("token_auth")
            .setting("deadlock_timeout", "100ms")
            .sealing_keys(&KEYS.join("\n"))
            .start();
        let mut admin = cluster.create_database_with_token_auth("app");
        admin.own_profile("elsewhere", r#"{"can_reveal": true}"#);
        let racers = [cluster.connect("app", "postgres"), cluster.connect("app", "postgres")];
        Arena { cluster, admin, racers, rounds: 0, swapped: false }
    }

    /// Lets a creator conflict with each eraser, in both orders and at both isolation levels.
    fn race(&mut self, maker: &str, erasers: &[&str]) {
        for eraser in erasers {
            for maker_level in LEVELS {
                for eraser_level in LEVELS {
                    self.round([(maker, maker_level), (eraser, eraser_level)]);
                    self.round([(eraser, eraser_level), (maker, maker_level)]);
                }
            }
        }
    }

    /// One has done its work, and the other begins before the first one commits.
    fn round(&mut self, parts: [(&str, IsolationLevel); 2]) {
        let parts = self.prepare(parts);
        let what = format!("{:?}: {}\nthen {:?}: {}", parts[0].level, parts[0].sql, parts[1].level, parts[1].sql);
        let Arena { admin, racers: [first, second], .. } = self;
        let second_pid: i32 = second.get("SELECT pg_backend_pid()", &[]);

        let outcomes = std::thread::scope(|threads| {
            let mut one = parts[0].begin(first);
            let mut other = parts[1].begin(second);
            let done = one.batch_execute(&parts[0].sql);
            let sql = &parts[1].sql;
            let second = threads.spawn(move || other.batch_execute(sql).and_then(|()| other.commit()));
            wait_until("the second to be done or to wait", seconds(30), || {
                second.is_finished() || is_blocked(admin, second_pid)
            });
            [done.and_then(|()| one.commit()), second.join().expect("the second ends")]
        });

        // Above READ COMMITTED one may get a serialization failure, and after a rename the name may be unknown.
        let is_renamed = parts[0].sql.contains("name = 'now ");
        for (outcome, part) in outcomes.iter().zip(&parts) {
            let code = outcome.as_ref().err().map_or_else(|| "ok".to_owned(), |error| refusal(error).code);
            let expected = match (&*code, part.level) {
                ("ok", _) => true,
                ("40001", level) => !matches!(level, IsolationLevel::ReadCommitted),
                ("P0002" | "23503", _) => is_renamed,
                _ => false,
            };
            assert!(expected, "{what}\n{:?}: {:?}", part.sql, outcome.as_ref().err().map(refusal));
        }
        self.assert_none_is_left(&what);
        self.admin.run("DELETE FROM token_auth.account", &[]);
    }

    /// An eraser waits for a session that has locked the tokens, and another eraser and a creator wait for the first one. That is
    /// cancelled, and the tokens are released after the creator has started.
    fn second_attempt(&mut self, newcomer: &str, eraser: &str) {
        let [newcomer, eraser] = self.prepare([newcomer, eraser].map(|sql| (sql, IsolationLevel::ReadCommitted)));
        let what = format!("{}, and twice: {}", newcomer.sql, eraser.sql);
        let Arena { cluster, admin, racers: [first, second], .. } = self;
        let (mut holder, mut third) = (cluster.connect("app", "postgres"), cluster.connect("app", "postgres"));
        let pids = [&mut *first, &mut *second, &mut third].map(|session| session.get("SELECT pg_backend_pid()", &[]));
        std::thread::scope(|threads| {
            let mut holding = holder.transaction().expect("a transaction");
            holding.run("SELECT FROM token_auth.token FOR UPDATE", &[]);
            let mut start = |session, sql, pid| {
                let thread = threads.spawn(move || Client::batch_execute(session, sql));
                wait_until(sql, seconds(30), || thread.is_finished() || is_blocked(admin, pid));
                thread
            };
            let cancelled = start(first, &eraser.sql, pids[0]);
            let again = start(second, &eraser.sql, pids[1]);
            let coming = start(&mut third, &newcomer.sql, pids[2]);
            admin.run("SELECT pg_cancel_backend($1)", &[&pids[0]]);
            cancelled.join().expect("it ends").expect_err("it was cancelled");
            for (thread, pid) in [(&again, pids[1]), (&coming, pids[2])] {
                wait_until(&what, seconds(30), || thread.is_finished() || is_blocked(admin, pid));
            }
            holding.commit().expect("a commit");
            for thread in [again, coming] {
                thread.join().expect("it ends").unwrap_or_else(|error| panic!("{what}: {:?}", refusal(&error)));
            }
        });
        self.assert_none_is_left(&what);
        self.admin.run("DELETE FROM token_auth.account", &[]);
    }

    /// Two statements that both succeed although a third one is in progress when they begin.
    fn held_up_by(&mut self, third: &str, statements: [&str; 2]) {
        let Arena { cluster, admin, racers: [first, second], .. } = self;
        let pids: [i32; 2] = [&mut *first, second].map(|session| session.get("SELECT pg_backend_pid()", &[]));
        let mut third_session = cluster.connect("app", "postgres");
        let outcomes = std::thread::scope(|threads| {
            let mut hurdle = third_session.transaction().expect("a transaction");
            hurdle.run(third, &[]);
            let mut threads =
                [first, second].into_iter().zip(statements).zip(pids).map(|((session, statement), pid)| {
                    let thread = threads.spawn(move || session.batch_execute(statement));
                    wait_until(statement, seconds(30), || thread.is_finished() || is_blocked(admin, pid));
                    thread
                });
            let threads = [threads.next(), threads.next()];
            hurdle.commit().expect("a commit");
            threads.map(|thread| thread.expect("two of them").join().expect("it ends"))
        });
        for (outcome, statement) in outcomes.iter().zip(statements) {
            assert!(outcome.is_ok(), "{statement}: {:?}", outcome.as_ref().err().map(refusal));
        }
        self.assert_none_is_left(&format!("{statements:?}, held up by {third}"));
    }

    /// Creates a revealing profile with an account and a token, and another account with a token that could get the profile.
    fn prepare(&mut self, parts: [(&str, IsolationLevel); 2]) -> [Part; 2] {
        self.rounds += 1;
        let profile = format!("profile {}", self.rounds);
        self.admin.own_profile(&profile, r#"{"can_reveal": true}"#);
        let account = self.admin.account_under(&format!("account {}", self.rounds), &profile);
        let token = self.admin.domain(account, "old.example").token;
        let mover = self.admin.account_under(&format!("mover {}", self.rounds), "elsewhere");
        self.admin.domain(mover, "old.example");
        self.swap_keys();
        parts.map(|(sql, level)| Part {
            sql: sql
                .replace("$profile", &profile)
                .replace("$account", &account.to_string())
                .replace("$token", &token.id.to_string())
                .replace("$mover", &mover.to_string()),
            level,
        })
    }

    /// Replaces the key, so that earlier copies must be resealed.
    fn swap_keys(&mut self) {
        self.swapped = !self.swapped;
        let [one, other] = KEYS;
        self.cluster.write_sealing_keys(&if self.swapped { [other, one] } else { [one, other] }.join("\n"), 0o600);
    }

    fn assert_none_is_left(&mut self, what: &str) {
        let left: i64 = self.admin.get(
            "SELECT count(*)
             FROM token_auth.token t
             JOIN token_auth.account a ON a.id = t.account_id
             JOIN token_auth.profile p ON p.name = a.profile
             WHERE t.sealed IS NOT NULL AND NOT p.can_reveal",
            &[],
        );
        assert_eq!(left, 0, "copies of secrets that may not be revealed: {what}");
    }
}

impl Part {
    /// The snapshot is taken here: above READ COMMITTED it is older than the work of the other.
    fn begin<'a>(&self, session: &'a mut Client) -> Transaction<'a> {
        let mut transaction = session.build_transaction().isolation_level(self.level).start().expect("a transaction");
        transaction.run("SELECT count(*) FROM token_auth.token", &[]);
        transaction
    }
}

fn is_blocked(admin: &mut Client, pid: i32) -> bool {
    admin.get("SELECT cardinality(pg_blocking_pids($1)) > 0", &[&pid])
}
