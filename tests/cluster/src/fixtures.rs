//! Accounts, domains and tokens for the tests to work on, made through the extension's own functions.

use crate::sql::Sql;
use sha2::{Digest, Sha256};

/// What `create_domain` returns under a profile that gives a domain a token of its own.
#[derive(Clone, Debug)]
pub struct NewDomain {
    /// The domain.
    pub id: i64,
    /// Its own token.
    pub token: NewToken,
}

/// A token and its secret.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The token.
    pub id: i64,
    /// What its holder presents.
    pub secret: String,
}

/// An answer of `verify_token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Whether the token may.
    pub valid: bool,
    /// Why, or why not.
    pub code: String,
    /// The whole row, printed.
    pub row: String,
}

/// The extension's functions, as far as many tests use them.
pub trait TokenAuth: Sql {
    /// A new account under the `default` profile.
    fn account(&mut self, name: &str) -> i64 {
        self.account_under(name, "default")
    }

    /// A new account under a profile.
    fn account_under(&mut self, name: &str, profile: &str) -> i64 {
        self.get("SELECT token_auth.create_account(name => $1, profile => $2)", &[&name, &profile])
    }

    /// A new domain with its own token.
    fn domain(&mut self, account: i64, name: &str) -> NewDomain {
        let row = self.row(
            "SELECT domain_id, token_id, secret FROM token_auth.create_domain(account_id => $1, name => $2)",
            &[&account, &name],
        );
        NewDomain { id: row.get(0), token: NewToken { id: row.get(1), secret: row.get(2) } }
    }

    /// A new token whose home and only domain is `domain`.
    fn token(&mut self, account: i64, name: &str, scopes: &[&str], domain: &str) -> NewToken {
        let row = self.row(
            "SELECT token_id, secret
             FROM token_auth.create_token(account_id => $1, name => $2, scopes => $3, domain => $4)",
            &[&account, &name, &scopes, &domain],
        );
        NewToken { id: row.get(0), secret: row.get(1) }
    }

    /// A new token for every domain of the account, with no home.
    fn account_token(&mut self, account: i64, name: &str, scopes: &[&str]) -> NewToken {
        let row = self.row(
            "SELECT token_id, secret
             FROM token_auth.create_token(account_id => $1, name => $2, scopes => $3, all_domains => true)",
            &[&account, &name, &scopes],
        );
        NewToken { id: row.get(0), secret: row.get(1) }
    }

    /// Asks whether a token may act.
    fn verify(&mut self, secret: &str, scope: Option<&str>, domain: Option<&str>) -> Verification {
        let row = self.row(
            "SELECT v.valid, v.code, v::text FROM token_auth.verify_token($1, $2, $3) v",
            &[&secret, &scope, &domain],
        );
        Verification { valid: row.get(0), code: row.get(1), row: row.get(2) }
    }

    /// Whether a token is good at all: neither gone nor paused nor expired.
    fn is_good(&mut self, secret: &str) -> bool {
        self.verify(secret, None, None).valid
    }

    /// A profile that is `default` but for the given columns, written as a JSON object.
    fn own_profile(&mut self, name: &str, changes: &str) {
        self.run(
            "INSERT INTO token_auth.profile
             SELECT (jsonb_populate_record(
                 preset, $2::text::jsonb || jsonb_build_object('name', $1::text, 'builtin', false))).*
             FROM token_auth.profile preset
             WHERE preset.name = 'default'",
            &[&name, &changes],
        );
    }

    /// Tokens past their expiry, without a home, by plain DML; nobody knows a secret of theirs.
    fn expired_tokens(&mut self, account: i64, count: i32) {
        self.run(
            "INSERT INTO token_auth.token (account_id, name, digest, hint, expires_at, created_by)
             SELECT $1, 'expired ' || i, sha256((gen_random_uuid() || i::text)::bytea), 'tok_abcd...wxyz',
                    clock_timestamp() - interval '1 second', 'test'
             FROM generate_series(1, $2) i",
            &[&account, &count],
        );
    }

    /// How many rows the token table has.
    fn token_count(&mut self) -> i64 {
        self.get("SELECT count(*) FROM token_auth.token", &[])
    }
}

impl<S: Sql + ?Sized> TokenAuth for S {}

/// What the database keeps of a secret, in lower-case hexadecimal.
pub fn digest_hex(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}
