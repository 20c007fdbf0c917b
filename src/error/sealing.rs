//! Errors of sealed copies and of the sealing key file.

use pgrx::PgSqlErrorCode::{self, *};
use token_auth_core::seal::KeyFileError;

use super::Report;
use super::names::ProfileName;

/// A secret that cannot be sealed or revealed: 55000 unless something else is said.
#[derive(Debug)]
pub enum SealingError {
    NotSealed(i64),
    /// `reseal_tokens` has no key.
    NoKey,
    /// A token cannot be created without a key.
    NoKeyToSeal {
        profile: ProfileName,
    },
    NoKeyToOpen(i64),
    UnknownKey(i64),
    /// XX001
    Broken(i64),
    /// F0000
    KeyFile(KeyFileProblem),
}

/// The problem of the file that `token_auth.sealing_key_file` names.
#[derive(Debug)]
pub enum KeyFileProblem {
    Unreadable(String),
    NotRegular,
    Owner,
    Mode,
    TooLarge,
    Content(KeyFileError),
}

impl SealingError {
    pub(super) fn report(&self) -> Report {
        Report::new(self.code(), self.word(), self.message(), self.hint())
    }

    fn code(&self) -> PgSqlErrorCode {
        match self {
            Self::Broken(_) => ERRCODE_DATA_CORRUPTED,
            Self::KeyFile(_) => ERRCODE_CONFIG_FILE_ERROR,
            _ => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::NotSealed(_) => "not_sealed",
            Self::NoKey | Self::NoKeyToSeal { .. } | Self::NoKeyToOpen(_) => "no_sealing_key",
            Self::UnknownKey(_) => "unknown_sealing_key",
            Self::Broken(_) => "broken_sealed_copy",
            Self::KeyFile(_) => "bad_key_file",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NotSealed(id) => format!("token {id} has no sealed copy of its secret"),
            Self::NoKey => "there is no key to seal secrets with".to_string(),
            Self::NoKeyToSeal { profile } => format!(
                "{} keeps secrets sealed (can_reveal is true), and there is no key to seal them with",
                profile.shown()
            ),
            Self::NoKeyToOpen(id) => format!("there is no key to open the sealed copy of token {id} with"),
            Self::UnknownKey(id) => format!("token {id} was sealed under a key that is not in the sealing key file"),
            Self::Broken(id) => format!("the sealed copy of token {id} cannot be opened"),
            Self::KeyFile(problem) => problem.message(),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::NotSealed(_) => {
                "It was created while its secret could not be revealed, or its copy was erased since: create a new token."
            }
            Self::NoKey => "Set token_auth.sealing_key_file to the file with the keys.",
            Self::NoKeyToSeal { .. } => {
                "Set token_auth.sealing_key_file to a file with a key in it, or use a profile with can_reveal = false."
            }
            Self::NoKeyToOpen(_) => "Set token_auth.sealing_key_file to a file with the key under which it was sealed.",
            Self::UnknownKey(_) => {
                "Add the key that was in use when it was created to the file, after the current one."
            }
            Self::Broken(_) => {
                "It was changed, or made for another token. Restore it from a backup, or create a new token."
            }
            Self::KeyFile(problem) => problem.hint(),
        }
    }
}

impl KeyFileProblem {
    fn message(&self) -> String {
        let message = match self {
            Self::Unreadable(why) => return format!("the sealing key file cannot be read: {why}"),
            Self::NotRegular => "the sealing key file is not a regular file",
            Self::Owner => "the sealing key file is owned neither by the user of the server nor by root",
            Self::Mode => "the sealing key file has group or world access",
            Self::TooLarge => "the sealing key file is too large",
            Self::Content(KeyFileError::Empty) => "the sealing key file has no key in it",
            Self::Content(KeyFileError::Line(line)) => {
                return format!("line {line} of the sealing key file is not a key");
            }
            Self::Content(KeyFileError::Repeated(line)) => {
                return format!("line {line} of the sealing key file repeats a key");
            }
        };
        message.to_string()
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::NotRegular => {
                "token_auth.sealing_key_file names it; a relative path starts at the data directory."
            }
            Self::Owner | Self::Mode => {
                "It must have permissions u=rw (0600) or less if owned by the user of the server, or u=rw,g=r (0640) or \
                 less if owned by root."
            }
            Self::TooLarge => "It has at most 64 kB.",
            Self::Content(_) => {
                "It has one key a line, in 64 hexadecimal digits, the current one first; openssl rand -hex 32 makes one."
            }
        }
    }
}
