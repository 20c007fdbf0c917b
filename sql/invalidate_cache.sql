-- Whatever an answer depends on, a change of it is told to every backend. The triggers fire for everybody, also where
-- session_replication_role says replica: a logical replication worker fires no others. Turned off, nothing is remembered.

CREATE FUNCTION token_auth.invalidate_token_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_token_cache_wrapper';

COMMENT ON FUNCTION token_auth.invalidate_token_cache() IS
'Trigger: tells every backend that a token or its access has changed. Its argument is the column with the token''s id.';

CREATE FUNCTION token_auth.invalidate_account_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_account_cache_wrapper';

COMMENT ON FUNCTION token_auth.invalidate_account_cache() IS
'Trigger: tells every backend that an account or a domain of it has changed. Its argument is the column with the account''s id.';

CREATE FUNCTION token_auth.invalidate_whole_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_whole_cache_wrapper';

COMMENT ON FUNCTION token_auth.invalidate_whole_cache() IS
'Trigger: tells every backend that something has changed which all accounts share.';

-- Only what is there is remembered, so a new token, account or profile is no news. Access and domains add to what is there.
CREATE TRIGGER invalidate_cache AFTER UPDATE OR DELETE ON token_auth.token
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_token_cache('id');
CREATE TRIGGER invalidate_cache AFTER INSERT OR UPDATE OR DELETE ON token_auth.token_access
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_token_cache('token_id');
CREATE TRIGGER invalidate_cache AFTER UPDATE OR DELETE ON token_auth.profile
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER invalidate_cache AFTER UPDATE OR DELETE ON token_auth.account
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_account_cache('id');
CREATE TRIGGER invalidate_cache AFTER INSERT OR UPDATE OR DELETE ON token_auth.domain
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_account_cache('account_id');

CREATE TRIGGER invalidate_cache_truncate AFTER TRUNCATE ON token_auth.token
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER invalidate_cache_truncate AFTER TRUNCATE ON token_auth.token_access
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER invalidate_cache_truncate AFTER TRUNCATE ON token_auth.account
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER invalidate_cache_truncate AFTER TRUNCATE ON token_auth.domain
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();

ALTER TABLE token_auth.token        ENABLE ALWAYS TRIGGER invalidate_cache, ENABLE ALWAYS TRIGGER invalidate_cache_truncate;
ALTER TABLE token_auth.token_access ENABLE ALWAYS TRIGGER invalidate_cache, ENABLE ALWAYS TRIGGER invalidate_cache_truncate;
ALTER TABLE token_auth.account      ENABLE ALWAYS TRIGGER invalidate_cache, ENABLE ALWAYS TRIGGER invalidate_cache_truncate;
ALTER TABLE token_auth.domain       ENABLE ALWAYS TRIGGER invalidate_cache, ENABLE ALWAYS TRIGGER invalidate_cache_truncate;
ALTER TABLE token_auth.profile      ENABLE ALWAYS TRIGGER invalidate_cache;

COMMENT ON TRIGGER invalidate_cache   ON token_auth.token        IS 'Tells every backend that a token has changed';
COMMENT ON TRIGGER invalidate_cache   ON token_auth.token_access IS 'Tells every backend that a token''s access has changed';
COMMENT ON TRIGGER invalidate_cache   ON token_auth.profile      IS 'Tells every backend that a profile has changed';
COMMENT ON TRIGGER invalidate_cache   ON token_auth.account      IS 'Tells every backend that an account has changed';
COMMENT ON TRIGGER invalidate_cache   ON token_auth.domain       IS 'Tells every backend that a domain has changed';
COMMENT ON TRIGGER invalidate_cache_truncate ON token_auth.token        IS 'Tells every backend that the tokens are gone';
COMMENT ON TRIGGER invalidate_cache_truncate ON token_auth.token_access IS 'Tells every backend that all access is gone';
COMMENT ON TRIGGER invalidate_cache_truncate ON token_auth.account      IS 'Tells every backend that the accounts are gone';
COMMENT ON TRIGGER invalidate_cache_truncate ON token_auth.domain       IS 'Tells every backend that the domains are gone';
