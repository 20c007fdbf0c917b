CREATE FUNCTION token_auth.sweep(max_tokens bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'sweep_wrapper';

COMMENT ON FUNCTION token_auth.sweep(bigint) IS
'Does by hand what the worker does: removes tokens that expired longer ago than their profile''s expired_retention, and returns how many.
max_tokens: remove at most so many; NULL is all. A token that somebody else has locked is left for the next time. One that cannot go stays as well: to which rows of another table refer, or that a trigger keeps. A warning says how many there are, why, and what to do. In a database whose sequence token_id_seq was never used, such as a restore that is under way or a subscriber, it removes nothing.
Errors: 22023 for a limit that is not greater than zero; 42501 in a transaction that acts as a token; 25006 in a read-only transaction.';
