-- The account functions. Each asks whether its caller may manage here: README.md and docs/profiles.md have the rule.

CREATE FUNCTION token_auth.create_account(
    name text,
    profile text DEFAULT 'default',
    metadata jsonb DEFAULT '{}'
) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'create_account_wrapper';

COMMENT ON FUNCTION token_auth.create_account(text, text, jsonb) IS
'Creates an account and returns its id.
name: at most 255 characters, not blank, without control characters, unique. profile: the rules that its tokens follow. metadata: whatever the application keeps about it; NULL is {}.
Errors: 22023 for a NULL name or profile, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown profile; 42501 in a transaction that acts as a token; 23505 for a name that is taken.';

CREATE FUNCTION token_auth.pause_account(id bigint, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'pause_account_wrapper';

COMMENT ON FUNCTION token_auth.pause_account(bigint, bigint) IS
'Pauses an account: all its tokens are refused (code paused) once this has committed. Pausing twice changes nothing.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller who may not manage here.';

CREATE FUNCTION token_auth.resume_account(id bigint, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'resume_account_wrapper';

COMMENT ON FUNCTION token_auth.resume_account(bigint, bigint) IS
'Ends the pause of an account. Tokens that are paused themselves stay so. Resuming twice changes nothing.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id; P0002 for an unknown id; 42501 for a caller who may not manage here.';

CREATE FUNCTION token_auth.rename_account(id bigint, name text, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'rename_account_wrapper';

COMMENT ON FUNCTION token_auth.rename_account(bigint, text, bigint) IS
'Renames an account.
name: at most 255 characters, not blank, without control characters, unique. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or name, a bad name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here; 23505 for a name that is taken; 23503 where rows of another table refer to the name.';

CREATE FUNCTION token_auth.set_account_profile(id bigint, profile text, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'set_account_profile_wrapper';

COMMENT ON FUNCTION token_auth.set_account_profile(bigint, text, bigint) IS
'Puts an account under another profile. Its tokens stay as they are, and follow the new rules from now on; secrets keep the prefix that they have.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or profile; 22021 for text that is not UTF-8; P0002 for an unknown id or profile; 42501 for a caller who may not manage here.';

CREATE FUNCTION token_auth.delete_account(id bigint, confirm_name text, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'delete_account_wrapper';

COMMENT ON FUNCTION token_auth.delete_account(bigint, text, bigint) IS
'Deletes an account with its domains and tokens, at once and for ever.
confirm_name: the account''s name, to the letter; another one deletes nothing. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or confirm_name, a confirm_name that is not the name; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here; 23503 where rows of another table refer to what would go.';

CREATE FUNCTION token_auth.add_account_admin(id bigint, actor text, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'add_account_admin_wrapper';

COMMENT ON FUNCTION token_auth.add_account_admin(bigint, text, bigint) IS
'Makes an actor an administrator of an account. Adding one twice changes nothing. An account that has none yet is given its first by anybody who may call this.
actor: a name, as in the setting token_auth.actor. account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or actor, a bad actor; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here.';

CREATE FUNCTION token_auth.remove_account_admin(id bigint, actor text, account_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'remove_account_admin_wrapper';

COMMENT ON FUNCTION token_auth.remove_account_admin(bigint, text, bigint) IS
'Takes an administrator from an account. Removing one that is none changes nothing.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id or actor; 22021 for text that is not UTF-8; P0002 for an unknown id; 42501 for a caller who may not manage here.';
