//! Errors are part of the interface: this is the one place that gives each its SQLSTATE, message and hint.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe};

use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::{PgLogLevel, PgSqlErrorCode, PgTryBuilder};
use token_auth_core::name::{self, NameError};
use token_auth_core::scope::{self, ScopeError};
use token_auth_core::seal::KeyFileError;
use token_auth_core::secret;

use crate::pg::error_fields::ErrorFields;

/// The largest metadata of a token, in bytes of its text form. The table has the same limit as a constraint.
pub const MAX_METADATA: usize = 8192;
/// The most scopes that one grant lists. The table has the same limit as a constraint.
pub const MAX_SCOPES: usize = 256;

/// Why a function refuses.
#[derive(Debug)]
pub enum Error {
    // 22023, or 22021 for text that is no text
    Null(&'static str),
    NotUtf8(&'static str),
    BadName { what: &'static str, name: String, why: NameError },
    BadScope { scope: String, why: ScopeError },
    NoScopes,
    TooManyScopes(usize),
    UnknownScope { scope: String, profile: String, known: KnownScopes, near: Vec<String> },
    NoDomain,
    DomainAndAllDomains,
    ExpiryInThePast,
    GraceNotPossible,
    MetadataTooLarge(i64),
    NotConfirmed { what: &'static str, id: i64 },
    Unconfirmed { profile: String, id: i64 },
    BadLimit,
    // 55000
    RoleHasMore { role: &'static str, what: String },
    // P0002
    NoAccount(i64),
    NoProfile(String),
    NoDomainWithId(i64),
    NoDomainNamed { name: String, account_id: i64 },
    NoToken(i64),
    // 23505
    Taken { what: &'static str, name: String },
    // 23503
    Referenced { what: &'static str, id: i64, by: String, constraint: String },
    // 23001, or 40001 where the transaction's own snapshot still shows another token
    LastToken { domain: String, profile: String, retry: bool },
    LastTokenTruncated { domain: String, profile: String },
    // 55000
    AlreadyReset(i64),
    Expired(i64),
    NotSealed(i64),
    NoKeyFile,
    NoKeyToSeal { profile: String },
    NoKeyToOpen(i64),
    SealedUnderUnknownKey(i64),
    Preset(String),
    PresetsTruncated(String),
    PresetClaimed(String),
    // 42501
    Rule { profile: String, rule: &'static str, what: &'static str, instead: &'static str },
    NotAdministrator { actor: String, account: String, profile: String, has_administrator: bool },
    CallerNotGood(i64),
    CallerLacks { token_id: i64, what: MissingRight },
    NotForTokens { token_id: i64, what: &'static str },
    // 25000
    Parallel(&'static str),
    // F0000
    KeyFile(KeyFileProblem),
    // XX001
    SealBroken(i64),
    // 0A000
    Encoding(String),
    // 23514
    Immutable { table: String, column: String },
    // 39P01
    NotOurTable,
    // 58030
    NoRandomness(String),
}

/// The scopes that a profile knows, as a hint lists them.
#[derive(Debug)]
pub struct KnownScopes {
    pub listed: Vec<String>,
    /// How many there are beside those.
    pub more: usize,
}

impl fmt::Display for KnownScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.listed.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// What a token that acts has not.
#[derive(Clone, Copy, Debug)]
pub enum MissingRight {
    /// `domains:full`, account-wide.
    Domains,
    /// `tokens:full`, for the account or for the home of the token that is managed.
    Tokens,
    /// Access that the call would give.
    AccessToGive,
    /// Full access with `all_domains`, which the token of a new domain is covered by.
    AccessOfDomainToken,
    /// Any access to the domain that the call names.
    AccessToDomain,
    /// Access that this token has.
    AccessOf(i64),
}

/// What is wrong with the file of `token_auth.sealing_key_file`.
#[derive(Debug)]
pub enum KeyFileProblem {
    Unreadable(String),
    NoFile,
    Owner,
    Mode,
    TooLarge,
    Content(KeyFileError),
}

struct Report {
    code: PgSqlErrorCode,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Error {
    fn report(&self) -> Report {
        use PgSqlErrorCode::*;
        let report =
            |code, message: String, hint: &str| Report { code, message, detail: None, hint: Some(hint.to_string()) };
        match self {
            Error::Null(what) => {
                report(ERRCODE_INVALID_PARAMETER_VALUE, format!("{what} must not be NULL"), "Pass a value for it.")
            }
            Error::NotUtf8(what) => report(
                ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
                format!("{what} is not valid UTF-8"),
                "Text is taken as UTF-8 in a database with the encoding SQL_ASCII.",
            ),
            Error::BadName { what, name, why } => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                match why {
                    NameError::Blank => format!("{what} must not be blank"),
                    NameError::TooLong => format!("{what} is too long: {}", quoted(name)),
                    NameError::ControlCharacter => format!("{what} has a control character in it: {}", quoted(name)),
                },
                &match why {
                    NameError::Blank => "Pass something that people can read.".to_string(),
                    NameError::TooLong => format!("A name has at most {} characters.", name::MAX_LENGTH),
                    NameError::ControlCharacter => {
                        "Remove line breaks, tabs and other control characters from it.".to_string()
                    }
                },
            ),
            Error::BadScope { scope, why } => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                format!(
                    "{} is not a scope{}",
                    quoted(scope),
                    if *why == ScopeError::Wildcard { " to ask for" } else { "" }
                ),
                &match why {
                    ScopeError::Grammar => "A scope is resource:action, such as email:send, email.templates:read or \
                                            email:full; in a grant either side may be *."
                        .to_string(),
                    ScopeError::TooLong => format!("A scope has at most {} characters.", scope::MAX_LENGTH),
                    ScopeError::Wildcard => {
                        "Ask for one action, or for resource:full to ask whether all of a resource \
                                             is granted."
                            .to_string()
                    }
                },
            ),
            Error::NoScopes => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "scopes must have at least one scope and no NULL in it".to_string(),
                "Pass an array such as ARRAY['email:send'], or ARRAY['*'] for full access.",
            ),
            Error::TooManyScopes(count) => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                format!("{count} scopes are too many"),
                &format!("A grant lists at most {MAX_SCOPES} scopes; grant a resource as a whole with resource:full."),
            ),
            Error::UnknownScope { scope, profile, known, near } => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                format!("profile {} does not know the scope {}", quoted(profile), quoted(scope)),
                &match near.as_slice() {
                    [] => format!("It knows *, {known}."),
                    near => format!("Did you mean {}? It knows *, {known}.", near.join(" or ")),
                },
            ),
            Error::NoDomain => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "domain is NULL, and all_domains is not true".to_string(),
                "Name a domain, or pass all_domains => true to mean every domain of the account.",
            ),
            Error::DomainAndAllDomains => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "domain and all_domains are both given".to_string(),
                "Call the function once for the domain and once for all domains.",
            ),
            Error::ExpiryInThePast => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "expires_at is in the past".to_string(),
                "Pass a time to come, or NULL for a token that never expires; to end a token now, delete it.",
            ),
            Error::GraceNotPossible => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "grace is negative, infinite or too long".to_string(),
                "Pass how long the old secret is to work on, such as interval '12 hours', at most 100 years; zero ends it at once.",
            ),
            Error::MetadataTooLarge(bytes) => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                format!("metadata of {bytes} bytes is too large"),
                &format!(
                    "A token's metadata has at most {MAX_METADATA} bytes as text; keep more in a table of your own."
                ),
            ),
            Error::NotConfirmed { what, id } => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                format!("confirm_name is not the name of {what} {id}; nothing was deleted"),
                "Pass its name, to the letter, as confirm_name.",
            ),
            Error::Unconfirmed { profile, id } => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                format!(
                    "profile {} asks for the name of token {id} to delete it (confirms_delete is true)",
                    quoted(profile)
                ),
                "Pass its name, to the letter, as confirm_name.",
            ),
            Error::BadLimit => report(
                ERRCODE_INVALID_PARAMETER_VALUE,
                "max_tokens must be greater than zero".to_string(),
                "Pass a number of tokens, or NULL for all.",
            ),
            Error::NoAccount(id) => report(
                ERRCODE_NO_DATA_FOUND,
                format!("account {id} does not exist"),
                "SELECT id, name FROM token_auth.account lists those that do.",
            ),
            Error::NoProfile(name) => report(
                ERRCODE_NO_DATA_FOUND,
                format!("profile {} does not exist", quoted(name)),
                "SELECT name FROM token_auth.profile lists those that do.",
            ),
            Error::NoDomainWithId(id) => report(
                ERRCODE_NO_DATA_FOUND,
                format!("domain {id} does not exist"),
                "SELECT id, account_id, name FROM token_auth.domain lists those that do; a given account_id must be its own.",
            ),
            Error::NoDomainNamed { name, account_id } => report(
                ERRCODE_NO_DATA_FOUND,
                format!("account {account_id} has no domain {}", quoted(name)),
                "Create it with token_auth.create_domain.",
            ),
            Error::NoToken(id) => report(
                ERRCODE_NO_DATA_FOUND,
                format!("token {id} does not exist"),
                "SELECT id, account_id, name FROM token_auth.tokens lists those that do; a given account_id must be its own.",
            ),
            Error::RoleHasMore { role, what } => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("role {} exists, and has more than the extension gives it: {what}", quoted(role)),
                "token_auth acts as this role, so it must have no attribute and no membership in either direction: take \
                 them away (REVOKE, ALTER ROLE), or drop the role.",
            ),
            Error::Referenced { what, id, by, constraint } => report(
                ERRCODE_FOREIGN_KEY_VIOLATION,
                format!(
                    "rows of table {by} refer to {what} {id}, or to what goes with it (foreign key {})",
                    quoted(constraint)
                ),
                "Delete those rows first, or declare the foreign key with ON DELETE CASCADE or ON DELETE SET NULL.",
            ),
            Error::Taken { what, name } => report(
                ERRCODE_UNIQUE_VIOLATION,
                format!("{what} {} exists already", quoted(name)),
                "Choose another name.",
            ),
            Error::LastToken { domain, profile, retry: false } => report(
                ERRCODE_RESTRICT_VIOLATION,
                format!(
                    "domain {} must keep a live token, and this is its last (profile {}: keeps_last_token is true)",
                    quoted(domain),
                    quoted(profile)
                ),
                "Create another token for the domain first, or delete the domain.",
            ),
            Error::LastToken { domain, retry: true, .. } => report(
                ERRCODE_T_R_SERIALIZATION_FAILURE,
                format!("the last other live token of domain {} was removed meanwhile", quoted(domain)),
                "Retry the transaction.",
            ),
            Error::LastTokenTruncated { domain, profile } => report(
                ERRCODE_RESTRICT_VIOLATION,
                format!(
                    "domain {} must keep its live tokens (profile {}: keeps_last_token is true)",
                    quoted(domain),
                    quoted(profile)
                ),
                "Truncate token_auth.domain along with them, or delete what is to go.",
            ),
            Error::AlreadyReset(id) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("token {id} was reset already"),
                "Use the token that replaced it.",
            ),
            Error::Expired(id) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("token {id} has expired"),
                "Create a new token.",
            ),
            Error::Preset(name) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("profile {} is a preset and cannot be changed", quoted(name)),
                "Copy its row, and its rows of token_auth.profile_resource if it has any, under a name of your own.",
            ),
            Error::PresetsTruncated(table) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("token_auth.{table} cannot be truncated, since presets are in it or may be"),
                "Delete the rows that are yours; profiles of your own have builtin = false.",
            ),
            Error::PresetClaimed(name) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("profile {} cannot be made a preset", quoted(name)),
                "Presets come with the extension; leave builtin false for a profile of your own.",
            ),
            Error::Rule { profile, rule, what, instead } => report(
                ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("profile {} does not allow {what} ({rule} is false)", quoted(profile)),
                instead,
            ),
            Error::NotAdministrator { actor, account, profile, has_administrator } => report(
                ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!(
                    "{} is not an administrator of account {} (profile {}: admins_only is true)",
                    quoted(actor),
                    quoted(account),
                    quoted(profile)
                ),
                if *has_administrator {
                    "One of its administrators can add others with token_auth.add_account_admin."
                } else {
                    "It has none yet: whoever may call token_auth.add_account_admin names the first."
                },
            ),
            Error::CallerNotGood(id) => report(
                ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("token {id}, as which this transaction acts, is no longer good"),
                "It was deleted or paused, or has expired. Begin a new transaction and authenticate anew.",
            ),
            Error::CallerLacks { token_id, what } => report(
                ERRCODE_INSUFFICIENT_PRIVILEGE,
                match what {
                    MissingRight::Domains => format!("token {token_id} may not manage domains"),
                    MissingRight::Tokens => format!("token {token_id} may not manage tokens here"),
                    MissingRight::AccessToGive => format!("token {token_id} cannot give access that it does not have"),
                    MissingRight::AccessOfDomainToken => format!(
                        "token {token_id} may not create a domain, which brings a token with full access to it \
                         (creates_domain_token is true)"
                    ),
                    MissingRight::AccessToDomain => format!("token {token_id} has no access to that domain"),
                    MissingRight::AccessOf(other) => {
                        format!("token {token_id} may not manage token {other}, which has access that it does not have")
                    }
                },
                match what {
                    MissingRight::Domains => "It takes domains:full with all_domains.",
                    MissingRight::Tokens => {
                        "It takes tokens:full, with all_domains or for the home of the token that is managed."
                    }
                    MissingRight::AccessToGive => "Give less, or act as a token that has it.",
                    MissingRight::AccessOfDomainToken => "It takes full access (*) with all_domains.",
                    MissingRight::AccessToDomain => "Act as a token that has some.",
                    MissingRight::AccessOf(_) => "Act as a token that has all the access of the other one.",
                },
            ),
            Error::NotForTokens { token_id, what } => report(
                ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("token {token_id}, as which this transaction acts, may not {what}"),
                "Do it in a transaction that does not act as a token.",
            ),
            Error::Parallel(function) => report(
                ERRCODE_INVALID_TRANSACTION_STATE,
                format!("{function} cannot be called while a parallel query is running"),
                "Call it in a statement of its own.",
            ),
            Error::NotSealed(id) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("token {id} has no sealed copy of its secret"),
                "It was made while its secret could not be revealed, or its copy was erased since: create a new token.",
            ),
            Error::NoKeyFile => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "there is no key to seal secrets with".to_string(),
                "Set token_auth.sealing_key_file to the file with the keys.",
            ),
            Error::NoKeyToSeal { profile } => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "profile {} keeps secrets sealed (can_reveal is true), and there is no key to seal them with",
                    quoted(profile)
                ),
                "Set token_auth.sealing_key_file to a file with a key in it, or use a profile with can_reveal = false.",
            ),
            Error::NoKeyToOpen(id) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("there is no key to open the sealed copy of token {id} with"),
                "Set token_auth.sealing_key_file to a file with the key under which it was sealed.",
            ),
            Error::SealedUnderUnknownKey(id) => report(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("token {id} was sealed under a key that is not in the sealing key file"),
                "Add the key that was in use when it was made to the file, after the current one.",
            ),
            Error::SealBroken(id) => report(
                ERRCODE_DATA_CORRUPTED,
                format!("the sealed copy of token {id} does not open"),
                "It was changed, or made for another token. Bring it back from a backup, or create a new token.",
            ),
            Error::KeyFile(problem) => report(
                ERRCODE_CONFIG_FILE_ERROR,
                match problem {
                    KeyFileProblem::Unreadable(why) => format!("the sealing key file cannot be read: {why}"),
                    KeyFileProblem::NoFile => "the sealing key file is not a regular file".to_string(),
                    KeyFileProblem::Owner => {
                        "the sealing key file is owned neither by the user of the server nor by root".to_string()
                    }
                    KeyFileProblem::Mode => "the sealing key file has group or world access".to_string(),
                    KeyFileProblem::TooLarge => "the sealing key file is too large".to_string(),
                    KeyFileProblem::Content(KeyFileError::Empty) => "the sealing key file has no key in it".to_string(),
                    KeyFileProblem::Content(KeyFileError::Line(line)) => {
                        format!("line {line} of the sealing key file is not a key")
                    }
                    KeyFileProblem::Content(KeyFileError::Repeated(line)) => {
                        format!("line {line} of the sealing key file has a key that is there already")
                    }
                },
                match problem {
                    KeyFileProblem::Unreadable(_) | KeyFileProblem::NoFile => {
                        "token_auth.sealing_key_file names it; a relative path starts at the data directory."
                    }
                    KeyFileProblem::Owner | KeyFileProblem::Mode => {
                        "It must have permissions u=rw (0600) or less if owned by the user of the server, or \
                         u=rw,g=r (0640) or less if owned by root."
                    }
                    KeyFileProblem::TooLarge => "It has at most 64 kB.",
                    KeyFileProblem::Content(_) => {
                        "It has a key a line, in 64 hexadecimal digits, the current one first; openssl rand -hex 32 makes one."
                    }
                },
            ),
            Error::Encoding(encoding) => report(
                ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("token_auth does not work in a database with the encoding {encoding}"),
                "Create the extension in a database with the encoding UTF8.",
            ),
            Error::Immutable { table, column } => report(
                ERRCODE_CHECK_VIOLATION,
                format!("column {column} of token_auth.{table} never changes"),
                "Create the row anew and delete the old one.",
            ),
            Error::NotOurTable => report(
                ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "a trigger function of token_auth was called for another table than its own".to_string(),
                "Drop the trigger; these functions are for the tables of token_auth only.",
            ),
            Error::NoRandomness(reason) => report(
                ERRCODE_IO_ERROR,
                format!("the operating system gave no random bytes: {reason}"),
                "No token was made. Try again.",
            ),
        }
    }
}

/// The body of every function that SQL calls: raises what it refuses, with no Rust in it.
///
/// An error that PostgreSQL raised inside is raised again: without the backtrace that pgrx would add, and if a
/// constraint was violated, without its DETAIL, where a failing row prints its digest.
pub fn guarded<T>(body: impl FnOnce() -> Result<T, Error>) -> T {
    let again = |error: CaughtError| -> Result<T, Error> {
        let is_panic = matches!(error, CaughtError::RustPanic { .. });
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = error;
        if is_panic {
            raise(internal(report.message()))
        }
        raise(Report {
            code: report.sql_error_code(),
            message: report.message().to_string(),
            detail: report.detail().filter(|_| !is_integrity_violation(report.sql_error_code())).map(str::to_string),
            hint: report.hint().map(str::to_string),
        })
    };
    match PgTryBuilder::new(AssertUnwindSafe(body)).catch_others(again).execute() {
        Ok(value) => value,
        Err(error) => raise(error.report()),
    }
}

/// What no input should bring about.
fn internal(what: &str) -> Report {
    Report {
        code: PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        message: format!("internal error of token_auth: {}", redacted(what)),
        detail: None,
        hint: Some("Please report it, with what was done.".to_string()),
    }
}

/// Whether a code is of the class 23, Integrity Constraint Violation: five characters of six bits each, the first of
/// them lowest (`MAKE_SQLSTATE` in utils/elog.h).
fn is_integrity_violation(code: PgSqlErrorCode) -> bool {
    const CLASS: i32 = 0xfff;
    code as i32 & CLASS == PgSqlErrorCode::ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION as i32 & CLASS
}

/// Runs an UPDATE that gives something a name, which another one of ours may have. The error has to end the function, since
/// the statement that failed is not undone.
pub fn map_unique_violation<T>(what: &'static str, name: &str, statement: impl FnOnce() -> T) -> Result<T, Error> {
    or_error(statement, PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION, |fields| {
        (fields.schema() == SCHEMA).then(|| Error::Taken { what, name: name.to_string() })
    })
}

/// Runs a statement that deletes something to which rows of an application may refer. The error has to end the function.
pub fn map_foreign_key_violation<T>(what: &'static str, id: i64, statement: impl FnOnce() -> T) -> Result<T, Error> {
    or_error(statement, PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION, |fields| {
        (!fields.table().is_empty()).then(|| Error::Referenced {
            what,
            id,
            by: redacted(&format!("{}.{}", fields.schema(), fields.table())),
            constraint: fields.constraint(),
        })
    })
}

const SCHEMA: &str = "token_auth";

/// Runs a statement, and puts an error of ours in the place of one with this code where it is about what `ours` expects.
fn or_error<T>(
    statement: impl FnOnce() -> T,
    code: PgSqlErrorCode,
    ours: impl Fn(ErrorFields) -> Option<Error> + UnwindSafe + RefUnwindSafe,
) -> Result<T, Error> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(statement())))
        .catch_when(code, |error| match ErrorFields::of_last_error().and_then(&ours) {
            Some(ours) => Err(ours),
            None => error.rethrow(),
        })
        .execute()
}

fn raise(report: Report) -> ! {
    let mut raised = ErrorReport::new(report.code, report.message, "token_auth");
    if let Some(detail) = report.detail {
        raised = raised.set_detail(detail);
    }
    if let Some(hint) = report.hint {
        raised = raised.set_hint(hint);
    }
    raised.report(PgLogLevel::ERROR);
    unreachable!("reporting an ERROR does not return")
}

/// As much of a text as an error keeps: it may be as long as a caller likes.
pub fn excerpt(text: &str) -> String {
    head(text).into_owned()
}

/// The beginning of a long text, up to the end of a word: half a secret would not be recognised as one.
fn head(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 1024;
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let head = &text[..text.floor_char_boundary(LONGEST)];
    let whole_words = head.rfind(char::is_whitespace).map_or(head, |end| &head[..end]);
    Cow::Owned(format!("{whole_words}…"))
}

/// A text as a message shows it: quoted, cut where it is long, with what would break a line made visible.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    format!("\"{}\"", without_secrets(text, LONGEST))
}

/// A message of somebody else's code, as the log may have it.
pub fn redacted(message: &str) -> String {
    const LONGEST: usize = 200;
    without_secrets(message, LONGEST)
}

/// Arguments get mixed up, and code of others may report what it saw: what is a secret, a digest or a key is not shown,
/// whatever stands around it.
fn without_secrets(text: &str, longest: usize) -> String {
    let text = head(text);
    let mut shown = String::new();
    for alloc_overhead in text.split_inclusive(|c: char| !is_of_word(c)) {
        let word = alloc_overhead.trim_end_matches(|c: char| !is_of_word(c));
        if secret::is_well_formed(word.as_bytes()) {
            shown += &secret::hint(word);
        } else if can_be_secret(word) {
            shown += &word[..4];
            shown += "...";
        } else {
            shown += word;
        }
        shown += &alloc_overhead[word.len()..];
    }
    let mut visible: String = shown
        .chars()
        .take(longest)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if shown.chars().nth(longest).is_some() {
        visible.push('…');
    }
    visible
}

/// What secrets, and digests in hexadecimal or base64, are written with.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '/' | '=')
}

/// Whether a word can be a digest, a sealed copy, a key, or a secret with a slip in it, as they are usually written.
fn can_be_secret(word: &str) -> bool {
    let digits = word.strip_prefix('x').unwrap_or(word);
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    digits.len() >= 48 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        || word.len() >= 40 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}
