-- The functions that manage accounts. docs/privileges.md says who may call them.

CREATE FUNCTION token_auth.create_account(
    name text,
    profile text DEFAULT 'default',
    metadata jsonb DEFAULT '{}'
) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'create_account_wrapper';

COMMENT ON FUNCTION token_auth.create_account(text, text, jsonb) IS
'Creates an account and returns its id.
name: at most 255 characters, not blank, without control characters, unique. profile: the rules that the tokens of the account follow. metadata: a JSON object of the application; NULL is {}.
Errors: 22023 for a NULL name or profile, a bad name, metadata that is not an object; 22021 for text that is not UTF-8; P0002 for an unknown profile; 42501 in a transaction that is authenticated as a token; 23505 for a name that is taken.';

CREATE FUNCTION token_auth.pause_account(id bigint, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'pause_account_wrapper';

COMMENT ON FUNCTION token_auth.pause_account(bigint, bigint) IS
'Pauses an account: from COMMIT on all its tokens are refused (code paused). Returns true, or false if it was paused already.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller without permission.';

CREATE FUNCTION token_auth.resume_account(id bigint, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'resume_account_wrapper';

COMMENT ON FUNCTION token_auth.resume_account(bigint, bigint) IS
'Resumes an account. Tokens that are paused themselves stay paused. Returns true, or false if it was not paused.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller without permission.';

CREATE FUNCTION token_auth.rename_account(id bigint, name text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'rename_account_wrapper';

COMMENT ON FUNCTION token_auth.rename_account(bigint, text, bigint) IS
'Renames an account. Returns true, or false if it has that name already.
name: at most 255 characters, not blank, without control characters, unique. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission; 23505 for a name that is taken; 23503 if rows of another table refer to the name.';

CREATE FUNCTION token_auth.set_account_profile(id bigint, profile text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_account_profile_wrapper';

COMMENT ON FUNCTION token_auth.set_account_profile(bigint, text, bigint) IS
'Gives an account another profile. Its tokens are not changed, and follow the new rules from now on. Secrets keep their prefix. Returns true, or false if it has that profile already.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or profile; 22021 for text that is not UTF-8; P0002 for an unknown id or profile; 42501 for a caller without permission.';

CREATE FUNCTION token_auth.delete_account(id bigint, confirm_name text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'delete_account_wrapper';

COMMENT ON FUNCTION token_auth.delete_account(bigint, text, bigint) IS
'Deletes an account with its domains and tokens, at once and irrevocably. Returns true, or false if a trigger kept it.
confirm_name: the exact name of the account. With another name nothing is deleted. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or confirm_name, a confirm_name that is not the name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission; 23503 if rows of another table refer to what would be deleted.';

CREATE FUNCTION token_auth.add_account_admin(id bigint, actor text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'add_account_admin_wrapper';

COMMENT ON FUNCTION token_auth.add_account_admin(bigint, text, bigint) IS
'Adds an administrator to an account. Returns true, or false if the actor is one already. Any caller may add the first administrator of an account.
actor: a name, as in the setting token_auth.actor. account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or actor, a bad actor; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission.';

CREATE FUNCTION token_auth.remove_account_admin(id bigint, actor text, account_id bigint DEFAULT token_auth.any_account()) RETURNS bool
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'remove_account_admin_wrapper';

COMMENT ON FUNCTION token_auth.remove_account_admin(bigint, text, bigint) IS
'Removes an administrator from an account. Returns true, or false if the actor is not one.
account_id: the account that the object must belong to; objects of other accounts are unknown. Left out, it is any account.
Errors: 22004 for a NULL account_id; 22023 for a NULL id or actor; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller without permission.';
