-- The token functions. Each asks whether its caller may manage here: README.md and docs/profiles.md have the rule.

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
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'create_token_wrapper';

COMMENT ON FUNCTION token_auth.create_token(bigint, text, text[], text, bool, timestamptz, jsonb) IS
'Creates a token.
name: at most 255 characters, not blank, without control characters. scopes: such as {email:send,email.templates:read}, {email:full} or {*}; 1 to 256.
domain: its home, by name, where it may use the scopes. all_domains: it may use them on every domain of the account and for account-wide operations; a domain is then its home only.
expires_at: a time to come; NULL and infinity are never. metadata: at most 8192 bytes as text, returned by verify_token; NULL is {}.
Result: its id, name, hint, expiry, and its secret, which is shown here and never again.
Errors: 22023 for a NULL account_id, name or scopes, a bad name, a bad scope, an expiry in the past, metadata that is too large, neither domain nor all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller who may not manage here and for an expiry under a profile without can_expire; 55000 or F0000 where the profile says can_reveal and token_auth.sealing_key_file gives no key.';

CREATE FUNCTION token_auth.grant_access(
    token_id bigint,
    scopes text[],
    domain text DEFAULT NULL,
    all_domains bool DEFAULT false,
    account_id bigint DEFAULT NULL
) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'grant_access_wrapper';

COMMENT ON FUNCTION token_auth.grant_access(bigint, text[], text, bool, bigint) IS
'Gives a token these scopes on a domain, or with all_domains on every domain of its account and account-wide, in place of those that it has there. It counts from COMMIT on.
scopes: such as {email:send,email.templates:read}, {email:full} or {*}; 1 to 256. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL token_id or scopes, a bad scope, not exactly one of domain and all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller who may not manage here and under a profile without can_edit_access.';

CREATE FUNCTION token_auth.revoke_access(
    token_id bigint,
    domain text DEFAULT NULL,
    all_domains bool DEFAULT false,
    account_id bigint DEFAULT NULL
) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'revoke_access_wrapper';

COMMENT ON FUNCTION token_auth.revoke_access(bigint, text, bool, bigint) IS
'Takes from a token what it may do on a domain, or with all_domains what it may do on every domain and account-wide; access to single domains stays then. Where it has none, nothing changes. It counts from COMMIT on.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL token_id, not exactly one of domain and all_domains; 22021 for text that is not UTF-8; P0002 for an unknown id or domain; 42501 for a caller who may not manage here and under a profile without can_edit_access.';

CREATE FUNCTION token_auth.reset_token(
    token_id bigint,
    grace interval DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    account_id bigint DEFAULT NULL,
    OUT token_id bigint,
    OUT name text,
    OUT secret text,
    OUT hint text,
    OUT expires_at timestamptz,
    OUT previous_expires_at timestamptz
)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reset_token_wrapper';

COMMENT ON FUNCTION token_auth.reset_token(bigint, interval, timestamptz, bigint) IS
'Replaces a token: a new one with the same home, access and metadata takes over, and the old one works until its grace ends, never beyond its own expiry.
grace: at most 100 years; NULL is the profile''s reset_grace, zero ends the old one at once. expires_at: of the new one; NULL is the lifetime of the old one again, infinity is never. account_id: when given, an id of another account is unknown.
Result: the new token, with its secret, which is shown here and never again, and when the old one ends.
Errors: 22023 for a NULL token_id, a grace that is negative, infinite or too long, an expiry in the past; P0002 for an unknown id; 42501 for a caller who may not manage here and under a profile without can_reset, or for an expiry without can_expire; 55000 for a token that was reset or has expired; 55000 or F0000 where the profile says can_reveal and token_auth.sealing_key_file gives no key.';

CREATE FUNCTION token_auth.pause_token(id bigint, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'pause_token_wrapper';

COMMENT ON FUNCTION token_auth.pause_token(bigint, bigint) IS
'Pauses a token: it is refused (code paused) once this has committed. Pausing twice changes nothing.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller who may not manage here and under a profile without can_pause.';

CREATE FUNCTION token_auth.resume_token(id bigint, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'resume_token_wrapper';

COMMENT ON FUNCTION token_auth.resume_token(bigint, bigint) IS
'Ends the pause of a token, under any profile. Resuming twice changes nothing.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller who may not manage here.';

CREATE FUNCTION token_auth.rename_token(id bigint, name text, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'rename_token_wrapper';

COMMENT ON FUNCTION token_auth.rename_token(bigint, text, bigint) IS
'Renames a token and changes nothing else.
name: at most 255 characters, not blank, without control characters. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here and under a profile without can_rename.';

CREATE FUNCTION token_auth.set_token_expiry(id bigint, expires_at timestamptz, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_token_expiry_wrapper';

COMMENT ON FUNCTION token_auth.set_token_expiry(bigint, timestamptz, bigint) IS
'Sets when a token expires: a time to come; NULL and infinity are never.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id, an expiry in the past; P0002 for an unknown id; 42501 for a caller who may not manage here and under a profile without can_expire, unless it is never; 55000 for a token that was reset or has expired.';

CREATE FUNCTION token_auth.set_token_metadata(id bigint, metadata jsonb, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_token_metadata_wrapper';

COMMENT ON FUNCTION token_auth.set_token_metadata(bigint, jsonb, bigint) IS
'Replaces the metadata of a token.
metadata: at most 8192 bytes as text; verify_token returns it. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or metadata, metadata that is too large; P0002 for an unknown id; 42501 for a caller who may not manage here.';

CREATE FUNCTION token_auth.delete_token(
    id bigint,
    confirm_name text DEFAULT NULL,
    account_id bigint DEFAULT NULL
) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'delete_token_wrapper';

COMMENT ON FUNCTION token_auth.delete_token(bigint, text, bigint) IS
'Deletes a token, at once and for ever.
confirm_name: the token''s name, to the letter; needed where the profile says confirms_delete. Where it is given, another one deletes nothing. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id, a confirm_name that is not the name or is needed; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here; 23001 for the last live token of a domain where the profile keeps it; 40001 in its place where a transaction above READ COMMITTED still sees another one; 23503 where rows of another table refer to what would go.';
