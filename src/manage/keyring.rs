//! The sealing key file, and sealing under its keys.
//!
//! The file is read at each call. So a key is in a session's memory only during a call, and a changed file counts from the
//! next call on.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

use rand::TryRng as _;
use rand::rngs::SysRng;
use token_auth_core::scheme::Scheme;
use token_auth_core::seal::{Keys, NONCE, OpenError};
use token_auth_core::secret::Digest;
use zeroize::Zeroizing;

use crate::error::{EnvironmentError, Error, KeyFileProblem, ProfileName, SealingError};
use crate::guc;
use crate::model::profile::Profile;
use crate::pg::extension::effective_user_id;

/// Returns the sealed copy of a new token's secret, or `None` if the profile does not let secrets be revealed.
pub fn seal(profile: &Profile, token_id: i64, digest: &Digest, secret: &str) -> Result<Option<Vec<u8>>, Error> {
    if !profile.can_reveal {
        return Ok(None);
    }
    let keys = load()?.ok_or_else(|| SealingError::NoKeyToSeal { profile: ProfileName(profile.name.clone()) })?;
    Ok(Some(keys.seal(token_id, digest, secret, nonce()?)))
}

/// Opens the sealed copy of a token's secret.
pub fn open(
    keys: &Keys,
    token_id: i64,
    scheme: Scheme,
    digest: &Digest,
    sealed: &[u8],
) -> Result<Zeroizing<String>, Error> {
    keys.open(token_id, scheme, digest, sealed).map_err(|why| match why {
        OpenError::UnknownKey => SealingError::UnknownKey(token_id).into(),
        OpenError::Broken => SealingError::Broken(token_id).into(),
    })
}

/// Returns a random nonce.
pub fn nonce() -> Result<[u8; NONCE], Error> {
    let mut nonce = [0; NONCE];
    SysRng.try_fill_bytes(&mut nonce).map_err(|error| EnvironmentError::NoRandomness(error.to_string()))?;
    Ok(nonce)
}

/// Returns the keys in the file that `token_auth.sealing_key_file` names, or `None` if the setting is empty.
pub fn load() -> Result<Option<Keys>, Error> {
    // More keys than anybody lists, and few enough bytes to read at each call.
    const MAX_SIZE: u64 = 65_536;
    let Some(path) = guc::sealing_key_file() else { return Ok(None) };
    let problem = |problem| Error::from(SealingError::KeyFile(problem));
    let unreadable = |error: std::io::Error| problem(KeyFileProblem::Unreadable(error.to_string()));
    // Checked before the file is opened: opening a named pipe would wait for a writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(problem(KeyFileProblem::NotRegular));
    }
    let file = File::open(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // The rule of PostgreSQL for ssl_key_file (libpq/be-secure-common.c): the file is the server's own and private, or it
    // is root's and at most its group may read it.
    let forbidden_mode = match metadata.uid() {
        0 if effective_user_id() != 0 => 0o037,
        owner if owner == effective_user_id() => 0o077,
        _ => return Err(problem(KeyFileProblem::Owner)),
    };
    if metadata.mode() & forbidden_mode != 0 {
        return Err(problem(KeyFileProblem::Mode));
    }
    if metadata.len() > MAX_SIZE {
        return Err(problem(KeyFileProblem::TooLarge));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(MAX_SIZE).read_to_end(&mut text).map_err(unreadable)?;
    Keys::parse(&text).map(Some).map_err(|why| problem(KeyFileProblem::Content(why)))
}
