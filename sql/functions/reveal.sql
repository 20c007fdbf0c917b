-- The functions for secrets that can be revealed, if the profile has can_reveal.

CREATE FUNCTION token_auth.reveal_token(id bigint, account_id bigint DEFAULT token_auth.any_account()) RETURNS text
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reveal_token_wrapper';

COMMENT ON FUNCTION token_auth.reveal_token(bigint, bigint) IS
'Returns the secret of a token from its sealed copy. It writes nothing.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller without permission, for a token that lives longer or has more networks than the session token, and under a profile without can_reveal; 55000 for a token without a sealed copy, without a key file, and for a copy that was sealed under a key that is not in the file; F0000 for a key file that cannot be used; XX001 for a sealed copy that was changed or moved to another row.';

CREATE FUNCTION token_auth.reseal_tokens(max_tokens bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reseal_tokens_wrapper';

COMMENT ON FUNCTION token_auth.reseal_tokens(bigint) IS
'Seals every secret that is sealed under an old key again under the first key of the key file. Returns the number of these secrets. An old key is no longer needed when this returns 0 and every transaction that began under that key has ended.
max_tokens: the most tokens to reseal; NULL means all.
Errors: 22023 for a limit that is not greater than zero; 42501 in a transaction that is authenticated as a token; 55000 without a key file, or for a token that was sealed under a key that is not in the file; F0000 for a key file that cannot be used; XX001 for a sealed copy that cannot be opened. After an error none is changed.';
