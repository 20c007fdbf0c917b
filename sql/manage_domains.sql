-- The domain functions. Each asks whether its caller may manage here: README.md and docs/profiles.md have the rule.

CREATE FUNCTION token_auth.create_domain(
    account_id bigint,
    name text,
    OUT domain_id bigint,
    OUT token_id bigint,
    OUT secret text
)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'create_domain_wrapper';

COMMENT ON FUNCTION token_auth.create_domain(bigint, text) IS
'Creates a domain and, where the profile says creates_domain_token, a token of its own with full access to it.
name: at most 255 characters, not blank, without control characters, unique in the account under ASCII case folding.
Result: the domain''s id, the token''s id and its secret, which is shown here and never again; the last two are NULL where no token was made.
Errors: 22023 for a NULL account_id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here; 23505 for a name that is taken; 55000 or F0000 where the profile says can_reveal and token_auth.sealing_key_file gives no key.';

CREATE FUNCTION token_auth.rename_domain(id bigint, name text, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'rename_domain_wrapper';

COMMENT ON FUNCTION token_auth.rename_domain(bigint, text, bigint) IS
'Renames a domain. Its tokens keep their names and work on.
name: at most 255 characters, not blank, without control characters, unique in the account under ASCII case folding. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here; 23505 for a name that is taken.';

CREATE FUNCTION token_auth.set_domain_verified(id bigint, verified bool, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_domain_verified_wrapper';

COMMENT ON FUNCTION token_auth.set_domain_verified(bigint, bool, bigint) IS
'Says whether a domain is verified, which matters where the profile says needs_verified_domain.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or verified; P0002 for an unknown id; 42501 for a caller who may not manage here.';

CREATE FUNCTION token_auth.delete_domain(id bigint, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'delete_domain_wrapper';

COMMENT ON FUNCTION token_auth.delete_domain(bigint, bigint) IS
'Deletes a domain, with the tokens whose home it is and the access that others have to it, at once and for ever.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller who may not manage here; 23503 where rows of another table refer to what would go.';
