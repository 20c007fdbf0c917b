CREATE FUNCTION token_auth.any_account() RETURNS bigint
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'any_account_wrapper';

COMMENT ON FUNCTION token_auth.any_account() IS
'Returns the value of an argument account_id that means any account. It is the default, and nothing else means it: NULL is an error, and every other number is the id of an account.';

CREATE FUNCTION token_auth.any_text() RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'any_text_wrapper';

COMMENT ON FUNCTION token_auth.any_text() IS
'Returns the value of a filter of revoke_tokens that means any. It is the default, and nothing else means it: NULL is an error.';
