-- The functions for a transaction that is authenticated as a token.

CREATE FUNCTION token_auth.authenticate(secret text, client inet DEFAULT NULL) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'authenticate_wrapper';

COMMENT ON FUNCTION token_auth.authenticate(text, inet) IS
'Verifies a secret. If the code is ok, the transaction is authenticated as that token until it ends, until a rollback to a savepoint before this call, until deauthenticate(), or until RESET ALL. If the code is not ok, the transaction is refused: functions that manage something raise 42501, and those for policies deny. A refusal survives rollbacks to savepoints and RESET ALL, and ends with the transaction, with an accepted secret or with deauthenticate().
secret: as it was shown, without "Bearer "; NULL is malformed. client: the address that the request came from, as for verify_token. Networks that the token loses later do not end the authentication.
Result: always one row, as of verify_token without scope and domain. It writes nothing, and works in a read-only transaction and on a hot standby.
Errors: 25P01 outside a transaction block, where a function that is not inlined, a procedure and a DO block count as one; 25000 while a parallel query is running.';

CREATE FUNCTION token_auth.authenticate_digest(
    digest bytea,
    scheme text DEFAULT 'token_auth',
    client inet DEFAULT NULL
) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'authenticate_digest_wrapper';

COMMENT ON FUNCTION token_auth.authenticate_digest(bytea, text, inet) IS
'Authenticates as authenticate does, for a caller that must not send the secret. For a role that may call this, a digest is worth as much as the secret.
digest, scheme, client: as for verify_token_digest.
Result: always one row, as of verify_token_digest without scope and domain.
Errors: 22023 for a NULL or unknown scheme; 25P01 outside a transaction block, where a function that is not inlined, a procedure and a DO block count as one; 25000 while a parallel query is running.';

CREATE FUNCTION token_auth.deauthenticate() RETURNS bool
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'deauthenticate_wrapper';

COMMENT ON FUNCTION token_auth.deauthenticate() IS
'Ends the authentication of the transaction, or its refusal: it acts as the role again. Returns true, or false if it was neither authenticated nor refused.
Errors: 25000 while a parallel query is running.';

CREATE FUNCTION token_auth.current_token_id() RETURNS bigint
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'current_token_id_wrapper';

COMMENT ON FUNCTION token_auth.current_token_id() IS
'Returns the id of the session token: the token that the transaction is authenticated as. NULL if there is none, or if it was deleted or paused or has expired since.';

CREATE FUNCTION token_auth.current_account_id() RETURNS bigint
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'current_account_id_wrapper';

COMMENT ON FUNCTION token_auth.current_account_id() IS
'Returns the id of the account of the session token. NULL if there is none, or if it was deleted or paused or has expired since.';

CREATE FUNCTION token_auth.allows(scope text, domain text DEFAULT NULL) RETURNS bool
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'allows_wrapper';

COMMENT ON FUNCTION token_auth.allows(text, text) IS
'Returns true if the session token has a scope.
scope: the scope to ask for, such as email:send; email:full asks whether all of email is granted.
domain: the name of the domain; NULL asks for an account-wide operation.
Result: never NULL. False without a session token, if it was deleted or paused or has expired since, and for a scope that is NULL, outside the grammar or with a wildcard. In the filter of a scan it is called for each row.';

CREATE FUNCTION token_auth.allowed_domains(scope text) RETURNS text[]
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'allowed_domains_wrapper';

COMMENT ON FUNCTION token_auth.allowed_domains(text) IS
'Returns the names of the domains on which the session token has a scope, with folded ASCII letters. In a policy, domain = ANY (token_auth.allowed_domains(''email:read'')) can use an index.
scope: the scope to ask for, such as email:send.
Result: never NULL; empty if allows() is false for every domain.';

CREATE FUNCTION token_auth.allowed_domain_ids(scope text) RETURNS bigint[]
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'allowed_domain_ids_wrapper';

COMMENT ON FUNCTION token_auth.allowed_domain_ids(text) IS
'Returns the ids of the domains on which the session token has a scope.
scope: the scope to ask for, such as email:send.
Result: never NULL; empty if allows() is false for every domain.';
