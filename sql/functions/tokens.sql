-- The functions that manage tokens. docs/privileges.md says who may call them.

CREATE FUNCTION token_auth.create_token(
    account_id bigint,
    name text,
    scopes text[],
    domain text DEFAULT NULL,
    all_domains bool DEFAULT false,
    expires_at timestamptz DEFAULT NULL,
    metadata jsonb DEFAULT '{}',
    owner text DEFAULT NULL,
    networks cidr[] DEFAULT NULL,
    request_id text DEFAULT NULL,
    OUT token_id bigint,
    OUT name text,
    OUT secret text,
    OUT hint text,
    OUT expires_at timestamptz
)
    LANGUAGE c SUPPORT token_auth.refuse_expansion
    AS 'MODULE_PATHNAME', 'create_token_wrapper';

COMMENT ON FUNCTION token_auth.create_token(bigint, text, text[], text, bool, timestamptz, jsonb, text, cidr[], text) IS
'Creates a token.
name: at most 255 characters, not blank, without control characters. scopes: such as {email:send,email.templates:read}, {email:full} or {*}; 1 to 256.
domain: the name of the domain where the token has the scopes; it is the home of the token. all_domains: the token has the scopes on every domain of the account and for account-wide operations; domain is then only its home.
expires_at: a time in the future, before 9999-12-30 UTC; infinity means never; NULL means the default_lifetime or else the max_lifetime of the profile, and never if it has none. metadata: a JSON object of at most 8192 bytes as text, returned by verify_token; NULL is {}.
owner: the person or service that the token belongs to, by the application''s own id; NULL means nobody. networks: those from which the token is accepted, 1 to 64; NULL and {0.0.0.0/0,::/0} mean anywhere. request_id: the application''s own id of the request; a repeated one in the account creates no second token (23505, with the id of the first).
In a transaction that is authenticated as a token, the new token has no later expiry, no other networks and no other owner: NULL means those of the session token, and more is refused (42501). Call it in FROM: (create_token(...)).* would call it once for each column, and is refused (0A000).
Result: id, name, hint and expiry of the token, and its secret, which is shown only here.
Errors: 22023 for a NULL account_id, name or scopes, a bad name, a bad scope, an expiry in the past or too late or beyond the max_lifetime of the profile, metadata that is too large or not an object, a bad owner or request_id, no network or more than 64 or a NULL among them, neither domain nor all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller without permission, for an expiry under a profile without can_expire, and for metadata from a session token; 23505 for a repeated request_id; 53400 for an account with max_tokens live tokens; 55000 or F0000 if the profile has can_reveal and token_auth.sealing_key_file gives no key.';

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
Errors: 22004 for a NULL account_id; 22023 for a NULL id or scopes, a bad scope, not exactly one of domain and all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller without permission, for a token that lives longer or has more networks than the session token, and under a profile without can_edit_access.';

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
'Resets a token: creates a successor with the same home, owner, networks, access and metadata, paused if the old token is paused. The old token stays valid until its grace ends, or until its own expiry if that is earlier.
grace: at most 100 years, a day being 24 hours; NULL means the reset_grace of the profile, and zero ends the old token at once. expires_at: the expiry of the successor, before 9999-12-30 UTC; NULL gives it the lifetime of the old token, and infinity means never. In a transaction that is authenticated as a token, the lifetime ends with that of the session token, and networks that the session token does not have are left out. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Result: the successor with its secret, which is shown only here, and the end of the old token.
Errors: 22004 for a NULL account_id; 22023 for a NULL id, a grace that is negative, infinite or too long, an expiry in the past or too late or beyond the max_lifetime of the profile; P0002 for an unknown id; 42501 for a caller without permission and under a profile without can_reset, or for an expiry without can_expire or later than that of the session token, or for a token with none of its networks; 55000 for a token that was reset or has expired; 55000 or F0000 if the profile has can_reveal and token_auth.sealing_key_file gives no key.';

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
Errors: 22004 for a NULL account_id; 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller without permission, and for a token that lives longer or has more networks than the session token.';

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
Errors: 22004 for a NULL expires_at or account_id; 22023 for a NULL id, an expiry in the past or too late or later than created_at plus the max_lifetime of the profile, infinity for a token that was reset; P0002 for an unknown id; 42501 for a caller without permission, for an expiry later than that of the session token, and under a profile without can_expire, unless the token is to expire never; 55000 for a token that has expired.';

CREATE FUNCTION token_auth.set_token_owner(id bigint, owner text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_token_owner_wrapper';

COMMENT ON FUNCTION token_auth.set_token_owner(bigint, text, bigint) IS
'Sets the owner of a token. Returns true, or false if it has that owner already.
owner: the person or service that the token belongs to, by the application''s own id: at most 255 characters, not blank, without control characters; NULL means nobody. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id, a bad owner; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission, and for every session token.';

CREATE FUNCTION token_auth.set_token_networks(
    id bigint,
    networks cidr[],
    account_id bigint DEFAULT token_auth.any_account()
) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_token_networks_wrapper';

COMMENT ON FUNCTION token_auth.set_token_networks(bigint, cidr[], bigint) IS
'Sets the networks from which a token is accepted, from COMMIT on. Returns true, or false if it has these networks already.
networks: 1 to 64; {0.0.0.0/0,::/0} means anywhere. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for NULL networks or account_id; 22023 for a NULL id, no network or more than 64 or a NULL among them; P0002 for an unknown id; 42501 for a caller without permission, and for every session token.';

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

CREATE FUNCTION token_auth.import_token(
    account_id bigint,
    name text,
    scopes text[],
    domain text DEFAULT NULL,
    all_domains bool DEFAULT false,
    secret text DEFAULT NULL,
    digest bytea DEFAULT NULL,
    scheme text DEFAULT 'sha256',
    hint text DEFAULT NULL,
    owner text DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    created_at timestamptz DEFAULT NULL,
    metadata jsonb DEFAULT '{}'
) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'import_token_wrapper';

COMMENT ON FUNCTION token_auth.import_token(bigint, text, text[], text, bool, text, bytea, text, text, text, timestamptz, timestamptz, jsonb) IS
'Creates a token whose secret another system made, and returns its id. Its holder keeps the secret. A reset gives it a secret of this extension.
secret: the secret itself, 16 to 512 bytes; or digest: as the other system stores it. Exactly one of them.
scheme: how the digest is made. sha256: SHA-256 of the secret, 32 bytes; sha256_after_pipe: SHA-256 of what follows the first |, 32 bytes; sha512: SHA-512, 64 bytes; token_auth: the digest of a secret of this extension, from another database. A secret in the form of this extension has the scheme token_auth, whatever is given.
hint: what people may see of the secret; NULL means a few characters of its beginning and end, or "imported" if only the digest is known. created_at: when it was created elsewhere; NULL means now.
name, scopes, domain, all_domains, owner, expires_at, metadata: as for create_token.
Errors: as of create_token; 22023 also for not exactly one of secret and digest, a length that does not fit, a NULL or unknown scheme, a hint that contains the secret, a created_at in the future; 23505 for a secret that a token has already; 42501 also for every session token.';

CREATE FUNCTION token_auth.revoke_tokens(
    account_id bigint DEFAULT token_auth.any_account(),
    owner text DEFAULT token_auth.any_text(),
    created_by text DEFAULT token_auth.any_text(),
    created_before timestamptz DEFAULT 'infinity',
    domain text DEFAULT token_auth.any_text(),
    action text DEFAULT 'delete'
) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'revoke_tokens_wrapper';

COMMENT ON FUNCTION token_auth.revoke_tokens(bigint, text, text, timestamptz, text, text) IS
'Deletes or pauses all tokens that match every filter that is given, at least one, and returns how many these were. All or none: an error changes nothing.
account_id, owner, created_by: those of the token. created_before: it was created earlier. domain: the name of its home in the account, which must be given. A filter that is left out is any; NULL is an error.
action: delete, or pause, which every profile allows.
With account_id no token is created in the account until the transaction ends. Without it, every transaction that has written to the tokens is waited for, and what it created is found; a token that another session creates later is not.
Errors: 22004 for a NULL filter; 22023 for no filter, a domain without account_id, a NULL or unknown action; 22021 for text that is not UTF-8; P0002 for an unknown account or domain; 42501 for an account that the caller has no permission for, and for every session token; 23001 if a domain would lose its last live token under a profile with keeps_last_token: pause is always possible; 40001 instead as for delete_token; 23503 if rows of another table refer to what would be deleted.';

CREATE FUNCTION token_auth.report_leaked_secret(
    secret text,
    source text,
    OUT token_id bigint,
    OUT account_id bigint,
    OUT account text,
    OUT name text,
    OUT owner text,
    OUT created_by text
)
    LANGUAGE c SUPPORT token_auth.refuse_expansion
    AS 'MODULE_PATHNAME', 'report_leaked_secret_wrapper';

COMMENT ON FUNCTION token_auth.report_leaked_secret(text, text) IS
'Pauses the token with this secret, whatever its profile says, records when and where the secret was found, and returns whose it is.
source: where it was found, such as a URL: at most 255 characters, not blank, without control characters. The first report is kept.
Result: always one row; all columns are NULL if no token has the secret. Whoever has the secret may report it: no other permission is asked for.
Errors: 22023 for a NULL or bad source; 22021 for text that is not UTF-8; 42501 in a transaction that is authenticated as a token.';

CREATE FUNCTION token_auth.describe_token(
    secret text,
    OUT token_id bigint,
    OUT name text,
    OUT owner text,
    OUT account_id bigint,
    OUT account text,
    OUT domain text,
    OUT status text,
    OUT created_at timestamptz,
    OUT expires_at timestamptz,
    OUT access jsonb
)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'describe_token_wrapper';

COMMENT ON FUNCTION token_auth.describe_token(text) IS
'Returns what the bearer of a token may know of it, for "who am I". It does not say whether the token is valid for a request: verify_token does.
Result: always one row; all columns are NULL if no token has the secret. domain: the name of its home. status: the first of these that applies: paused (the token or its account), expired, retiring (reset, in its grace), active. access: an array of {"domain": name or null for every domain, "scopes": [...]}. It writes nothing, and works in a read-only transaction and on a hot standby.
Errors: none.';
