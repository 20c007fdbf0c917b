//! The sizes of the databases and the number of repetitions.

pub struct Sizes {
    /// The tokens of the databases, in ascending order.
    pub databases: [u64; 4],
    /// Tokens that are verified repeatedly.
    pub hot: u64,
    /// The most tokens of a larger database that are verified.
    pub sample: u64,
    /// Calls of one measurement in a loop.
    pub calls: u64,
    /// Calls of one measurement with a varied number of domains.
    pub domain_calls: u64,
    /// Tokens for each number of domains.
    pub domain_tokens: u64,
    /// The numbers of connections.
    pub connections: &'static [u64],
    /// Tokens that all connections verify: few enough for each session to cache them during the warm-up.
    pub connection_tokens: u64,
    /// The rates of changes a second.
    pub changes: &'static [u64],
    /// Calls of one management function, one at a time.
    pub one_at_a_time: u64,
    /// Tokens that one statement creates.
    pub at_once: u64,
    /// Expired tokens for the worker.
    pub expired: u64,
    pub idle_backends: usize,
}

/// The numbers of domains of a token.
pub const DOMAINS: [u64; 5] = [1, 8, 50, 200, 1000];

/// The secrets in a row of a table of blocks.
pub const BLOCK: u64 = 100;

/// The tokens of an account.
pub const TOKENS_PER_ACCOUNT: u64 = 100;

impl Sizes {
    pub fn full() -> Sizes {
        Sizes {
            databases: [10_000, 100_000, 1_000_000, 10_000_000],
            hot: 10_000,
            sample: 1_000_000,
            calls: 100_000,
            domain_calls: 100_000,
            domain_tokens: 100,
            connections: &[1, 2, 8, 32, 128],
            connection_tokens: 1_000,
            changes: &[0, 1, 10, 100, 1_000],
            one_at_a_time: 500,
            at_once: 100_000,
            expired: 1_000_000,
            idle_backends: 200,
        }
    }

    pub fn quick() -> Sizes {
        Sizes {
            databases: [1_000, 2_000, 20_000, 40_000],
            hot: 1_000,
            sample: 20_000,
            calls: 10_000,
            domain_calls: 1_000,
            domain_tokens: 100,
            connections: &[1, 2, 8],
            connection_tokens: 500,
            changes: &[0, 10, 100],
            one_at_a_time: 20,
            at_once: 1_000,
            expired: 20_000,
            idle_backends: 20,
        }
    }

    /// Returns the database in which most is measured.
    pub fn main(&self) -> u64 {
        self.databases[2]
    }

    pub fn smallest(&self) -> u64 {
        self.databases[0]
    }

    pub fn largest(&self) -> u64 {
        self.databases[3]
    }

    /// Returns the number of blocks of this many tokens.
    pub fn blocks(tokens: u64) -> u64 {
        tokens / BLOCK
    }
}

/// Formats 10000000 as "10M" and 20000 as "20k".
pub fn short(number: u64) -> String {
    match number {
        n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
        n if n >= 1_000 && n.is_multiple_of(1_000) => format!("{}k", n / 1_000),
        n => n.to_string(),
    }
}
