//! Sealed copies of secrets: the key file, the copy that a new token gets, revealing, and sealing anew under another key.
//!
//! The file is read at each call, so a key lives in a backend's memory only while one runs, and a changed file counts from
//! the next call on.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

use pgrx::pg_extern;
use rand::TryRng as _;
use rand::rngs::SysRng;
use token_auth_core::seal::{Keys, MARK, NONCE, OpenError};
use token_auth_core::secret::Digest;
use zeroize::Zeroizing;

use crate::error::{Error, KeyFileProblem, guarded};
use crate::guc;
use crate::manage::account::Account;
use crate::model::profile::Profile;
use crate::permission::{self, Action};
use crate::pg::server;
use crate::pg::spi::{Query, ResultRow};

#[pg_extern(sql = false)]
fn reveal_token(id: Option<i64>, account_id: Option<i64>) -> String {
    static READ: Query = Query::new("SELECT id, digest, sealed FROM token_auth.token WHERE id = $1");
    guarded(|| {
        let (account, id) = Account::of_token_to_read(id, account_id)?;
        permission::check(&account, Action::ManageToken(id))?;
        account.profile.check_can_reveal()?;
        let token = READ.row_latest_snapshot(&[id.into()], SealedToken::read).ok_or(Error::NoToken(id))?;
        let sealed = token.sealed.as_deref().ok_or(Error::NotSealed(id))?;
        let secret = key_file()?
            .ok_or(Error::NoKeyToOpen(id))?
            .open(id, &token.digest, sealed)
            .map_err(|why| does_not_open(id, why))?;
        Ok(secret.to_string())
    })
}

/// Account by account, in the order in which copies are erased: accounts are locked before their tokens.
#[pg_extern(sql = false)]
fn reseal_tokens(max_tokens: Option<i64>) -> i64 {
    static NEXT_ACCOUNT: Query = Query::new(
        "SELECT account_id
           FROM token_auth.token
          WHERE account_id > $1
            AND sealed IS NOT NULL
            AND pg_catalog.substr(sealed, 1, $2) <> $3
          ORDER BY account_id
          LIMIT 1",
    );
    static LOCK_ACCOUNT: Query = Query::new("SELECT true FROM token_auth.account WHERE id = $1 FOR SHARE");
    guarded(|| {
        let wanted = max_tokens.unwrap_or(i64::MAX);
        if wanted <= 0 {
            return Err(Error::BadLimit);
        }
        permission::check_all_accounts("seal tokens anew")?;
        let keys = key_file()?.ok_or(Error::NoKeyFile)?;
        let mark = keys.current_mark();
        let (mut resealed, mut account) = (0, i64::MIN);
        while resealed < wanted {
            let arguments = [account.into(), (MARK as i32).into(), mark.as_slice().into()];
            let Some(next) = NEXT_ACCOUNT.row(&arguments, |row| row.get_not_null(1)) else { break };
            account = next;
            LOCK_ACCOUNT.execute(&[account.into()]);
            resealed += reseal(account, &keys, wanted - resealed)?;
        }
        Ok(resealed)
    })
}

/// Seals copies of an account anew, at most so many, and returns how many.
fn reseal(account: i64, keys: &Keys, wanted: i64) -> Result<i64, Error> {
    /// How many are held in memory at a time.
    const BATCH: i64 = 1000;
    static OUTDATED: Query = Query::new(
        "SELECT id, digest, sealed
           FROM token_auth.token
          WHERE account_id = $1
            AND id > $2
            AND sealed IS NOT NULL
            AND pg_catalog.substr(sealed, 1, $3) <> $4
          ORDER BY id
          LIMIT $5
            FOR NO KEY UPDATE",
    );
    static RESEAL: Query = Query::new("UPDATE token_auth.token SET sealed = $2 WHERE id = $1");
    let mark = keys.current_mark();
    let (mut resealed, mut last) = (0, i64::MIN);
    while resealed < wanted {
        let batch = BATCH.min(wanted - resealed);
        let arguments = [account.into(), last.into(), (MARK as i32).into(), mark.as_slice().into(), batch.into()];
        let tokens = OUTDATED.rows(&arguments, SealedToken::read);
        for SealedToken { id, digest, sealed } in &tokens {
            let sealed = sealed.as_deref().ok_or(Error::NotSealed(*id))?;
            let secret = keys.open(*id, digest, sealed).map_err(|why| does_not_open(*id, why))?;
            RESEAL.execute(&[(*id).into(), keys.seal(*id, digest, &secret, nonce()?).into()]);
            last = *id;
        }
        resealed += tokens.len() as i64;
        if (tokens.len() as i64) < batch {
            break;
        }
    }
    Ok(resealed)
}

/// The sealed copy of a new token's secret, or `None` where the profile does not let it be revealed.
pub fn seal(profile: &Profile, token_id: i64, digest: &Digest, secret: &str) -> Result<Option<Vec<u8>>, Error> {
    if !profile.can_reveal {
        return Ok(None);
    }
    let keys = key_file()?.ok_or_else(|| Error::NoKeyToSeal { profile: profile.name.clone() })?;
    Ok(Some(keys.seal(token_id, digest, secret, nonce()?)))
}

struct SealedToken {
    id: i64,
    digest: Digest,
    sealed: Option<Vec<u8>>,
}

impl SealedToken {
    fn read(row: &ResultRow) -> Self {
        let digest: Vec<u8> = row.get_not_null(c"digest");
        Self {
            id: row.get_not_null(c"id"),
            digest: digest.try_into().expect("a digest has 32 bytes, says a constraint"),
            sealed: row.get(c"sealed"),
        }
    }
}

fn nonce() -> Result<[u8; NONCE], Error> {
    let mut nonce = [0; NONCE];
    SysRng.try_fill_bytes(&mut nonce).map_err(|error| Error::NoRandomness(error.to_string()))?;
    Ok(nonce)
}

fn does_not_open(id: i64, why: OpenError) -> Error {
    match why {
        OpenError::UnknownKey => Error::SealedUnderUnknownKey(id),
        OpenError::Broken => Error::SealBroken(id),
    }
}

/// The keys in the file that `token_auth.sealing_key_file` names, or `None` where it names none.
fn key_file() -> Result<Option<Keys>, Error> {
    // Far more keys than anybody lists, and little enough to read at each call.
    const LARGEST: u64 = 65_536;
    let Some(path) = guc::sealing_key_file() else { return Ok(None) };
    let problem = |problem| Error::KeyFile(problem);
    let unreadable = |error: std::io::Error| Error::KeyFile(KeyFileProblem::Unreadable(error.to_string()));
    // Asked before it is opened: opening a named pipe would wait for a writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(problem(KeyFileProblem::NoFile));
    }
    let file = File::open(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // As PostgreSQL asks of ssl_key_file (libpq/be-secure-common.c): its own and nobody else's, or root's, which its
    // group may read.
    let shared_with = match metadata.uid() {
        0 if server::user_id() != 0 => 0o037,
        owner if owner == server::user_id() => 0o077,
        _ => return Err(problem(KeyFileProblem::Owner)),
    };
    if metadata.mode() & shared_with != 0 {
        return Err(problem(KeyFileProblem::Mode));
    }
    if metadata.len() > LARGEST {
        return Err(problem(KeyFileProblem::TooLarge));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(LARGEST).read_to_end(&mut text).map_err(unreadable)?;
    Keys::parse(&text).map(Some).map_err(|why| problem(KeyFileProblem::Content(why)))
}
