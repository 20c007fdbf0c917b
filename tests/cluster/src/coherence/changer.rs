//! A session that changes one account and everything that belongs to it, in transactions of every form, and verifies in between.

use super::{
    DATABASE, Stress,
    board::Board,
    change::{Change, Kind},
    history::{AnswerHistory, Question, Violation},
    random::Random,
    verifier::{BY_SECRET, Way},
    world::{Domain, NOT_FOUND, Profile, QUESTIONS, World},
};
use crate::{Client, Sql, TokenAuth};
use postgres::{Error, Statement};
use std::{sync::Arc, time::Duration};

/// The form of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// One change.
    Alone,
    /// Several changes.
    Several,
    RolledBack,
    /// A change, a second one that is rolled back to a savepoint, and a third.
    Savepoint,
    /// Prepared by one session and committed by another.
    Prepared,
    /// Prepared by one session and rolled back by another.
    PreparedInVain,
}

impl Mode {
    pub const ALL: [Mode; 6] =
        [Mode::Alone, Mode::Several, Mode::RolledBack, Mode::Savepoint, Mode::Prepared, Mode::PreparedInVain];

    /// A prepared transaction keeps its locks, and a verifier would wait for a session that waits for them.
    pub const UNPREPARED: [Mode; 4] = [Mode::Alone, Mode::Several, Mode::RolledBack, Mode::Savepoint];

    fn any(random: &mut Random) -> Mode {
        match random.below(100) {
            0..10 => Mode::Several,
            10..20 => Mode::RolledBack,
            20..30 => Mode::Savepoint,
            30..36 => Mode::Prepared,
            36..40 => Mode::PreparedInVain,
            _ => Mode::Alone,
        }
    }
}

/// When a changer verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// In the transaction, after a change.
    Changed,
    /// In the transaction, after ROLLBACK TO.
    RolledBackTo,
    /// After PREPARE TRANSACTION.
    Prepared,
    /// After COMMIT, ROLLBACK and the like.
    Ended,
}

pub struct Changer<'a> {
    number: usize,
    board: &'a Board,
    kinds: &'a [Kind],
    modes: &'a [Mode],
    forgiven: &'a [&'a str],
    session: Client,
    ask: Statement,
    /// Ends the transaction that the other session has prepared.
    second: Client,
    second_ask: Statement,
    world: World,
    /// The histories of existing tokens, and of the last deleted ones.
    histories: Vec<Arc<AnswerHistory>>,
    random: Random,
    /// The kind of the last change.
    change: usize,
    /// The changes in the transaction.
    made: Vec<Kind>,
}

/// The most changers, so that no two use the same number.
const CHANGERS: usize = 16;

/// The most histories of deleted tokens.
const DEAD: usize = 16;

impl<'a> Changer<'a> {
    /// Creates a changer and its account.
    pub fn new(number: usize, board: &'a Board, stress: &Stress<'a>) -> Self {
        let connect = || stress.change_on.connect(DATABASE, "postgres");
        let (mut session, mut second) = (connect(), connect());
        let who: i32 = session.get("SELECT pg_backend_pid()", &[]);
        let profiles = ["one", "other"].map(|which| {
            let name = format!("{which} {who}");
            session.own_profile(
                &name,
                r#"{"creates_domain_token": false, "keeps_last_token": false, "expired_retention": "50 years"}"#,
            );
            Profile { name, needs_verified_domain: false }
        });
        let account_name = format!("account {who}");
        let account = session.account_under(&account_name, &profiles[0].name);
        let domains = ["a.example", "b.example"].map(|name| {
            let id = session.get("SELECT domain_id FROM token_auth.create_domain($1, $2)", &[&account, &name]);
            Domain { id, name: name.to_owned(), verified: false }
        });
        let ask = session.prepare(BY_SECRET).expect(BY_SECRET);
        let second_ask = second.prepare(BY_SECRET).expect(BY_SECRET);
        let (domains, tokens) = (domains.to_vec(), Vec::new());
        let world = World { account, account_name, account_paused: false, profiles, profile: 0, domains, tokens };
        let random = Random(number as u64 + 1);
        let mut changer = Self {
            number,
            board,
            kinds: stress.kinds,
            modes: stress.modes,
            forgiven: stress.forgiven,
            session,
            ask,
            second,
            second_ask,
            world,
            histories: Vec::new(),
            random,
            change: 0,
            made: Vec::new(),
        };
        while changer.world.tokens.len() < 4 {
            let token = Change::of(Kind::CreateToken, &changer.world, changer.change, &mut changer.random);
            changer.world = changer.make(token.expect("there is room for it")).expect("a token");
            changer.change += 1;
        }
        changer.watch_new_tokens(&changer.world.clone(), |world, secret, question| world.answer(secret, question));
        changer
    }

    /// Publishes histories of new tokens with their current answers.
    fn watch_new_tokens(&mut self, world: &World, answer: impl Fn(&World, &str, &Question) -> String) {
        for token in &world.tokens {
            if self.histories.iter().all(|history| history.secret != token.secret) {
                let histories = QUESTIONS.map(|question| {
                    Arc::new(AnswerHistory::new(&token.secret, question, answer(world, &token.secret, &question)))
                });
                self.histories.extend(histories);
            }
        }
        self.board.show(self.number, self.histories.clone());
    }

    /// Makes one transaction, which may fail with a forgiven error.
    pub fn round(&mut self) {
        let Err(error) = self.transaction() else { return };
        let code = error.as_db_error().map(|error| error.code().code());
        let forgiven = code.is_some_and(|code| self.forgiven.contains(&code));
        assert!(forgiven, "changer {}: {error:?}", self.number);
        self.session.batch_execute("ROLLBACK").expect("ROLLBACK");
        self.forget_the_dead();
        self.board.note(|tally| tally.forgiven += 1);
    }

    fn transaction(&mut self) -> Result<(), Error> {
        let mode = Some(Mode::any(&mut self.random)).filter(|mode| self.modes.contains(mode)).unwrap_or(Mode::Alone);
        self.made.clear();
        let before = self.world.clone();
        let change = self.pick(&before);
        let first = change.kind;
        if mode == Mode::Alone && !first.returns_a_row() {
            // Not even BEGIN.
            let sql = change.sql.clone();
            let next = change.done(&[]);
            self.commit(mode, first, 1, next, |changer| changer.session.batch_execute(&sql))?;
            return self.ask_some(&self.world.clone(), &before, When::Ended);
        }
        self.session.batch_execute("BEGIN")?;
        let mut next = self.make_and_ask(&before, change)?;
        let mut changes = 1;
        if mode == Mode::Savepoint {
            self.session.batch_execute("SAVEPOINT before")?;
            let change = self.pick(&next);
            let in_vain = self.make_and_ask(&next, change)?;
            self.session.batch_execute("ROLLBACK TO before")?;
            self.ask_some(&next, &in_vain, When::RolledBackTo)?;
        }
        if mode == Mode::Several || mode == Mode::Savepoint {
            for _ in 0..1 + self.random.below(3) {
                let change = self.pick(&next);
                next = self.make_and_ask(&next.clone(), change)?;
                changes += 1;
            }
        }
        let name = format!("change {} {}", self.number, self.change);
        if matches!(mode, Mode::Prepared | Mode::PreparedInVain) {
            self.session.batch_execute(&format!("PREPARE TRANSACTION '{name}'"))?;
            self.ask_some(&before, &next, When::Prepared)?;
        }
        match mode {
            Mode::RolledBack => self.session.batch_execute("ROLLBACK")?,
            Mode::PreparedInVain => self.second.batch_execute(&format!("ROLLBACK PREPARED '{name}'"))?,
            Mode::Prepared => {
                let end = format!("COMMIT PREPARED '{name}'");
                self.commit(mode, first, changes, next, |changer| changer.second.batch_execute(&end))?;
                return self.ask_some(&self.world.clone(), &before, When::Ended);
            }
            Mode::Alone | Mode::Several | Mode::Savepoint => {
                self.commit(mode, first, changes, next, |changer| changer.session.batch_execute("COMMIT"))?;
                return self.ask_some(&self.world.clone(), &before, When::Ended);
            }
        }
        self.ask_some(&before, &next, When::Ended)?;
        self.forget_the_dead();
        self.board.note(|tally| *tally.modes.entry(mode).or_default() += 1);
        Ok(())
    }

    /// Returns a change that affects an answer.
    fn pick(&mut self, world: &World) -> Change {
        loop {
            self.change += 1;
            let mut kind = self.random.one_of(self.kinds);
            // Otherwise few changes would have an effect.
            if world.account_paused && self.random.below(3) == 0 {
                kind = Kind::ResumeAccount;
            } else if world.tokens.len() < 3 && self.random.below(2) == 0 {
                kind = Kind::CreateToken;
            }
            let number = self.change * CHANGERS + self.number;
            let histories = self.histories.iter().map(|history| &**history);
            let change = Change::of(kind, world, number, &mut self.random);
            if let Some(change) = change.filter(|change| change.shows(world, histories)) {
                return change;
            }
        }
    }

    /// Makes a change in the open transaction, and verifies.
    fn make_and_ask(&mut self, before: &World, change: Change) -> Result<World, Error> {
        let kind = change.kind;
        let next = self.make(change)?;
        if kind == Kind::CreateToken || kind == Kind::Reset {
            self.watch_new_tokens(&next, |_, _, _| NOT_FOUND.to_owned());
            // The new token is verified before other sessions can see it.
            if self.random.below(4) == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        self.ask_some(&next, before, When::Changed)?;
        Ok(next)
    }

    fn make(&mut self, change: Change) -> Result<World, Error> {
        self.made.push(change.kind);
        let returned = self.session.simple_query(&change.sql)?;
        Ok(change.done(&returned))
    }

    fn commit(
        &mut self,
        mode: Mode,
        kind: Kind,
        changes: u64,
        next: World,
        commit: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let begin =
            |history: &&Arc<AnswerHistory>| history.begin(next.answer(&history.secret, &history.question), kind);
        let begun: Vec<Arc<AnswerHistory>> = self.histories.iter().filter(begin).cloned().collect();
        if let Err(error) = commit(self) {
            // A version that never existed, and one like the one before.
            for history in begun {
                history.begin(self.world.answer(&history.secret, &history.question), kind);
                history.commit();
            }
            return Err(error);
        }
        begun.iter().for_each(|history| history.commit());
        self.world = next;
        self.forget_the_dead();
        self.board.note(|tally| {
            tally.changes += changes;
            *tally.modes.entry(mode).or_default() += 1;
            if mode == Mode::Alone {
                *tally.alone.entry(kind).or_default() += 1;
            }
        });
        Ok(())
    }

    /// Keeps histories of some deleted tokens for a while.
    fn forget_the_dead(&mut self) {
        let world = &self.world;
        let lives = |history: &Arc<AnswerHistory>| world.tokens.iter().any(|token| token.secret == history.secret);
        let mut dead = self.histories.iter().filter(|history| !lives(history)).count();
        let before = self.histories.len();
        self.histories.retain(|history| {
            let stays = dead <= DEAD || lives(history);
            dead -= usize::from(!stays);
            stays
        });
        if self.histories.len() < before {
            self.board.show(self.number, self.histories.clone());
        }
    }

    /// Verifies in its own sessions what differs from another world, and one more question.
    fn ask_some(&mut self, world: &World, other: &World, when: When) -> Result<(), Error> {
        let differs = |history: &Arc<AnswerHistory>| {
            world.answer(&history.secret, &history.question) != other.answer(&history.secret, &history.question)
        };
        let (count, from) = (self.histories.len(), self.random.below(self.histories.len()));
        let differing = (from..from + count).map(|place| place % count).find(|place| differs(&self.histories[*place]));
        let places = [differing, Some(self.random.below(count))];
        let second_sees_it = matches!(when, When::Prepared | When::Ended);
        for place in places.into_iter().flatten() {
            let AnswerHistory { secret, question, .. } = &*self.histories[place];
            let parameters: &[&(dyn crate::ToSql + Sync)] = &[secret, &question.scope, &question.domain];
            let expected = world.answer(secret, question);
            let mut answers = vec![("the changer", self.session.query_one(&self.ask, parameters)?)];
            if second_sees_it {
                answers.push(("the changer's other session", self.second.query_one(&self.second_ask, parameters)?));
            }
            for (who, answer) in answers {
                let answer: String = answer.get(0);
                self.board.note(|tally| *tally.verifications.entry(Way::Own).or_default() += 1);
                if answer != expected {
                    let report = format!(
                        "{who}, {when:?}: {question:?} was answered {answer} in place of {expected}; its changes: {:?}",
                        self.made
                    );
                    self.board.violated(Violation { missed: Vec::new(), report });
                }
            }
        }
        Ok(())
    }
}
