//! Sessions that only verify, as roles that may do nothing else.

use super::{
    board::Board,
    history::{AnswerHistory, Asked},
};
use crate::{Client, Cluster, Sql};
use std::sync::Arc;

/// The way of a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// One question, one statement, one transaction.
    Plain,
    /// With `verify_token_digest`.
    Digest,
    /// Several questions in a statement.
    Batch,
    /// Many questions in a transaction that uses one snapshot.
    OldSnapshot,
    /// In a transaction that has written something, and rolls some of it back.
    Writing,
    /// The changers themselves.
    Own,
}

pub const BY_SECRET: &str = "SELECT v::text FROM token_auth.verify_token($1, $2, $3) v";
const BY_DIGEST: &str = "SELECT v::text FROM token_auth.verify_token_digest(decode($1, 'hex'), $2, $3) v";
const BATCH: &str = "SELECT v::text
    FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (secret, scope, domain),
         LATERAL token_auth.verify_token(secret, scope, domain) v";

/// Creates what verifiers need, on the primary.
pub fn prepare_for_verifiers(superuser: &mut Client) {
    superuser
        .batch_execute(
            "CREATE ROLE verifier LOGIN;
             GRANT EXECUTE ON FUNCTION token_auth.verify_token TO verifier;
             CREATE ROLE digest_verifier LOGIN;
             GRANT EXECUTE ON FUNCTION token_auth.verify_token_digest TO digest_verifier;
             CREATE TABLE public.written (line text);
             GRANT INSERT ON public.written TO verifier",
        )
        .expect("roles and a table");
}

impl Way {
    pub fn session(self, cluster: &Cluster, database: &str) -> Client {
        cluster.connect(database, if self == Way::Digest { "digest_verifier" } else { "verifier" })
    }

    /// Verifies until the test ends.
    pub fn run(self, mut session: Client, board: &Board) {
        let by_secret = if self == Way::Digest { BY_DIGEST } else { BY_SECRET };
        let by_secret = session.prepare(by_secret).expect(by_secret);
        let who = format!("{self:?}");
        let mut rounds = 0;
        while !board.has_ended() {
            let hot = board.hot();
            rounds += 1;
            for some in hot.chunks(12) {
                if self == Way::Batch {
                    batch(&mut session, some, &who, board);
                    continue;
                }
                for sql in self.before(rounds) {
                    session.batch_execute(sql).expect(sql);
                }
                for (number, history) in some.iter().enumerate() {
                    if self == Way::Writing && number % 5 == 4 {
                        session.batch_execute("ROLLBACK TO first; INSERT INTO written VALUES ('c')").expect("a line");
                    }
                    let secret = if self == Way::Digest { &history.digest } else { &history.secret };
                    let asked = history.asked();
                    let row =
                        session.query_one(&by_secret, &[secret, &history.question.scope, &history.question.domain]);
                    hear(history, asked, row.unwrap_or_else(|error| panic!("{who}: {error:?}")).get(0), &who, board);
                }
                for sql in self.after(rounds) {
                    session.batch_execute(sql).expect(sql);
                }
                board.note(|tally| *tally.verifications.entry(self).or_default() += some.len() as u64);
            }
        }
    }

    fn before(self, round: usize) -> &'static [&'static str] {
        match self {
            Way::OldSnapshot if round.is_multiple_of(2) => &["BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"],
            Way::OldSnapshot => &["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"],
            Way::Writing => {
                &["BEGIN; INSERT INTO written VALUES ('a'); SAVEPOINT first; INSERT INTO written VALUES ('b')"]
            }
            _ => &[],
        }
    }

    fn after(self, round: usize) -> &'static [&'static str] {
        match self {
            Way::Writing if round.is_multiple_of(2) => &["ROLLBACK"],
            Way::Writing | Way::OldSnapshot => &["COMMIT"],
            _ => &[],
        }
    }
}

fn batch(session: &mut Client, some: &[Arc<AnswerHistory>], who: &str, board: &Board) {
    let secrets: Vec<&str> = some.iter().map(|history| &*history.secret).collect();
    let scopes: Vec<Option<&str>> = some.iter().map(|history| history.question.scope).collect();
    let domains: Vec<Option<&str>> = some.iter().map(|history| history.question.domain).collect();
    let asked: Vec<Asked> = some.iter().map(|history| history.asked()).collect();
    let answers: Vec<String> = session.list(BATCH, &[&secrets, &scopes, &domains]);
    assert_eq!(answers.len(), some.len());
    for ((history, asked), answer) in some.iter().zip(asked).zip(answers) {
        hear(history, asked, answer, who, board);
    }
    board.note(|tally| *tally.verifications.entry(Way::Batch).or_default() += some.len() as u64);
}

fn hear(history: &AnswerHistory, asked: Asked, answer: String, who: &str, board: &Board) {
    if let Some(violation) = history.judge(who, asked, &answer) {
        board.violated(violation);
    }
}
