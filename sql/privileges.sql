-- The tables belong to a role without other privileges: code that obtains its privileges obtains nothing but these tables.
-- Sequences have the owner of their tables. Functions run as their caller, and belong to the creator of the extension.
ALTER TABLE token_auth.profile          OWNER TO token_auth_owner;
ALTER TABLE token_auth.profile_resource OWNER TO token_auth_owner;
ALTER TABLE token_auth.account          OWNER TO token_auth_owner;
ALTER TABLE token_auth.account_admin    OWNER TO token_auth_owner;
ALTER TABLE token_auth.domain           OWNER TO token_auth_owner;
ALTER TABLE token_auth.token            OWNER TO token_auth_owner;
ALTER TABLE token_auth.token_access     OWNER TO token_auth_owner;
ALTER VIEW  token_auth.tokens           OWNER TO token_auth_owner;

-- PUBLIC may execute and read nothing except what is granted below. docs/privileges.md has the GRANTs for the usual roles.
-- Types are usable by PUBLIC by default, which does no harm.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL TABLES    IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA token_auth FROM PUBLIC;

-- Nor do other roles have what default privileges would give them.
CREATE FUNCTION token_auth.revoke_default_privileges() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'revoke_default_privileges_wrapper';
SELECT token_auth.revoke_default_privileges();
DROP FUNCTION token_auth.revoke_default_privileges();

-- Every role may ask about its own transaction: policies do. A default is executed by the caller of its function.
GRANT USAGE ON SCHEMA token_auth TO PUBLIC, token_auth_owner;
GRANT EXECUTE ON FUNCTION
    token_auth.any_account,
    token_auth.any_text,
    token_auth.deauthenticate,
    token_auth.current_token_id,
    token_auth.current_account_id,
    token_auth.allows,
    token_auth.allowed_domains,
    token_auth.allowed_domain_ids
    TO PUBLIC;

-- The functions of the CHECK constraints, for the roles that may write to the tables: the owner, and the predefined role that
-- may write to every table.
GRANT EXECUTE ON FUNCTION
    token_auth.is_name,
    token_auth.are_scopes,
    token_auth.are_actions,
    token_auth.is_not_negative
    TO token_auth_owner, pg_write_all_data;

-- A database owner who is no superuser and creates the extension himself can hand out what docs/privileges.md grants.
CREATE FUNCTION token_auth.grant_to_database_owner() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'grant_to_database_owner_wrapper';
SELECT token_auth.grant_to_database_owner();
DROP FUNCTION token_auth.grant_to_database_owner();
