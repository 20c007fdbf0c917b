CREATE TYPE token_auth.verification AS (
    valid      bool,
    code       text,
    token_id   bigint,
    account_id bigint,
    domain_id  bigint,
    name       text,
    expires_at timestamptz,
    metadata   jsonb
);

COMMENT ON TYPE   token_auth.verification IS 'What a verification answers';
COMMENT ON COLUMN token_auth.verification.valid IS 'Whether the code is ok';
COMMENT ON COLUMN token_auth.verification.code IS 'malformed, not_found, paused, expired, domain_not_allowed, insufficient_scope or ok: the first that applies';
COMMENT ON COLUMN token_auth.verification.token_id IS 'The token, or NULL where none was found';
COMMENT ON COLUMN token_auth.verification.account_id IS 'Its account';
COMMENT ON COLUMN token_auth.verification.domain_id IS 'The domain asked about, or else the token''s home; NULL where the domain asked about is not usable';
COMMENT ON COLUMN token_auth.verification.name IS 'The token''s name';
COMMENT ON COLUMN token_auth.verification.expires_at IS 'When the token expires, or NULL for never';
COMMENT ON COLUMN token_auth.verification.metadata IS 'What the application keeps about the token';

CREATE FUNCTION token_auth.verify_token(secret text, scope text DEFAULT NULL, domain text DEFAULT NULL) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'verify_token_wrapper';

COMMENT ON FUNCTION token_auth.verify_token(text, text, text) IS
'Says whether a secret is that of a token which may do something.
secret: as it was shown, without "Bearer " before it; NULL is malformed.
scope: what is to be done, such as email:send; email:full asks whether all of email is granted; NULL asks only whether the token is good.
domain: on which domain, by name; NULL asks for an account-wide operation or, with a NULL scope, for none.
Result: one row, always; it says what the first of these is that applies: malformed, not_found, paused, expired, domain_not_allowed, insufficient_scope, ok. Time decides at the call, and so does what has committed by then. It writes nothing, and works in a read-only transaction and on a hot standby.
Errors: 22023 for a scope outside the grammar or with a wildcard; 22021 for one that is not UTF-8.';

CREATE FUNCTION token_auth.verify_token_digest(digest bytea, scope text DEFAULT NULL, domain text DEFAULT NULL) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'verify_token_digest_wrapper';

COMMENT ON FUNCTION token_auth.verify_token_digest(bytea, text, text) IS
'As verify_token, for a caller that must not send the secret. A digest is as good as the secret to whoever may call this.
digest: SHA-256 of the secret''s bytes, 32 bytes; NULL or another length is malformed.
scope: what is to be done, such as email:send; email:full asks whether all of email is granted; NULL asks only whether the token is good.
domain: on which domain, by name; NULL asks for an account-wide operation or, with a NULL scope, for none.
Result: one row, always; it says what the first of these is that applies: malformed, not_found, paused, expired, domain_not_allowed, insufficient_scope, ok. Time decides at the call, and so does what has committed by then. It writes nothing, and works in a read-only transaction and on a hot standby.
Errors: 22023 for a scope outside the grammar or with a wildcard; 22021 for one that is not UTF-8.';
