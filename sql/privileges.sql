-- The tables belong to a role that can do nothing else: whatever gets hold of its rights gets no more than these tables.
-- Sequences go with their tables. Functions run as whoever calls them, and so belong to whoever made the extension.
ALTER TABLE token_auth.profile          OWNER TO token_auth_owner;
ALTER TABLE token_auth.profile_resource OWNER TO token_auth_owner;
ALTER TABLE token_auth.account          OWNER TO token_auth_owner;
ALTER TABLE token_auth.account_admin    OWNER TO token_auth_owner;
ALTER TABLE token_auth.domain           OWNER TO token_auth_owner;
ALTER TABLE token_auth.token            OWNER TO token_auth_owner;
ALTER TABLE token_auth.token_access     OWNER TO token_auth_owner;
ALTER VIEW  token_auth.tokens           OWNER TO token_auth_owner;

-- Default deny: nothing here is executable or readable by PUBLIC but what follows at the end. README.md has the GRANTs for the usual roles.
-- Types are usable by PUBLIC by default, and harmless.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL TABLES    IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA token_auth FROM PUBLIC;

-- What says something about the caller's own transaction is for everybody: policies ask it.
GRANT USAGE ON SCHEMA token_auth TO PUBLIC, token_auth_owner;
GRANT EXECUTE ON FUNCTION
    token_auth.deauthenticate,
    token_auth.current_token_id,
    token_auth.current_account_id,
    token_auth.allows,
    token_auth.allowed_domains,
    token_auth.allowed_domain_ids
    TO PUBLIC;

-- What the CHECK constraints of the tables ask, for those who may write to the tables: the owner, and the predefined role
-- that may write to every table.
GRANT EXECUTE ON FUNCTION
    token_auth.is_name,
    token_auth.are_scopes,
    token_auth.are_actions,
    token_auth.is_not_negative
    TO token_auth_owner, pg_write_all_data;
