-- A transaction that acts as a token.

CREATE FUNCTION token_auth.authenticate(secret text) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'authenticate_wrapper';

COMMENT ON FUNCTION token_auth.authenticate(text) IS
'Verifies a secret, and where the answer is ok lets the transaction act as that token: until it ends, or the savepoint after which this was called is rolled back to, deauthenticate, or RESET ALL. Outside of a transaction block that is the end of the statement, and a warning says so. Where the answer is another one, the transaction acts as nobody.
secret: as it was shown, without "Bearer " before it; NULL is malformed.
Result: one row, always, as of verify_token with neither scope nor domain. It writes nothing, and works in a read-only transaction and on a hot standby.
Errors: 25000 while a parallel query is running.';

CREATE FUNCTION token_auth.deauthenticate() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'deauthenticate_wrapper';

COMMENT ON FUNCTION token_auth.deauthenticate() IS
'The transaction acts as nobody from now on.
Errors: 25000 while a parallel query is running.';

CREATE FUNCTION token_auth.current_token_id() RETURNS bigint
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'current_token_id_wrapper';

COMMENT ON FUNCTION token_auth.current_token_id() IS
'The id of the token as which the transaction acts; NULL where it acts as none, or where that one was deleted or paused or has expired since.';

CREATE FUNCTION token_auth.current_account_id() RETURNS bigint
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'current_account_id_wrapper';

COMMENT ON FUNCTION token_auth.current_account_id() IS
'The id of the account of the token as which the transaction acts; NULL where it acts as none, or where that one was deleted or paused or has expired since.';

CREATE FUNCTION token_auth.allows(scope text, domain text DEFAULT NULL) RETURNS bool
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'allows_wrapper';

COMMENT ON FUNCTION token_auth.allows(text, text) IS
'Whether the token as which the transaction acts may do something.
scope: what is to be done, such as email:send; email:full asks whether all of email is granted.
domain: on which domain, by name; NULL asks for an account-wide operation.
Result: never NULL; false where the transaction acts as no token, where that one was deleted or paused or has expired since, and for a scope that is NULL, outside the grammar or with a wildcard. In the filter of a scan it is called for each row.';

CREATE FUNCTION token_auth.allowed_domains(scope text) RETURNS text[]
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'allowed_domains_wrapper';

COMMENT ON FUNCTION token_auth.allowed_domains(text) IS
'The names of the domains on which the token as which the transaction acts may do something, with ASCII letters folded. In a policy, domain = ANY (token_auth.allowed_domains(''email:read'')) can use an index.
scope: what is to be done, such as email:send.
Result: never NULL; empty where allows() would be false for every domain.';

CREATE FUNCTION token_auth.allowed_domain_ids(scope text) RETURNS bigint[]
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'allowed_domain_ids_wrapper';

COMMENT ON FUNCTION token_auth.allowed_domain_ids(text) IS
'As allowed_domains, by the ids of the domains.
scope: what is to be done, such as email:send.
Result: never NULL; empty where allows() would be false for every domain.';
