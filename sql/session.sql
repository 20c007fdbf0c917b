-- A transaction that acts as a token.

CREATE FUNCTION token_auth.authenticate(secret text) RETURNS token_auth.verification
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
    LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'current_token_id_wrapper';

COMMENT ON FUNCTION token_auth.current_token_id() IS
'The id of the token as which the transaction acts; NULL where it acts as none, or where that one was deleted or paused or has expired since.';

CREATE FUNCTION token_auth.current_account_id() RETURNS bigint
    LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'current_account_id_wrapper';

COMMENT ON FUNCTION token_auth.current_account_id() IS
'The id of the account of the token as which the transaction acts; NULL where it acts as none, or where that one was deleted or paused or has expired since.';
