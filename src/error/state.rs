//! Errors of the state of the tables: other rows, other tokens, or rules that a constraint or a trigger keeps.

use pgrx::PgSqlErrorCode::{self, *};

use super::Report;
use super::names::{DomainName, ProfileName};
use super::redact::quoted;

/// A state that does not allow a change.
#[derive(Debug)]
pub enum StateError {
    /// 23505: the name is taken.
    Taken { what: &'static str, name: String },
    /// 23505: a token with this secret exists.
    SecretTaken(i64),
    /// 23505: the account has a token that was created with the same `request_id`.
    RequestRepeated(i64),
    /// 53400: the account has as many live tokens as its profile allows.
    TooManyTokens { profile: ProfileName, account_id: i64, limit: i32 },
    /// 23503: rows of another table refer to the object.
    Referenced { object: String, by: String, constraint: String },
    /// 23001, or with `retry` 40001: the snapshot of the transaction still shows another live token.
    LastToken { domain: DomainName, profile: ProfileName, retry: bool },
    /// 23001
    LastTokenTruncated { domain: DomainName, profile: ProfileName },
    /// 55000
    AlreadyReset(i64),
    /// 55000
    Expired(i64),
    /// 55000
    Preset(String),
    /// 55000
    PresetsTruncated(String),
    /// 55000
    PresetClaimed(String),
    /// 55000: a replicated or restored profile has the name of a preset, and is none.
    PresetOnlyHere(String),
    /// 55000: a replicated or restored preset does not exist in this database.
    PresetOnlyThere(String),
    /// 23514
    Immutable { table: String, column: String },
    /// 27000: a trigger of the application kept a row from being written.
    NotWritten(&'static str),
}

impl StateError {
    pub(super) fn report(&self) -> Report {
        Report::new(self.code(), self.word(), self.message(), self.hint())
    }

    fn code(&self) -> PgSqlErrorCode {
        match self {
            Self::Taken { .. } | Self::SecretTaken(_) | Self::RequestRepeated(_) => ERRCODE_UNIQUE_VIOLATION,
            Self::TooManyTokens { .. } => ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            Self::Referenced { .. } => ERRCODE_FOREIGN_KEY_VIOLATION,
            Self::LastToken { retry: true, .. } => ERRCODE_T_R_SERIALIZATION_FAILURE,
            Self::LastToken { .. } | Self::LastTokenTruncated { .. } => ERRCODE_RESTRICT_VIOLATION,
            Self::Immutable { .. } => ERRCODE_CHECK_VIOLATION,
            Self::NotWritten(_) => ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
            Self::AlreadyReset(_)
            | Self::Expired(_)
            | Self::Preset(_)
            | Self::PresetsTruncated(_)
            | Self::PresetClaimed(_)
            | Self::PresetOnlyHere(_)
            | Self::PresetOnlyThere(_) => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "name_taken",
            Self::SecretTaken(_) => "secret_taken",
            Self::RequestRepeated(_) => "request_repeated",
            Self::TooManyTokens { .. } => "max_tokens",
            Self::Referenced { .. } => "referenced",
            Self::LastToken { .. } | Self::LastTokenTruncated { .. } => "last_token",
            Self::AlreadyReset(_) => "already_reset",
            Self::Expired(_) => "token_expired",
            Self::Preset(_)
            | Self::PresetsTruncated(_)
            | Self::PresetClaimed(_)
            | Self::PresetOnlyHere(_)
            | Self::PresetOnlyThere(_) => "preset",
            Self::Immutable { .. } => "immutable_column",
            Self::NotWritten(_) => "not_written",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Taken { what, name } => format!("{what} {} already exists", quoted(name)),
            Self::SecretTaken(id) => format!("token {id} has this secret already"),
            Self::RequestRepeated(id) => format!("token {id} was already created by this request"),
            Self::TooManyTokens { profile, account_id, limit } => format!(
                "account {account_id} has {limit} live tokens, and {} allows no more (max_tokens)",
                profile.shown()
            ),
            Self::Referenced { object, by, constraint } => format!(
                "rows of table {by} refer to {object}, or to what goes with it (foreign key {})",
                quoted(constraint)
            ),
            Self::LastToken { domain, profile, retry: false } => format!(
                "{} must keep a live token, and this is its last ({}: keeps_last_token is true)",
                domain.shown(),
                profile.shown()
            ),
            Self::LastToken { domain, retry: true, .. } => {
                format!("the last other live token of {} was removed meanwhile", domain.shown())
            }
            Self::LastTokenTruncated { domain, profile } => {
                format!("{} must keep its live tokens ({}: keeps_last_token is true)", domain.shown(), profile.shown())
            }
            Self::AlreadyReset(id) => format!("token {id} was already reset"),
            Self::Expired(id) => format!("token {id} has expired"),
            Self::Preset(name) => format!("profile {} is a preset and cannot be changed", quoted(name)),
            Self::PresetsTruncated(table) => {
                format!("token_auth.{table} cannot be truncated, since presets are in it or may be")
            }
            Self::PresetClaimed(name) => format!("profile {} cannot be made a preset", quoted(name)),
            Self::PresetOnlyHere(name) => {
                format!("profile {} is a preset in this database, and none where the row comes from", quoted(name))
            }
            Self::PresetOnlyThere(name) => {
                format!(
                    "profile {} is a preset where the row comes from, and this database has no such preset",
                    quoted(name)
                )
            }
            Self::Immutable { table, column } => format!("column {column} of token_auth.{table} cannot be changed"),
            Self::NotWritten(table) => format!("a trigger on token_auth.{table} kept a row from being written"),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "Choose another name.",
            Self::SecretTaken(_) => "It was imported before: leave it as it is, or delete that token first.",
            Self::RequestRepeated(_) => {
                "Its secret was shown in the first reply: reset the token if that is lost, or pass a new request_id."
            }
            Self::TooManyTokens { .. } => "Delete a token that is not needed.",
            Self::Referenced { .. } => {
                "Delete those rows first, or declare the foreign key with ON DELETE CASCADE or ON DELETE SET NULL."
            }
            Self::LastToken { retry: false, .. } => "Create another token for the domain first, or delete the domain.",
            Self::LastToken { retry: true, .. } => "Retry the transaction.",
            Self::LastTokenTruncated { .. } => "Truncate token_auth.domain with them, or delete single tokens.",
            Self::AlreadyReset(_) => "Use the token that replaced it.",
            Self::Expired(_) => "Create a new token.",
            Self::Preset(_) => {
                "Copy its row, and its rows of token_auth.profile_resource if it has any, under a name of your own."
            }
            Self::PresetsTruncated(_) => "Delete the rows that are yours; profiles of your own have builtin = false.",
            Self::PresetClaimed(_) => "Presets come with the extension; leave builtin false for a profile of your own.",
            Self::PresetOnlyHere(_) => "Give the profile another name there.",
            Self::PresetOnlyThere(_) => "Update the extension here before there (ALTER EXTENSION token_auth UPDATE).",
            Self::Immutable { .. } => "Create a new row and delete the old one.",
            Self::NotWritten(_) => "Have your BEFORE triggers on this table return the row.",
        }
    }
}
