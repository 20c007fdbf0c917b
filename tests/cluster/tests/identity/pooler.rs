//! Clients that share one connection through a pooler in transaction mode each have their own identity.

use cluster::{Client, Cluster, NewToken, Pooler, Refusal, TokenAuth, refusal};
use postgres::{
    SimpleQueryMessage, Statement,
    types::{ToSql, Type},
};
use std::{
    collections::HashMap,
    sync::{Arc, Barrier, Mutex, Weak},
    thread,
};

const AUTHENTICATE: &str = "SELECT code FROM token_auth.authenticate($1)";
/// The identity of the transaction, by every function.
const SEEN: &str = "
    SELECT concat_ws(' ', coalesce(token_auth.current_token_id()::text, 'nobody'),
                     token_auth.allows('email:read', 'red.example'), token_auth.allows('email:read', 'blue.example'),
                     (SELECT coalesce(string_agg(domain, ' ' ORDER BY domain), 'nothing') FROM message))";
const NOBODY: &str = "nobody f f nothing";
const DISCARD_ALWAYS: &[(&str, &str)] = &[("server_reset_query", "DISCARD ALL"), ("server_reset_query_always", "1")];

#[test]
fn clients_have_their_own_identity_with_simple_queries() {
    assert_each_is_itself(Protocol::Simple, &[]);
}

#[test]
fn clients_have_their_own_identity_with_unnamed_statements() {
    assert_each_is_itself(Protocol::Unnamed, &[]);
}

#[test]
fn clients_have_their_own_identity_with_prepared_statements() {
    assert_each_is_itself(Protocol::Prepared, &[]);
}

#[test]
fn clients_have_their_own_identity_if_the_pooler_discards_all_after_each_transaction() {
    assert_each_is_itself(Protocol::Simple, DISCARD_ALWAYS);
}

/// The tests above can fail.
#[test]
fn a_setting_of_the_application_does_reach_the_next_client() {
    let scene = PoolerScene::shared();
    let setting = Means {
        become_somebody: "SELECT set_config('app.user', $1, false)",
        seen: "SELECT coalesce(nullif(current_setting('app.user', true), ''), 'nobody')",
        as_nobody: "nobody",
    };
    let users = ["red", "blue"].map(|name| User { shows: name.into(), is_seen_as: name.into() });
    let mistaken = take_turns(&scene.pooler(&[]), Protocol::Simple, &setting, &users);
    for taken_over in ["blue, not nobody", "red, not nobody"] {
        assert!(mistaken.iter().any(|mistake| mistake == taken_over), "{taken_over}: {mistaken:?}");
    }
}

#[test]
fn a_plan_that_clients_share_shows_each_its_own_rows() {
    let scene = PoolerScene::shared();
    let pooler = scene.pooler(&[]);
    let [mut red, mut blue] = scene.guests(&pooler, Protocol::Simple);
    red.does(&format!("PREPARE seen AS {SEEN}"));
    // Often enough for a generic plan.
    for _ in 0..10 {
        assert_eq!(blue.ask("EXECUTE seen", &[]), NOBODY);
        for (guest, token) in [(&mut red, &scene.red), (&mut blue, &scene.blue)] {
            guest.does("BEGIN");
            assert_eq!(guest.ask("EXECUTE seen", &[]), NOBODY);
            guest.authenticate(token);
            assert_eq!(guest.ask("EXECUTE seen", &[]), token.is_seen_as);
            guest.does("COMMIT");
        }
    }
    assert_eq!(red.ask("SELECT generic_plans > 0 FROM pg_prepared_statements WHERE name = 'seen'", &[]), "t");
}

#[test]
fn the_identity_ends_for_all_clients_with_the_transaction() {
    let scene = PoolerScene::shared();
    let pooler = scene.pooler(&[]);
    let [mut red, mut blue] = scene.guests(&pooler, Protocol::Unnamed);
    let connection = red.ask("SELECT pg_backend_pid()::text", &[]);
    for last in ["", "SELECT 1 / 0", "SAVEPOINT a", "DECLARE c CURSOR FOR SELECT 1"] {
        for end in ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "END; DISCARD ALL"] {
            red.does("BEGIN");
            red.authenticate(&scene.red);
            assert_eq!(red.ask(SEEN, &[]), scene.red.is_seen_as, "{last}: {end}");
            assert_eq!(red.client.batch_execute(last).is_err(), last.contains("/ 0"), "{last}");
            end.split("; ").for_each(|statement| red.does(statement));
            assert_eq!(red.ask(SEEN, &[]), NOBODY, "{last}: {end}");
            red.does("ROLLBACK");
            assert_eq!(blue.ask(SEEN, &[]), NOBODY, "{last}: {end}");
        }
    }
    assert_eq!(blue.ask("SELECT pg_backend_pid()::text", &[]), connection, "they are to share it");
}

#[test]
fn the_identity_follows_savepoints_and_reaches_no_other_client() {
    let scene = PoolerScene::shared();
    let pooler = scene.pooler(&[]);
    let [mut red, mut blue] = scene.guests(&pooler, Protocol::Unnamed);

    red.does("BEGIN; SAVEPOINT a");
    red.authenticate(&scene.red);
    red.does("ROLLBACK TO a");
    assert_eq!(red.ask(SEEN, &[]), NOBODY);
    red.does("COMMIT");
    assert_eq!(blue.ask(SEEN, &[]), NOBODY);

    red.does("BEGIN");
    red.authenticate(&scene.red);
    red.does("SAVEPOINT a");
    red.authenticate(&scene.blue);
    red.client.batch_execute("SELECT 1 / 0").expect_err("a division by zero");
    red.does("ROLLBACK TO a");
    assert_eq!(red.ask(SEEN, &[]), scene.red.is_seen_as);
    red.does("RELEASE a; COMMIT");
    assert_eq!(blue.ask(SEEN, &[]), NOBODY);
}

#[test]
fn outside_a_transaction_block_authenticate_is_refused_and_statements_together_are_one() {
    let scene = PoolerScene::shared();
    let pooler = scene.pooler(&[]);
    for protocol in [Protocol::Simple, Protocol::Unnamed, Protocol::Prepared] {
        let [mut red, mut blue] = scene.guests(&pooler, protocol);
        let refusal = red.try_ask(AUTHENTICATE, &[&scene.red.shows]).expect_err("outside a transaction block");
        assert_eq!(refusal.code, "25P01", "{protocol:?}");
        assert_eq!(blue.ask(SEEN, &[]), NOBODY, "{protocol:?}");
        assert_eq!(red.ask(SEEN, &[]), NOBODY, "{protocol:?}");
    }
    // Several statements in one message are one transaction, unless they end it.
    let [mut red, mut blue] = scene.guests(&pooler, Protocol::Simple);
    let authenticate = AUTHENTICATE.replace("$1", &format!("'{}'", scene.red.shows));
    assert_eq!(red.ask(&format!("{authenticate}; {SEEN}"), &[]), scene.red.is_seen_as);
    assert_eq!(blue.ask(SEEN, &[]), NOBODY);
    assert_eq!(red.ask(&format!("BEGIN; {authenticate}; COMMIT; {SEEN}"), &[]), NOBODY);
    red.client.simple_query(&format!("{authenticate}; SELECT 1 / 0")).expect_err("a division by zero");
    assert_eq!(blue.ask(SEEN, &[]), NOBODY);
}

#[test]
fn the_identity_ends_when_the_client_disconnects_in_its_transaction() {
    let scene = PoolerScene::shared();
    for settings in [&[], DISCARD_ALWAYS] {
        let pooler = scene.pooler(settings);
        let [_, mut blue] = scene.guests(&pooler, Protocol::Unnamed);
        for last in ["", "SAVEPOINT a", "SELECT 1 / 0"] {
            let [mut red, _] = scene.guests(&pooler, Protocol::Unnamed);
            red.does("BEGIN");
            red.authenticate(&scene.red);
            assert_eq!(red.ask(SEEN, &[]), scene.red.is_seen_as);
            let _ = red.client.batch_execute(last);
            drop(red);
            assert_eq!(blue.ask(SEEN, &[]), NOBODY, "{last}");
        }
    }
}

#[test]
fn no_client_sets_the_identity_for_itself_or_others() {
    let scene = PoolerScene::shared();
    let pooler = scene.pooler(&[]);
    let [mut red, mut blue] = scene.guests(&pooler, Protocol::Simple);
    let ways = [
        "SET token_auth.identity = '$id'",
        "SET LOCAL token_auth.identity = '$id'",
        "SELECT set_config('token_auth.identity', '$id', false)",
        "SELECT set_config('token_auth.identity', '$id', true)",
        "UPDATE pg_settings SET setting = '$id' WHERE name = 'token_auth.identity'",
        "SET token_auth.identity = ''",
    ];
    for way in ways {
        let sql = way.replace("$id", scene.red.id());
        for before in [&[][..], &["BEGIN"], &["BEGIN", "authenticate"]] {
            for statement in before {
                if *statement == "authenticate" { red.authenticate(&scene.blue) } else { red.does(statement) }
            }
            let error = red.client.batch_execute(&sql).expect_err(&sql);
            assert_eq!(refusal(&error).code, "42501", "{sql}");
            red.does("ROLLBACK");
            assert_eq!(blue.ask(SEEN, &[]), NOBODY, "{sql}");
        }
    }
    // It would be an option of the connection to the server, and so of all its clients.
    let options = format!("-c token_auth.identity={}", scene.red.id());
    assert!(pooler.try_connect(Some(&options)).is_err(), "the pooler passes on command-line options");
    let careless = scene.pooler(&[("ignore_startup_parameters", "options")]);
    let ignored = careless.try_connect(Some(&options)).expect("it ignores them");
    assert_eq!(Guest::new(ignored, Protocol::Simple).ask(SEEN, &[]), NOBODY);
}

/// The statements of clients, and what they must see with and without authentication.
struct Means {
    become_somebody: &'static str,
    seen: &'static str,
    as_nobody: &'static str,
}

/// The secret of a client, and what it must see when it is authenticated.
struct User {
    shows: String,
    is_seen_as: String,
}

impl User {
    fn holder_of(token: &NewToken, rest: &str) -> User {
        User { shows: token.secret.clone(), is_seen_as: format!("{} {rest}", token.id) }
    }

    fn id(&self) -> &str {
        self.is_seen_as.split(' ').next().expect("a split has a first part")
    }
}

fn assert_each_is_itself(protocol: Protocol, settings: &[(&str, &str)]) {
    let scene = PoolerScene::shared();
    let tokens = Means { become_somebody: AUTHENTICATE, seen: SEEN, as_nobody: NOBODY };
    let mistaken = take_turns(&scene.pooler(settings), protocol, &tokens, [&scene.red, &scene.blue]);
    assert!(mistaken.is_empty(), "{} times, such as {:?}", mistaken.len(), mistaken.first());
}

/// Each user has a client and 500 transactions, and is authenticated in every second one. Returns the wrong identities.
fn take_turns<'a>(
    pooler: &Pooler,
    protocol: Protocol,
    means: &Means,
    users: impl IntoIterator<Item = &'a User>,
) -> Vec<String> {
    const TRANSACTIONS: usize = 500;
    let mistaken = Mutex::new(Vec::new());
    let turns = Mutex::new(Vec::new());
    let begin = Barrier::new(2);
    thread::scope(|scope| {
        for user in users {
            let mut guest = Guest::new(pooler.connect(), protocol);
            let (mistaken, turns, begin) = (&mistaken, &turns, &begin);
            scope.spawn(move || {
                let is_seen_as = |expected: &str, guest: &mut Guest| {
                    let seen = guest.ask(means.seen, &[]);
                    if seen != expected {
                        mistaken.lock().expect("nobody panics").push(format!("{seen}, not {expected}"));
                    }
                };
                begin.wait();
                for turn in 0..TRANSACTIONS {
                    guest.does("BEGIN");
                    is_seen_as(means.as_nobody, &mut guest);
                    turns.lock().expect("nobody panics").push(&user.shows);
                    if turn % 2 == 0 {
                        guest.ask(means.become_somebody, &[&user.shows]);
                        is_seen_as(&user.is_seen_as, &mut guest);
                    }
                    guest.does(if turn % 3 == 0 { "ROLLBACK" } else { "COMMIT" });
                    is_seen_as(means.as_nobody, &mut guest);
                }
            });
        }
    });
    let turns = turns.into_inner().expect("nobody panics");
    let changes = turns.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > TRANSACTIONS / 2, "they took turns only {changes} times");
    mistaken.into_inner().expect("nobody panics")
}

/// How a statement reaches the server.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Simple,
    Unnamed,
    /// A named statement that all transactions use.
    Prepared,
}

/// A client of the pooler.
struct Guest {
    client: Client,
    protocol: Protocol,
    prepared: HashMap<String, Statement>,
}

impl Guest {
    fn new(client: Client, protocol: Protocol) -> Guest {
        Guest { client, protocol, prepared: HashMap::new() }
    }

    fn does(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {:?}", refusal(&error)));
    }

    fn authenticate(&mut self, user: &User) {
        assert_eq!(self.ask(AUTHENTICATE, &[&user.shows]), "ok");
    }

    /// Returns the only column of the last row.
    fn ask(&mut self, sql: &str, params: &[&String]) -> String {
        let answer = self.try_ask(sql, params).unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
        answer.unwrap_or_else(|| panic!("no row: {sql}"))
    }

    fn try_ask(&mut self, sql: &str, params: &[&String]) -> Result<Option<String>, Box<Refusal>> {
        let answer = match self.protocol {
            Protocol::Simple => {
                let literal = params.first().map_or_else(String::new, |value| format!("'{value}'"));
                self.client.simple_query(&sql.replace("$1", &literal)).map(|messages| {
                    let rows = messages.iter().filter_map(|message| match message {
                        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                        _ => None,
                    });
                    rows.last()
                })
            }
            Protocol::Unnamed => {
                let params: Vec<_> = params.iter().map(|value| (*value as &(dyn ToSql + Sync), Type::TEXT)).collect();
                self.client.query_typed(sql, &params).map(|rows| rows.last().map(|row| row.get(0)))
            }
            Protocol::Prepared => {
                let client = &mut self.client;
                let statement = self
                    .prepared
                    .entry(sql.to_owned())
                    .or_insert_with(|| client.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}")));
                let params: Vec<_> = params.iter().map(|value| *value as &(dyn ToSql + Sync)).collect();
                client.query(&*statement, &params).map(|rows| rows.last().map(|row| row.get(0)))
            }
        };
        answer.map_err(|error| Box::new(refusal(&error)))
    }
}

/// Two tokens with a domain each, and a table in which each sees one row.
struct PoolerScene {
    cluster: Cluster,
    red: User,
    blue: User,
}

impl PoolerScene {
    /// Returns the scene of this process. The last test stops its cluster.
    fn shared() -> Arc<PoolerScene> {
        static SCENE: Mutex<Weak<PoolerScene>> = Mutex::new(Weak::new());
        cluster::shared(&SCENE, PoolerScene::set)
    }

    fn set() -> PoolerScene {
        let cluster = Cluster::builder().preload("token_auth").start();
        let mut superuser = cluster.create_database_with_token_auth("app");
        let account = superuser.account("acme");
        let [red, blue] = ["red.example", "blue.example"].map(|domain| {
            superuser.domain(account, domain);
            superuser.token(account, "reader", &["email:read"], domain)
        });
        superuser
            .batch_execute(
                "CREATE ROLE application LOGIN;
                 GRANT EXECUTE ON FUNCTION token_auth.authenticate TO application;
                 CREATE TABLE message (domain text);
                 INSERT INTO message VALUES ('red.example'), ('blue.example'), ('green.example');
                 ALTER TABLE message ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY readable ON message USING (domain = ANY (token_auth.allowed_domains('email:read')));
                 GRANT SELECT ON message TO application",
            )
            .expect("a table under row-level security");
        let red = User::holder_of(&red, "t f red.example");
        let blue = User::holder_of(&blue, "f t blue.example");
        PoolerScene { cluster, red, blue }
    }

    /// All its clients share one connection to the server.
    fn pooler(&self, settings: &[(&str, &str)]) -> Pooler {
        self.cluster.pooler("app", "application", settings)
    }

    fn guests(&self, pooler: &Pooler, protocol: Protocol) -> [Guest; 2] {
        [(); 2].map(|()| Guest::new(pooler.connect(), protocol))
    }
}
