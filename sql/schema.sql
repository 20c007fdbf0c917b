-- Whoever creates the extension may have settings of his own. These would decide where and how tables are stored.
SET LOCAL default_tablespace = '';
SET LOCAL default_table_access_method = heap;

-- Before any object is created: errors that say what to do.
CREATE FUNCTION pg_catalog.token_auth_check_database() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'check_database_wrapper';
SELECT pg_catalog.token_auth_check_database();
DROP FUNCTION pg_catalog.token_auth_check_database();

-- All objects of the extension are in this schema. It must be new: the objects of an existing one could belong to another role.
CREATE SCHEMA token_auth;

COMMENT ON SCHEMA token_auth IS 'API tokens: accounts, their domains, the tokens and their access';
