-- Default deny: nothing here is executable or readable by PUBLIC but what follows at the end. README.md has the GRANTs for the usual roles.
-- Types are usable by PUBLIC by default, and harmless.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL TABLES    IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA token_auth FROM PUBLIC;

-- What says something about the caller's own transaction is for everybody: policies ask it.
GRANT USAGE ON SCHEMA token_auth TO PUBLIC;
GRANT EXECUTE ON FUNCTION
    token_auth.deauthenticate,
    token_auth.current_token_id,
    token_auth.current_account_id,
    token_auth.allows,
    token_auth.allowed_domains,
    token_auth.allowed_domain_ids
    TO PUBLIC;
