-- All objects of the extension are in this schema. CREATE SCHEMA fails if the schema exists: its objects could belong to
-- another role.
CREATE SCHEMA token_auth;

COMMENT ON SCHEMA token_auth IS 'API tokens: accounts, their domains, the tokens and their access';

CREATE FUNCTION token_auth.check_database() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'check_database_wrapper';
SELECT token_auth.check_database();
DROP FUNCTION token_auth.check_database();
