//! Sealed copies of secrets: revealing them, and sealing them again under another key.

use pgrx::pg_extern;
use token_auth_core::scheme::Scheme;
use token_auth_core::seal::{Keys, MARK};
use token_auth_core::secret::Digest;

use super::keyring;
use super::target::Target;
use crate::error::{ArgumentError, Error, NotFound, SealingError, guarded};
use crate::permission::check_not_token;
use crate::pg::spi::{Query, ResultRow};

#[pg_extern(sql = false)]
fn reveal_token(id: Option<i64>, account_id: Option<i64>) -> String {
    static READ: Query = Query::new("SELECT id, scheme, digest, sealed FROM token_auth.token WHERE id = $1");
    guarded(|| {
        let target = Target::token_to_read(id, account_id)?.authorize()?;
        target.account.profile.check_can_reveal()?;
        target.check_caller_reaches("reveal the secret of")?;
        let id = target.row.id;
        let token = READ.row_latest_snapshot(&[id.into()], SealedToken::read).ok_or(NotFound::Token(id))?;
        let sealed = token.sealed.as_deref().ok_or(SealingError::NotSealed(id))?;
        let keys = keyring::load()?.ok_or(SealingError::NoKeyToOpen(id))?;
        Ok(keyring::open(&keys, id, token.scheme, &token.digest, sealed)?.to_string())
    })
}

/// Reseals account by account, in the order in which copies are erased: accounts are locked before their tokens.
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
        let limit = max_tokens.unwrap_or(i64::MAX);
        if limit <= 0 {
            return Err(ArgumentError::BadLimit.into());
        }
        check_not_token("reseal tokens")?;
        let keys = keyring::load()?.ok_or(SealingError::NoKey)?;
        let mark = keys.current_mark();
        let (mut resealed, mut account) = (0, i64::MIN);
        while resealed < limit {
            let arguments = [account.into(), (MARK as i32).into(), mark.as_slice().into()];
            let Some(next) = NEXT_ACCOUNT.row(&arguments, |row| row.get_not_null(1)) else { break };
            account = next;
            LOCK_ACCOUNT.execute(&[account.into()]);
            resealed += reseal_account(account, &keys, limit - resealed)?;
        }
        Ok(resealed)
    })
}

/// Reseals at most `limit` tokens of an account, and returns how many it resealed.
fn reseal_account(account: i64, keys: &Keys, limit: i64) -> Result<i64, Error> {
    /// The tokens in memory at a time.
    const BATCH: i64 = 1000;
    static OUTDATED: Query = Query::new(
        "SELECT id, scheme, digest, sealed
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
    while resealed < limit {
        let batch = BATCH.min(limit - resealed);
        let arguments = [account.into(), last.into(), (MARK as i32).into(), mark.as_slice().into(), batch.into()];
        let tokens = OUTDATED.rows(&arguments, SealedToken::read);
        for SealedToken { id, scheme, digest, sealed } in &tokens {
            let sealed = sealed.as_deref().ok_or(SealingError::NotSealed(*id))?;
            let secret = keyring::open(keys, *id, *scheme, digest, sealed)?;
            RESEAL.execute(&[(*id).into(), keys.seal(*id, digest, &secret, keyring::nonce()?).into()]);
            last = *id;
        }
        resealed += tokens.len() as i64;
        if (tokens.len() as i64) < batch {
            break;
        }
    }
    Ok(resealed)
}

struct SealedToken {
    id: i64,
    scheme: Scheme,
    digest: Digest,
    sealed: Option<Vec<u8>>,
}

impl SealedToken {
    fn read(row: &ResultRow) -> Self {
        let digest: Vec<u8> = row.get_not_null(c"digest");
        let scheme: String = row.get_not_null(c"scheme");
        Self {
            id: row.get_not_null(c"id"),
            scheme: Scheme::from_name(scheme.as_bytes()).expect("a constraint keeps schemes to those that are known"),
            digest: digest.try_into().expect("a constraint keeps digests at 32 bytes"),
            sealed: row.get(c"sealed"),
        }
    }
}
