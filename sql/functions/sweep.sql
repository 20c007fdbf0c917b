CREATE FUNCTION token_auth.sweep(max_tokens bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'sweep_wrapper';

COMMENT ON FUNCTION token_auth.sweep(bigint) IS
'Removes tokens that expired longer ago than the expired_retention of their profile, as the worker does. Returns how many were removed.
max_tokens: the most tokens to remove; NULL means all.
A token that another session has locked is left for the next time. A token that cannot be deleted stays, too: if rows of another table refer to it, or if a trigger keeps it. A warning says how many there are, why, and what to do. In a database whose sequence token_id_seq was never used, such as during a restore or on a subscriber, nothing is removed.
Errors: 22023 for a limit that is not greater than zero; 42501 in a transaction that is authenticated as a token; 25006 in a read-only transaction.';
