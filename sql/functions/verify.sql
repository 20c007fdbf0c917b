CREATE TYPE token_auth.verification AS (
    valid      bool,
    code       text,
    token_id   bigint,
    account_id bigint,
    account    text,
    domain_id  bigint,
    name       text,
    owner      text,
    expires_at timestamptz,
    metadata   jsonb
);

COMMENT ON TYPE   token_auth.verification IS 'The result of a verification';
COMMENT ON COLUMN token_auth.verification.valid IS 'True if the code is ok';
COMMENT ON COLUMN token_auth.verification.code IS 'malformed, not_found, paused, expired, network_not_allowed, domain_not_allowed, insufficient_scope or ok: the first that applies';
COMMENT ON COLUMN token_auth.verification.token_id IS 'Id of the token, or NULL if none was found';
COMMENT ON COLUMN token_auth.verification.account_id IS 'Id of its account';
COMMENT ON COLUMN token_auth.verification.account IS 'Name of its account: the application''s own name or id';
COMMENT ON COLUMN token_auth.verification.domain_id IS 'Id of the domain in the question. Without one, id of the token''s home. NULL if the domain in the question cannot be used';
COMMENT ON COLUMN token_auth.verification.name IS 'Name of the token';
COMMENT ON COLUMN token_auth.verification.owner IS 'The person or service that the token belongs to, or NULL';
COMMENT ON COLUMN token_auth.verification.expires_at IS 'Expiry of the token, or NULL for never';
COMMENT ON COLUMN token_auth.verification.metadata IS 'Metadata of the token';

CREATE FUNCTION token_auth.verify_token(
    secret text,
    scope text DEFAULT NULL,
    domain text DEFAULT NULL,
    client inet DEFAULT NULL
) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'verify_token_wrapper';

COMMENT ON FUNCTION token_auth.verify_token(text, text, text, inet) IS
'Verifies a secret: whether it belongs to a valid token that has a scope on a domain.
secret: as it was shown, without "Bearer "; NULL is malformed. While a token of the database is imported, a text of 16 to 512 bytes may be the secret of one, and is not_found if it is not.
scope: the scope to ask for, such as email:send; email:full asks whether all of email is granted; NULL asks only whether the token is valid.
domain: the name of the domain; NULL asks for an account-wide operation or, with a NULL scope, for none.
client: the address that the request came from; a token with networks is refused from elsewhere, and where it is NULL. An IPv4-mapped IPv6 address is the IPv4 address.
Result: always one row. Its code is the first of these that applies: malformed, not_found, paused, expired, network_not_allowed, domain_not_allowed, insufficient_scope, ok. The time of the call counts, and everything that was committed by then. It writes nothing, and works in a read-only transaction and on a hot standby.
Errors: 22023 for a scope outside the grammar or with a wildcard; 22021 for one that is not UTF-8.';

CREATE FUNCTION token_auth.verify_token_digest(
    digest bytea,
    scope text DEFAULT NULL,
    domain text DEFAULT NULL,
    client inet DEFAULT NULL,
    scheme text DEFAULT 'token_auth'
) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'verify_token_digest_wrapper';

COMMENT ON FUNCTION token_auth.verify_token_digest(bytea, text, text, inet, text) IS
'Verifies as verify_token does, for a caller that must not send the secret. For a role that may call this, a digest is worth as much as the secret.
digest: as scheme says; NULL or another length is malformed.
scope: the scope to ask for, such as email:send; email:full asks whether all of email is granted; NULL asks only whether the token is valid.
domain: the name of the domain; NULL asks for an account-wide operation or, with a NULL scope, for none.
client: the address that the request came from; a token with networks is refused from elsewhere, and where it is NULL. An IPv4-mapped IPv6 address is the IPv4 address.
scheme: how the digest was made. token_auth and sha256: SHA-256 of the secret''s bytes, 32 bytes; sha256_after_pipe: of what follows the first |; sha512: SHA-512, 64 bytes. A token answers only to its own scheme.
Result: always one row. Its code is the first of these that applies: malformed, not_found, paused, expired, network_not_allowed, domain_not_allowed, insufficient_scope, ok. The time of the call counts, and everything that was committed by then. It writes nothing, and works in a read-only transaction and on a hot standby.
Errors: 22023 for a scope outside the grammar or with a wildcard, a NULL or unknown scheme; 22021 for one that is not UTF-8.';

CREATE FUNCTION token_auth.token_is_valid(
    secret text,
    scope text DEFAULT NULL,
    domain text DEFAULT NULL,
    client inet DEFAULT NULL
) RETURNS bool
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'token_is_valid_wrapper';

COMMENT ON FUNCTION token_auth.token_is_valid(text, text, text, inet) IS
'Returns true if verify_token returns the code ok for the same arguments, and otherwise false, never NULL. A row is true in most languages, whatever it contains; this is a condition.
secret, scope, domain, client: as for verify_token.
Errors: 22023 for a scope outside the grammar or with a wildcard; 22021 for one that is not UTF-8.';
