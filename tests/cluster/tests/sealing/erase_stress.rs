//! Many sessions that create, reset and reseal tokens, change profiles and turn `can_reveal` off and on at the same time: no
//! copy stays that may not be revealed, and sessions that use the functions do not deadlock.

use cluster::{Client, Cluster, NewToken, Refusal, Sql, TokenAuth, refusal, seconds};
use postgres::IsolationLevel;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const SESSIONS: u64 = 6;
const LASTING: Duration = seconds(4);
const ACCOUNTS: u64 = 4;

const KEYS: [&str; 2] = [
    "7f3a1c05d2e84b96a0c7f1529be6438d0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6",
    "e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff10",
];

/// The profile `wavering` reveals at times, `vault` always and `default` never. Each statement is a transaction.
const BY_FUNCTION: [&str; 12] = [
    "SELECT token_auth.create_token($account, 'new', '{*}', all_domains => true)",
    "SELECT token_auth.create_token($account, 'new', '{*}', domain => 'first.example')",
    "SELECT token_auth.create_domain($account, '$number.example')",
    "SELECT token_auth.reset_token($token)",
    "SELECT token_auth.delete_token($token)",
    "SELECT token_auth.pause_token($token)",
    "SELECT token_auth.rename_account($account, 'account $number')",
    "SELECT token_auth.reseal_tokens(max_tokens => 50)",
    "SELECT token_auth.set_account_profile($account, '$profile')",
    "SELECT token_auth.set_account_profile($account, 'wavering')",
    // There is no function for these.
    "UPDATE token_auth.profile SET can_reveal = false WHERE name = 'wavering'",
    "UPDATE token_auth.profile SET can_reveal = true WHERE name = 'wavering'",
];
const BY_HAND: [&str; 2] = [
    "UPDATE token_auth.account SET profile = '$profile' WHERE id = $account",
    "UPDATE token_auth.account SET profile = 'wavering' WHERE id = $account",
];

/// The errors that concurrent changes of a token, or a serialization failure, may cause.
const EXPECTED: [&str; 4] = ["P0002", "55000", "23001", "40001"];

#[test]
fn many_sessions_that_use_the_functions_leave_no_copy_and_do_not_deadlock() {
    let total = stress(&BY_FUNCTION);
    assert!(total.unexpected.is_empty(), "{} unexpected refusals: {:#?}", total.unexpected.len(), total.unexpected);
}

/// A manual UPDATE locks the account before its profile, against the lock order of the functions.
#[test]
fn many_sessions_that_move_accounts_by_hand_leave_no_copy() {
    let mut total = stress(&[&BY_FUNCTION[..], &BY_HAND, &BY_HAND].concat());
    total.unexpected.retain(|(_, refusal)| refusal.code != "40P01");
    assert!(total.unexpected.is_empty(), "{} unexpected refusals: {:#?}", total.unexpected.len(), total.unexpected);
}

fn stress(statements: &[&'static str]) -> Outcomes {
    let cluster = Cluster::builder()
        .preload("token_auth")
        .setting("deadlock_timeout", "50ms")
        .setting("max_pred_locks_per_transaction", "512")
        .sealing_keys(&KEYS.join("\n"))
        .start();
    let mut db = cluster.create_database_with_token_auth("app");
    for profile in ["wavering", "vault"] {
        db.own_profile(profile, r#"{"can_reveal": true}"#);
    }
    for number in 1..=ACCOUNTS {
        let account = db.account_under(&format!("first {number}"), "wavering");
        db.domain(account, "first.example");
    }
    // This account keeps its profile, and its copies are resealed repeatedly.
    let steady = db.account_under("steady", "vault");
    let steady: Vec<NewToken> = (0..20).map(|_| db.account_token(steady, "steady", &["*"])).collect();

    let sessions: Vec<Client> = (0..SESSIONS).map(|_| cluster.connect("app", "postgres")).collect();
    let mut total = Outcomes::default();
    std::thread::scope(|threads| {
        let running: Vec<_> = sessions
            .into_iter()
            .zip(1..)
            .map(|(session, number)| threads.spawn(move || Session { session, random: number }.run(statements)))
            .collect();
        let began = Instant::now();
        let mut keys = KEYS;
        while began.elapsed() < LASTING {
            assert_eq!(left_behind(&mut db), 0, "in the middle of it");
            keys.reverse();
            cluster.write_sealing_keys(&keys.join("\n"), 0o600);
            std::thread::sleep(Duration::from_millis(50));
        }
        running.into_iter().for_each(|thread| total.add(thread.join().expect("a session ends")));
    });

    assert_eq!(left_behind(&mut db), 0);
    println!("{:#?}", total.counts);
    for statement in statements {
        assert!(total.counts.contains_key(&(*statement, "ok".to_owned())), "never succeeded: {statement}");
    }
    for token in steady {
        assert_eq!(db.get::<String>("SELECT token_auth.reveal_token($1)", &[&token.id]), token.secret);
    }
    total
}

fn left_behind(db: &mut Client) -> i64 {
    db.get(
        "SELECT count(*)
         FROM token_auth.token t
         JOIN token_auth.account a ON a.id = t.account_id
         JOIN token_auth.profile p ON p.name = a.profile
         WHERE t.sealed IS NOT NULL AND NOT p.can_reveal",
        &[],
    )
}

/// The outcomes of each statement, and unexpected errors.
#[derive(Default)]
struct Outcomes {
    counts: BTreeMap<(&'static str, String), u32>,
    unexpected: Vec<(String, Refusal)>,
}

impl Outcomes {
    fn add(&mut self, other: Outcomes) {
        for (outcome, count) in other.counts {
            *self.counts.entry(outcome).or_default() += count;
        }
        self.unexpected.extend(other.unexpected);
    }
}

/// A session that runs one statement after another.
struct Session {
    session: Client,
    random: u64,
}

impl Session {
    fn run(mut self, statements: &[&'static str]) -> Outcomes {
        let mut outcomes = Outcomes::default();
        let began = Instant::now();
        while began.elapsed() < LASTING {
            let statement = self.pick(statements);
            let level = self.pick(&[
                IsolationLevel::ReadCommitted,
                IsolationLevel::ReadCommitted,
                IsolationLevel::RepeatableRead,
                IsolationLevel::Serializable,
            ]);
            let sql = statement
                .replace("$account", &(1 + self.below(ACCOUNTS)).to_string())
                .replace("$profile", self.pick(&["default", "vault"]))
                .replace("$number", &self.below(u64::MAX).to_string())
                .replace(
                    "$token",
                    "(SELECT id FROM token_auth.token WHERE account_id <= $accounts ORDER BY random() LIMIT 1)",
                )
                .replace("$accounts", &ACCOUNTS.to_string());
            let mut transaction =
                self.session.build_transaction().isolation_level(level).start().expect("a transaction");
            let outcome = transaction.batch_execute(&sql).and_then(|()| transaction.commit());
            let code = match outcome {
                Ok(()) => "ok".to_owned(),
                Err(error) => {
                    let refusal = refusal(&error);
                    let code = refusal.code.clone();
                    let in_vain = code == "40001" && matches!(level, IsolationLevel::ReadCommitted);
                    if in_vain || !EXPECTED.contains(&code.as_str()) {
                        outcomes.unexpected.push((format!("{level:?}: {sql}"), refusal));
                    }
                    code
                }
            };
            *outcomes.counts.entry((statement, code)).or_default() += 1;
        }
        outcomes
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len() as u64) as usize]
    }

    /// xorshift64*
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 1) % limit
    }
}
