CREATE FUNCTION token_auth.sweep(max_tokens bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'sweep_wrapper';

COMMENT ON FUNCTION token_auth.sweep(bigint) IS
'Does by hand what the worker does: removes tokens that expired longer ago than their profile''s expired_retention, and returns how many.
max_tokens: remove at most so many; NULL is all. A token that somebody else has locked is left for the next time. In a database whose sequence token_id_seq was never used, such as a restore that is under way or a subscriber, it removes nothing.
Errors: 22023 for a limit that is not greater than zero; 42501 in a transaction that acts as a token.';
