-- Before anything else: errors that say what to do.
CREATE FUNCTION pg_catalog.token_auth_check_database() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'check_database_wrapper';
SELECT pg_catalog.token_auth_check_database();
DROP FUNCTION pg_catalog.token_auth_check_database();

-- All objects of the extension are in this schema. It must be new: the objects of an existing one could belong to another role.
CREATE SCHEMA token_auth;

COMMENT ON SCHEMA token_auth IS 'API tokens: accounts, their domains, the tokens and their access';
