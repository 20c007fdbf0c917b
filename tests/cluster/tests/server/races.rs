//! Two sessions at the same time: invariants hold at every isolation level, and the loser gets an error that says why.

use cluster::{Client, Cluster, Refusal, Sql, TokenAuth, refusal};
use postgres::{Error, IsolationLevel, Transaction};
use std::sync::Barrier;

const ROUNDS: usize = 200;

const LEVELS: [IsolationLevel; 3] =
    [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead, IsolationLevel::Serializable];

const DELETE_BY_FUNCTION: &str = "SELECT token_auth.delete_token($1)";
const DELETE_BY_HAND: &str = "DELETE FROM token_auth.token WHERE id = $1";
const EXPIRE_BY_HAND: &str = "UPDATE token_auth.token SET expires_at = now() WHERE id = $1";

#[test]
fn the_last_token_of_a_domain_survives_two_deleters() {
    the_last_token_survives([DELETE_BY_FUNCTION, DELETE_BY_FUNCTION]);
}

#[test]
fn the_last_token_of_a_domain_survives_two_plain_deletes() {
    the_last_token_survives([DELETE_BY_HAND, DELETE_BY_HAND]);
}

#[test]
fn the_last_token_of_a_domain_survives_two_early_ends() {
    the_last_token_survives([EXPIRE_BY_HAND, EXPIRE_BY_HAND]);
}

#[test]
fn the_last_token_of_a_domain_survives_a_deleter_and_an_early_end() {
    the_last_token_survives([DELETE_BY_FUNCTION, EXPIRE_BY_HAND]);
}

#[test]
fn a_token_is_reset_once_by_two_sessions() {
    race(|arena, level, round| {
        let account = arena.admin.account(&format!("{level:?} {round}"));
        let token = arena.admin.account_token(account, "contested", &["*"]);
        let reset = |work: &mut Transaction| work.query("SELECT * FROM token_auth.reset_token(id => $1)", &[&token.id]);

        let loser = arena.one_wins(level, [&|a| reset(a).map(drop), &|b| reset(b).map(drop)]);
        assert_refused(&loser, "55000", level);
        let tokens: i64 = arena.admin.get("SELECT count(*) FROM token_auth.token WHERE account_id = $1", &[&account]);
        assert_eq!(tokens, 2, "{level:?}, round {round}: the old token and one successor");
    });
}

#[test]
fn the_name_of_an_account_is_taken_once() {
    race(|arena, level, round| {
        let name = format!("Contested {level:?} {round}");
        let create = |work: &mut Transaction| work.query("SELECT token_auth.create_account(name => $1)", &[&name]);

        let loser = arena.one_wins(level, [&|a| create(a).map(drop), &|b| create(b).map(drop)]);
        assert_name_is_taken(&loser, level);
    });
}

#[test]
fn the_name_of_a_domain_is_taken_once_in_whatever_case() {
    race(|arena, level, round| {
        let account = arena.admin.account(&format!("{level:?} {round}"));
        let create = |work: &mut Transaction, name: &str| {
            work.query("SELECT * FROM token_auth.create_domain(account_id => $1, name => $2)", &[&account, &name])
        };

        let loser = arena.one_wins(
            level,
            [&|a| create(a, "Contested.Example").map(drop), &|b| create(b, "conTESTED.example").map(drop)],
        );
        assert_name_is_taken(&loser, level);
    });
}

#[test]
fn a_request_creates_one_token() {
    race(|arena, level, round| {
        let account = arena.admin.account(&format!("{level:?} {round}"));
        let create = |work: &mut Transaction| {
            let sql =
                "SELECT * FROM token_auth.create_token($1, 'x', '{*}', all_domains => true, request_id => 'once')";
            work.query(sql, &[&account])
        };

        let loser = arena.one_wins(level, [&|a| create(a).map(drop), &|b| create(b).map(drop)]);
        assert_refused(&loser, "23505", level);
        if loser.code == "23505" {
            assert_eq!(loser.constraint, "request_repeated", "{loser:?}");
        }
    });
}

#[test]
fn a_secret_is_imported_once() {
    race(|arena, level, round| {
        let account = arena.admin.account(&format!("{level:?} {round}"));
        let secret = format!("an old secret {level:?} {round}");
        let import = |work: &mut Transaction| {
            let sql = "SELECT token_auth.import_token($1, 'x', '{*}', all_domains => true, secret => $2)";
            work.query(sql, &[&account, &secret])
        };

        let loser = arena.one_wins(level, [&|a| import(a).map(drop), &|b| import(b).map(drop)]);
        assert_refused(&loser, "23505", level);
    });
}

#[test]
fn an_account_never_has_more_tokens_than_max_tokens() {
    race(|arena, level, round| {
        if round == 1 {
            arena.admin.own_profile(&format!("{level:?}"), r#"{"max_tokens": 2}"#);
        }
        let account = arena.admin.account_under(&format!("{level:?} {round}"), &format!("{level:?}"));
        arena.admin.account_token(account, "first", &["*"]);
        let create = |work: &mut Transaction| {
            work.query("SELECT * FROM token_auth.create_token($1, 'x', '{*}', all_domains => true)", &[&account])
        };
        let import = |work: &mut Transaction| {
            let sql = "SELECT token_auth.import_token($1, 'x', '{*}', all_domains => true, digest => sha256($2::text::bytea))";
            work.query(sql, &[&account, &format!("{level:?} {round}")])
        };

        let loser = arena.one_wins(level, [&|a| create(a).map(drop), &|b| import(b).map(drop)]);
        assert_refused(&loser, "53400", level);
        let tokens: i64 = arena.admin.get("SELECT count(*) FROM token_auth.token WHERE account_id = $1", &[&account]);
        assert_eq!(tokens, 2, "{level:?}, round {round}");
    });
}

fn the_last_token_survives(statements: [&str; 2]) {
    race(|arena, level, round| {
        let account = arena.admin.account(&format!("{level:?} {round}"));
        let domain = arena.admin.domain(account, "guarded.example");
        let other = arena.admin.token(account, "the other", &["*"], "guarded.example");

        let loser = arena.one_wins(
            level,
            [&|a| a.execute(statements[0], &[&domain.token.id]).map(drop), &|b| {
                b.execute(statements[1], &[&other.id]).map(drop)
            }],
        );
        assert_refused(&loser, "23001", level);
        let live: i64 = arena.admin.get(
            "SELECT count(*) FROM token_auth.token
             WHERE domain_id = $1 AND replaced_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())",
            &[&domain.id],
        );
        assert_eq!(live, 1, "{level:?}, round {round}: live tokens of the domain");
    });
}

/// Three sessions: one prepares and checks, and two race.
struct Arena {
    admin: Client,
    racers: [Client; 2],
}

/// The work of a racer in its transaction.
type Work<'a> = &'a (dyn Fn(&mut Transaction) -> Result<(), Error> + Sync);

fn race(round: impl Fn(&mut Arena, IsolationLevel, usize)) {
    let cluster = Cluster::builder().start();
    let admin = cluster.create_database_with_token_auth("app");
    let mut arena = Arena { admin, racers: [cluster.connect("app", "postgres"), cluster.connect("app", "postgres")] };
    for level in LEVELS {
        for number in 1..=ROUNDS {
            round(&mut arena, level, number);
        }
    }
}

impl Arena {
    /// Lets both work at the same time. Exactly one must succeed. Returns the refusal of the other.
    fn one_wins(&mut self, level: IsolationLevel, work: [Work; 2]) -> Refusal {
        let barrier = Barrier::new(2);
        let [first, second] = &mut self.racers;
        let outcomes = std::thread::scope(|threads| {
            let other = threads.spawn(|| attempt(second, level, &barrier, work[1]));
            let one = attempt(first, level, &barrier, work[0]);
            [one, other.join().expect("the other racer ends")]
        });
        match outcomes {
            [Ok(()), Err(error)] | [Err(error), Ok(())] => refusal(&error),
            [Ok(()), Ok(())] => panic!("{level:?}: both succeeded"),
            [Err(one), Err(other)] => panic!("{level:?}: both failed: {:?}, {:?}", refusal(&one), refusal(&other)),
        }
    }
}

/// A racer. Its snapshot is taken before the start, so above READ COMMITTED it is older than the work of the other.
fn attempt(session: &mut Client, level: IsolationLevel, start: &Barrier, work: Work) -> Result<(), Error> {
    let began = session.build_transaction().isolation_level(level).start().and_then(|mut transaction| {
        transaction.execute("SELECT 1", &[])?;
        Ok(transaction)
    });
    // The other racer waits here in any case.
    start.wait();
    let mut transaction = began?;
    work(&mut transaction)?;
    transaction.commit()
}

fn assert_refused(loser: &Refusal, code: &str, level: IsolationLevel) {
    let told_to_retry = !matches!(level, IsolationLevel::ReadCommitted) && loser.code == "40001";
    assert!(loser.code == code || told_to_retry, "{level:?}: expected {code}, got {loser:?}");
}

fn assert_name_is_taken(loser: &Refusal, level: IsolationLevel) {
    assert_refused(loser, "23505", level);
    if loser.code == "23505" {
        assert_eq!(loser.detail, "", "{level:?}: {loser:?}");
    }
}
