-- Everything of token_auth is in this schema. It is created plainly: a schema that exists already, and whatever
-- somebody put into it, is none of ours.
CREATE SCHEMA token_auth;

COMMENT ON SCHEMA token_auth IS 'API tokens: accounts, their domains, the tokens under them and what those may do';

CREATE FUNCTION token_auth.check_database() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'check_database_wrapper';
SELECT token_auth.check_database();
DROP FUNCTION token_auth.check_database();
