//! Errors of the surroundings of a call: its transaction, the database, the roles, the operating system.

use pgrx::PgSqlErrorCode::*;

use super::Report;
use super::redact::quoted;

/// Surroundings in which a call cannot work.
#[derive(Debug)]
pub enum EnvironmentError {
    /// 25000: the function was called during a parallel query.
    ParallelQuery(&'static str),
    /// 25P01: the function was called outside a transaction block.
    NoTransactionBlock(&'static str),
    /// 0A000: the row that a function returns was expanded to columns, each with a call of its own.
    ExpandedCall(String),
    /// 0A000: the encoding of the database is not supported.
    Encoding(String),
    /// 42P06: the schema of the extension exists already.
    SchemaExists,
    /// 42501: the creator of the extension is no superuser and does not own the database.
    NotDatabaseOwner,
    /// 55000: a role of the extension has attributes, memberships or objects that it must not have.
    RoleHasMore { role: &'static str, what: String },
    /// 39P01: a trigger function was called for a table of somebody else.
    ForeignTable,
    /// 58030
    NoRandomness(String),
}

impl EnvironmentError {
    pub(super) fn report(&self) -> Report {
        match self {
            Self::ParallelQuery(function) => Report::new(
                ERRCODE_INVALID_TRANSACTION_STATE,
                "parallel_query",
                format!("{function} cannot be called while a parallel query is running"),
                "Call it in a statement of its own.",
            ),
            Self::NoTransactionBlock(function) => Report::new(
                ERRCODE_NO_ACTIVE_SQL_TRANSACTION,
                "no_transaction_block",
                format!("{function} can only be used in transaction blocks"),
                "Call it after BEGIN: the transaction is authenticated until it ends, which would be with this statement.",
            )
            .hiding_statement(),
            Self::ExpandedCall(function) => Report::new(
                ERRCODE_FEATURE_NOT_SUPPORTED,
                "expanded_call",
                format!("({function}(...)).* would call {function} once for each column"),
                format!("Call it in FROM: SELECT * FROM token_auth.{function}(...)."),
            ),
            Self::Encoding(encoding) => Report::new(
                ERRCODE_FEATURE_NOT_SUPPORTED,
                "unsupported_encoding",
                format!("token_auth does not work in a database with the encoding {encoding}"),
                "Create the extension in a database with the encoding UTF8.",
            ),
            Self::SchemaExists => Report::new(
                ERRCODE_DUPLICATE_SCHEMA,
                "schema_exists",
                "schema \"token_auth\" already exists",
                "The extension creates this schema itself. Drop it if nothing in it is needed (DROP SCHEMA token_auth), or rename it \
                 (ALTER SCHEMA token_auth RENAME TO ...).",
            ),
            Self::NotDatabaseOwner => Report::new(
                ERRCODE_INSUFFICIENT_PRIVILEGE,
                "not_database_owner",
                "must be the owner of the database, or superuser, to create extension \"token_auth\"",
                "Create it as the owner of the database: whoever creates it can drop it, with all tokens.",
            ),
            Self::RoleHasMore { role, what } => Report::new(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "role_has_more",
                format!("role {} exists, and has more than the extension gives it: {what}", quoted(role)),
                "token_auth acts as this role, so it must have no attribute, no membership in either direction and no object: \
                 revoke them (REVOKE, ALTER ROLE), drop what it owns (DROP OWNED BY), or drop the role.",
            ),
            Self::ForeignTable => Report::new(
                ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "foreign_table",
                "a trigger function of token_auth was called for a table that is not its own",
                "Drop the trigger; these functions are for the tables of token_auth only.",
            ),
            Self::NoRandomness(reason) => Report::new(
                ERRCODE_IO_ERROR,
                "no_randomness",
                format!("the operating system gave no random bytes: {reason}"),
                "No token was created. Try again.",
            ),
        }
    }
}
