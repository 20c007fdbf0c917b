//! The scenarios over a socket: a statement, the rows with its arguments, and the expected result.

use crate::{
    bench::Bench,
    data::peers::JWT_BLOCK,
    pgbench,
    sizes::{BLOCK, Sizes},
};
use cluster::Sql as _;
use postgres::SimpleQueryMessage;
use std::{fmt::Write as _, fs, path::PathBuf};

#[derive(Clone, Copy)]
pub struct Scenario {
    /// The name in measurements.csv.
    pub name: &'static str,
    /// The label in tables and pictures.
    pub label: &'static str,
    pub arguments: Arguments,
    /// One statement in each line, with `@` for the number of the column.
    pub statements: &'static str,
    pub answer: Answer,
    pub cache: Cache,
}

/// The source of the random arguments.
#[derive(Clone, Copy)]
pub enum Arguments {
    /// The hot tokens' secrets.
    Hot,
    /// All tokens' secrets, or a sample of them.
    Uniform,
    HotIds,
    Ids,
    Wrong,
    Malformed,
    Jwts,
    /// The secrets of tokens with this many domains, each with the name of one of them.
    Domains(u64),
    /// Few enough secrets for each of many sessions to cache them.
    Few,
    FewIds,
}

/// The expected result of the first statement.
#[derive(Clone, Copy)]
pub enum Answer {
    /// A verification with this code.
    Code(&'static str),
    /// A verification that is NULL.
    Null,
    /// Any row.
    Row,
}

/// The size of the session's cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    Default,
    /// Too small for a million tokens.
    Small,
    Off,
}

pub const EMPTY_NULL: Scenario = Scenario {
    name: "empty_null",
    label: "empty function, returns NULL",
    arguments: Arguments::Hot,
    statements: "SELECT * FROM bench.empty_null(:s@, :scope, NULL);",
    answer: Answer::Null,
    cache: Cache::Default,
};
pub const EMPTY_ROW: Scenario = Scenario {
    name: "empty_row",
    label: "empty function, returns a constant row",
    statements: "SELECT * FROM bench.empty_row(:s@, :scope, NULL);",
    answer: Answer::Code("ok"),
    ..EMPTY_NULL
};
pub const HOT: Scenario = Scenario {
    name: "hot",
    label: "verify_token, hot tokens",
    arguments: Arguments::Hot,
    statements: "SELECT * FROM token_auth.verify_token(:s@, :scope, NULL);",
    answer: Answer::Code("ok"),
    cache: Cache::Default,
};
pub const HOT_CACHE_OFF: Scenario =
    Scenario { name: "hot_cache_off", label: "verify_token, hot tokens, cache off", cache: Cache::Off, ..HOT };
pub const UNIFORM: Scenario =
    Scenario { name: "uniform", label: "verify_token, all tokens", arguments: Arguments::Uniform, ..HOT };
pub const UNIFORM_SMALL_CACHE: Scenario = Scenario {
    name: "uniform_small_cache",
    label: "verify_token, all tokens, small cache",
    cache: Cache::Small,
    ..UNIFORM
};
pub const UNIFORM_CACHE_OFF: Scenario =
    Scenario { name: "uniform_cache_off", label: "verify_token, all tokens, cache off", cache: Cache::Off, ..UNIFORM };
pub const WRONG: Scenario = Scenario {
    name: "wrong",
    label: "verify_token, unknown secrets",
    arguments: Arguments::Wrong,
    answer: Answer::Code("not_found"),
    ..HOT
};
pub const MALFORMED: Scenario = Scenario {
    name: "malformed",
    label: "verify_token, malformed secrets",
    arguments: Arguments::Malformed,
    answer: Answer::Code("malformed"),
    ..HOT
};
pub const PK: Scenario = Scenario {
    name: "pk",
    label: "SELECT of one column by primary key, all tokens",
    arguments: Arguments::Ids,
    statements: "SELECT name FROM token_auth.token WHERE id = :i@;",
    answer: Answer::Row,
    cache: Cache::Default,
};
pub const PK_HOT: Scenario = Scenario {
    name: "pk_hot",
    label: "SELECT of one column by primary key, hot tokens",
    arguments: Arguments::HotIds,
    ..PK
};
pub const PK_ROW: Scenario = Scenario {
    name: "pk_row",
    label: "SELECT of a verification's columns by primary key, all tokens",
    statements: "SELECT id, account_id, domain_id, name, expires_at, metadata FROM token_auth.token WHERE id = :i@;",
    ..PK
};
pub const PLPGSQL: Scenario = Scenario {
    name: "plpgsql",
    label: "the same in PL/pgSQL, hot tokens",
    statements: "SELECT * FROM peer.verify_token(:s@, :scope, NULL);",
    ..HOT
};
pub const LOOKUP_UPDATE: Scenario = Scenario {
    name: "lookup_update",
    label: "lookup, then UPDATE of last_used_at, hot tokens",
    statements: "SELECT id AS token_id, account_id FROM peer.token WHERE digest = sha256(convert_to(:s@, 'UTF8')) \\gset\n\
                 UPDATE peer.token SET last_used_at = clock_timestamp() WHERE id = :token_id;",
    answer: Answer::Row,
    ..HOT
};
pub const JWT: Scenario = Scenario {
    name: "jwt",
    label: "JSON Web Token (HS256), pgcrypto and PL/pgSQL",
    arguments: Arguments::Jwts,
    statements: "SELECT * FROM peer.verify_jwt(:s@, :scope);",
    ..HOT
};

impl Arguments {
    /// Returns the table of blocks, the number of its rows, and the number of arguments in a row.
    fn blocks(self, sizes: &Sizes, tokens: u64) -> (String, u64, u64) {
        let (hot, few) = (Sizes::blocks(sizes.hot), Sizes::blocks(sizes.connection_tokens));
        let all = Sizes::blocks(tokens.min(sizes.sample));
        match self {
            Arguments::Hot => ("bench.block".into(), hot.min(all), BLOCK),
            Arguments::Uniform => ("bench.block".into(), all, BLOCK),
            Arguments::HotIds => ("bench.block_id".into(), hot, BLOCK),
            Arguments::Ids => ("bench.block_id".into(), all, BLOCK),
            Arguments::Wrong => ("bench.block_wrong".into(), hot, BLOCK),
            Arguments::Malformed => ("bench.block_malformed".into(), hot, BLOCK),
            Arguments::Jwts => ("bench.block_jwt".into(), hot * (BLOCK / JWT_BLOCK), JWT_BLOCK),
            Arguments::Domains(domains) => {
                (format!("bench.block_domains_{domains}"), crate::data::domains::ROWS, BLOCK)
            }
            Arguments::Few => ("bench.block".into(), few, BLOCK),
            Arguments::FewIds => ("bench.block_id".into(), few, BLOCK),
        }
    }
}

impl Bench {
    /// Returns the settings of a session with this cache.
    pub fn cache_options(&self, cache: Cache) -> &'static str {
        match cache {
            Cache::Default => "",
            Cache::Small => "-c token_auth.cache_size=16MB",
            Cache::Off => "-c token_auth.cache_size=0",
        }
    }

    /// Writes the script for pgbench: it fetches blocks, and runs the statement with a hundred of their columns.
    pub fn script(&self, scenario: &Scenario, tokens: u64) -> PathBuf {
        let (table, rows, columns) = scenario.arguments.blocks(&self.sizes, tokens);
        let mut script = String::new();
        for _ in 0..BLOCK / columns {
            writeln!(script, "\\set b random(0, {})\nSELECT * FROM {table} WHERE id = :b \\gset", rows - 1)
                .expect("a String takes everything");
            for column in 0..columns {
                script += &scenario.statements.replace('@', &column.to_string());
                script.push('\n');
            }
        }
        let path = self.server.scratch_file(&format!("{}_{table}_{rows}.sql", scenario.name));
        fs::write(&path, script).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Measures statements, or pairs of them, a second.
    pub fn rate(&self, database: &str, scenario: &Scenario, tokens: u64, clients: u64, warm_up: u64) -> f64 {
        let script = self.script(scenario, tokens);
        let options = self.cache_options(scenario.cache);
        let seconds = self.options.seconds;
        let run = pgbench::Run { database, script: &script, clients, warm_up, seconds, options, rate: None };
        BLOCK as f64 * run.rate(&self.server)
    }

    /// Runs the scenario's first statement with some arguments, and panics if the result is not the expected one:
    /// a benchmark of errors is meaningless.
    pub fn check_answers(&self, database: &str, scenario: &Scenario, tokens: u64) {
        let (table, rows, columns) = scenario.arguments.blocks(&self.sizes, tokens);
        let mut db = self.server.connect_with(database, self.cache_options(scenario.cache));
        let statement = scenario.statements.lines().next().unwrap_or_default().trim_end_matches("\\gset");
        for (id, column) in [(0, 0), (rows / 2, columns / 2), (rows - 1, columns - 1)] {
            let letter = if statement.contains(":i@") { 'i' } else { 's' };
            let domain = if matches!(scenario.arguments, Arguments::Domains(_)) { "domain" } else { "NULL" };
            let block =
                db.row(&format!("SELECT {letter}{column}::text, {domain}::text FROM {table} WHERE id = {id}"), &[]);
            let quoted = |text: Option<String>| text.map_or("NULL".into(), |text| format!("'{text}'"));
            let call = statement
                .replace(&format!(":{letter}@"), &quoted(block.get(0)))
                .replace(":domain", &quoted(block.get(1)))
                .replace(":scope", "'email:read'");
            // Twice, because the second result may come from the cache.
            for _ in 0..2 {
                let messages = db.simple_query(&call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
                let row = messages.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let right = match (row, scenario.answer) {
                    (Some(row), Answer::Code(code)) => row.get("code") == Some(code),
                    (Some(row), Answer::Null) => row.get("code").is_none(),
                    (Some(row), Answer::Row) => row.get(0).is_some(),
                    (None, _) => false,
                };
                assert!(right, "{} does not return the expected result: {call}", scenario.name);
            }
        }
    }
}
