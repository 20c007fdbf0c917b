-- The functions that manage domains. docs/privileges.md says who may call them.

CREATE FUNCTION token_auth.create_domain(
    account_id bigint,
    name text,
    OUT domain_id bigint,
    OUT token_id bigint,
    OUT secret text
)
    LANGUAGE c SUPPORT token_auth.refuse_expansion
    AS 'MODULE_PATHNAME', 'create_domain_wrapper';

COMMENT ON FUNCTION token_auth.create_domain(bigint, text) IS
'Creates a domain and, if the profile has creates_domain_token, a token with full access to it.
name: at most 255 characters, not blank, without control characters, unique in the account under ASCII case folding.
Result: the id of the domain, the id of the token and its secret, which is shown only here. The last two are NULL if no token was created. In a transaction that is authenticated as a token, the new token expires with it. Call it in FROM: (create_domain(...)).* would call it once for each column, and is refused (0A000).
Errors: 22023 for a NULL account_id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission; 23505 for a name that is taken; 55000 or F0000 if the profile has can_reveal and token_auth.sealing_key_file gives no key.';

CREATE FUNCTION token_auth.rename_domain(id bigint, name text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'rename_domain_wrapper';

COMMENT ON FUNCTION token_auth.rename_domain(bigint, text, bigint) IS
'Renames a domain. Its tokens keep their names and stay valid. Returns true, or false if it has that name already.
name: at most 255 characters, not blank, without control characters, unique in the account under ASCII case folding. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission; 23505 for a name that is taken.';

CREATE FUNCTION token_auth.set_domain_verified(id bigint, verified bool, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_domain_verified_wrapper';

COMMENT ON FUNCTION token_auth.set_domain_verified(bigint, bool, bigint) IS
'Sets whether a domain is verified. That matters if the profile has needs_verified_domain. Returns true, or false if nothing changed.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or verified; P0002 for an unknown id; 42501 for a caller without permission.';

CREATE FUNCTION token_auth.delete_domain(id bigint, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'delete_domain_wrapper';

COMMENT ON FUNCTION token_auth.delete_domain(bigint, bigint) IS
'Deletes a domain, the tokens whose home it is, and the access of other tokens to it, at once and irrevocably. Returns true, or false if a trigger kept it.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller without permission; 23503 if rows of another table refer to what would be deleted.';
