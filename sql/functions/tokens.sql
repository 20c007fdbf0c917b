-- The functions that manage tokens. docs/privileges.md says who may call them.

CREATE FUNCTION token_auth.create_token(
    account_id bigint,
    name text,
    scopes text[],
    domain text DEFAULT NULL,
    all_domains bool DEFAULT false,
    expires_at timestamptz DEFAULT NULL,
    metadata jsonb DEFAULT '{}',
    OUT token_id bigint,
    OUT name text,
    OUT secret text,
    OUT hint text,
    OUT expires_at timestamptz
)
    LANGUAGE c SUPPORT token_auth.refuse_expansion
    AS 'MODULE_PATHNAME', 'create_token_wrapper';

COMMENT ON FUNCTION token_auth.create_token(bigint, text, text[], text, bool, timestamptz, jsonb) IS
'Creates a token.
name: at most 255 characters, not blank, without control characters. scopes: such as {email:send,email.templates:read}, {email:full} or {*}; 1 to 256.
domain: the name of the domain where the token has the scopes; it is the home of the token. all_domains: the token has the scopes on every domain of the account and for account-wide operations; domain is then only its home.
expires_at: a time in the future, before 9999-12-30 UTC; NULL and infinity mean never. metadata: a JSON object of at most 8192 bytes as text, returned by verify_token; NULL is {}.
In a transaction that is authenticated as a token with an expiry, the new token has one that is no later: NULL means the same one, and a later one is refused (42501). Call it in FROM: (create_token(...)).* would call it once for each column, and is refused (0A000).
Result: id, name, hint and expiry of the token, and its secret, which is shown only here.
Errors: 22023 for a NULL account_id, name or scopes, a bad name, a bad scope, an expiry in the past or too late, metadata that is too large or not an object, neither domain nor all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller without permission, for an expiry under a profile without can_expire, and for metadata from a session token; 55000 or F0000 if the profile has can_reveal and token_auth.sealing_key_file gives no key.';

CREATE FUNCTION token_auth.grant_access(
    id bigint,
    scopes text[],
    domain text DEFAULT NULL,
    all_domains bool DEFAULT false,
    account_id bigint DEFAULT token_auth.any_account()
) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'grant_access_wrapper';

COMMENT ON FUNCTION token_auth.grant_access(bigint, text[], text, bool, bigint) IS
'Replaces the scopes of a token on a domain, or with all_domains its scopes on every domain of its account and account-wide. The change counts from COMMIT on. Returns true, or false if it has exactly these scopes already.
scopes: such as {email:send,email.templates:read}, {email:full} or {*}; 1 to 256. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or scopes, a bad scope, not exactly one of domain and all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller without permission, for a token that lives longer than the session token, and under a profile without can_edit_access.';

CREATE FUNCTION token_auth.revoke_access(
    id bigint,
    domain text DEFAULT NULL,
    all_domains bool DEFAULT false,
    account_id bigint DEFAULT token_auth.any_account()
) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'revoke_access_wrapper';

COMMENT ON FUNCTION token_auth.revoke_access(bigint, text, bool, bigint) IS
'Removes the scopes of a token on a domain, or with all_domains its scopes on every domain and account-wide; its access to single domains then stays. The change counts from COMMIT on. Returns true, or false if it had no such scopes.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id, not exactly one of domain and all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller without permission and under a profile without can_edit_access.';

CREATE FUNCTION token_auth.reset_token(
    id bigint,
    grace interval DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    account_id bigint DEFAULT token_auth.any_account(),
    OUT token_id bigint,
    OUT name text,
    OUT secret text,
    OUT hint text,
    OUT expires_at timestamptz,
    OUT previous_expires_at timestamptz
)
    LANGUAGE c SUPPORT token_auth.refuse_expansion
    AS 'MODULE_PATHNAME', 'reset_token_wrapper';

COMMENT ON FUNCTION token_auth.reset_token(bigint, interval, timestamptz, bigint) IS
'Resets a token: creates a successor with the same home, access and metadata, paused if the old token is paused. The old token stays valid until its grace ends, or until its own expiry if that is earlier.
grace: at most 100 years, a day being 24 hours; NULL means the reset_grace of the profile, and zero ends the old token at once. expires_at: the expiry of the successor, before 9999-12-30 UTC; NULL gives it the lifetime of the old token, and infinity means never. In a transaction that is authenticated as a token, the lifetime ends with that of the session token. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Result: the successor with its secret, which is shown only here, and the end of the old token.
Errors: 22004 for a NULL account_id; 22023 for a NULL id, a grace that is negative, infinite or too long, an expiry in the past or too late; P0002 for an unknown id; 42501 for a caller without permission and under a profile without can_reset, or for an expiry without can_expire or later than that of the session token; 55000 for a token that was reset or has expired; 55000 or F0000 if the profile has can_reveal and token_auth.sealing_key_file gives no key.';

CREATE FUNCTION token_auth.pause_token(id bigint, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'pause_token_wrapper';

COMMENT ON FUNCTION token_auth.pause_token(bigint, bigint) IS
'Pauses a token: from COMMIT on it is refused (code paused). Returns true, or false if it was paused already.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller without permission and under a profile without can_pause.';

CREATE FUNCTION token_auth.resume_token(id bigint, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'resume_token_wrapper';

COMMENT ON FUNCTION token_auth.resume_token(bigint, bigint) IS
'Resumes a token, under any profile. Returns true, or false if it was not paused.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller without permission, and for a token that lives longer than the session token.';

CREATE FUNCTION token_auth.rename_token(id bigint, name text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'rename_token_wrapper';

COMMENT ON FUNCTION token_auth.rename_token(bigint, text, bigint) IS
'Renames a token. Nothing else changes. Returns true, or false if it has that name already.
name: at most 255 characters, not blank, without control characters. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission and under a profile without can_rename.';

CREATE FUNCTION token_auth.set_token_expiry(
    id bigint,
    expires_at timestamptz,
    account_id bigint DEFAULT token_auth.any_account()
) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_token_expiry_wrapper';

COMMENT ON FUNCTION token_auth.set_token_expiry(bigint, timestamptz, bigint) IS
'Sets the expiry of a token. Returns true, or false if it has that expiry already.
expires_at: a time in the future, before 9999-12-30 UTC; infinity means never. For a token that was reset it is the end of its grace, which can be moved, but not to never.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL expires_at or account_id; 22023 for a NULL id, an expiry in the past or too late, infinity for a token that was reset; P0002 for an unknown id; 42501 for a caller without permission, for an expiry later than that of the session token, and under a profile without can_expire, unless the token is to expire never; 55000 for a token that has expired.';

CREATE FUNCTION token_auth.set_token_metadata(id bigint, metadata jsonb, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_token_metadata_wrapper';

COMMENT ON FUNCTION token_auth.set_token_metadata(bigint, jsonb, bigint) IS
'Replaces the metadata of a token. Returns true, or false if it has exactly this metadata already.
metadata: a JSON object of at most 8192 bytes as text; verify_token returns it. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or metadata, metadata that is too large or not an object; P0002 for an unknown id; 42501 for a caller without permission, and for every session token.';

CREATE FUNCTION token_auth.merge_token_metadata(
    id bigint,
    metadata jsonb,
    account_id bigint DEFAULT token_auth.any_account()
) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'merge_token_metadata_wrapper';

COMMENT ON FUNCTION token_auth.merge_token_metadata(bigint, jsonb, bigint) IS
'Adds keys to the metadata of a token, as metadata || keys does, without losing a concurrent change. Returns true, or false if it has them already.
metadata: a JSON object; the values of its keys replace those of the same keys. The result has at most 8192 bytes as text. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or metadata, metadata that is not an object, a result that is too large; P0002 for an unknown id; 42501 for a caller without permission, and for every session token.';

CREATE FUNCTION token_auth.delete_token(
    id bigint,
    confirm_name text DEFAULT NULL,
    account_id bigint DEFAULT token_auth.any_account()
) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'delete_token_wrapper';

COMMENT ON FUNCTION token_auth.delete_token(bigint, text, bigint) IS
'Deletes a token, at once and irrevocably. Returns true, or false if a trigger kept it.
confirm_name: the exact name of the token, required if the profile has confirms_delete. With another name nothing is deleted. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id, a confirm_name that is missing or is not the name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission; 23001 for the last live token of a domain if the profile has keeps_last_token; 40001 instead if the snapshot of a transaction above READ COMMITTED still shows another one; 23503 if rows of another table refer to what would be deleted.';
