-- A change of anything that a verification depends on invalidates the caches of all sessions. The triggers are ENABLE ALWAYS, so
-- that they also fire in a logical replication worker (session_replication_role = replica). If one is disabled, nothing is
-- cached.

CREATE FUNCTION token_auth.invalidate_token_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_token_cache_wrapper';

COMMENT ON FUNCTION token_auth.invalidate_token_cache() IS
'Trigger: invalidates a token and its access in the caches of all sessions. Its argument is the column with the token''s id.';

CREATE FUNCTION token_auth.invalidate_account_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_account_cache_wrapper';

COMMENT ON FUNCTION token_auth.invalidate_account_cache() IS
'Trigger: invalidates an account and its domains in the caches of all sessions. Its argument is the column with the account''s id.';

CREATE FUNCTION token_auth.invalidate_whole_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_whole_cache_wrapper';

COMMENT ON FUNCTION token_auth.invalidate_whole_cache() IS
'Trigger: invalidates the caches of all sessions.';

-- Only existing rows are cached, so a new token, account or profile invalidates nothing. New access and new domains extend what
-- is cached.
-- Triggers of one kind fire in the order of their names. These are the first, so that a trigger of the application already sees the
-- change in a verification.
CREATE TRIGGER _invalidate_cache AFTER UPDATE OR DELETE ON token_auth.token
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_token_cache('id');
CREATE TRIGGER _invalidate_cache AFTER INSERT OR UPDATE OR DELETE ON token_auth.token_access
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_token_cache('token_id');
CREATE TRIGGER _invalidate_cache AFTER UPDATE OR DELETE ON token_auth.profile
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER _invalidate_cache AFTER UPDATE OR DELETE ON token_auth.account
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_account_cache('id');
CREATE TRIGGER _invalidate_cache AFTER INSERT OR UPDATE OR DELETE ON token_auth.domain
    FOR EACH ROW EXECUTE FUNCTION token_auth.invalidate_account_cache('account_id');

-- Sessions remember that no token was imported, or by which schemes.
CREATE FUNCTION token_auth.announce_imported_scheme() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'announce_imported_scheme_wrapper';

COMMENT ON FUNCTION token_auth.announce_imported_scheme() IS
'Trigger: informs all sessions of a token that was imported.';

CREATE TRIGGER _announce_scheme AFTER INSERT ON token_auth.token
    FOR EACH ROW WHEN (NEW.scheme <> 'token_auth')
    EXECUTE FUNCTION token_auth.announce_imported_scheme();

CREATE TRIGGER _invalidate_cache_truncate AFTER TRUNCATE ON token_auth.token
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER _invalidate_cache_truncate AFTER TRUNCATE ON token_auth.token_access
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER _invalidate_cache_truncate AFTER TRUNCATE ON token_auth.account
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();
CREATE TRIGGER _invalidate_cache_truncate AFTER TRUNCATE ON token_auth.domain
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.invalidate_whole_cache();

ALTER TABLE token_auth.token
    ENABLE ALWAYS TRIGGER _announce_scheme,
    ENABLE ALWAYS TRIGGER _invalidate_cache,
    ENABLE ALWAYS TRIGGER _invalidate_cache_truncate;
ALTER TABLE token_auth.token_access
    ENABLE ALWAYS TRIGGER _invalidate_cache,
    ENABLE ALWAYS TRIGGER _invalidate_cache_truncate;
ALTER TABLE token_auth.account
    ENABLE ALWAYS TRIGGER _invalidate_cache,
    ENABLE ALWAYS TRIGGER _invalidate_cache_truncate;
ALTER TABLE token_auth.domain
    ENABLE ALWAYS TRIGGER _invalidate_cache,
    ENABLE ALWAYS TRIGGER _invalidate_cache_truncate;
ALTER TABLE token_auth.profile
    ENABLE ALWAYS TRIGGER _invalidate_cache;

COMMENT ON TRIGGER _announce_scheme    ON token_auth.token        IS 'Informs all sessions of an imported token';
COMMENT ON TRIGGER _invalidate_cache   ON token_auth.token        IS 'Invalidates the cached token';
COMMENT ON TRIGGER _invalidate_cache   ON token_auth.token_access IS 'Invalidates the cached token of the access';
COMMENT ON TRIGGER _invalidate_cache   ON token_auth.profile      IS 'Invalidates everything in the caches';
COMMENT ON TRIGGER _invalidate_cache   ON token_auth.account      IS 'Invalidates the cached account';
COMMENT ON TRIGGER _invalidate_cache   ON token_auth.domain       IS 'Invalidates the cached account of the domain';
COMMENT ON TRIGGER _invalidate_cache_truncate ON token_auth.token        IS 'Invalidates everything in the caches';
COMMENT ON TRIGGER _invalidate_cache_truncate ON token_auth.token_access IS 'Invalidates everything in the caches';
COMMENT ON TRIGGER _invalidate_cache_truncate ON token_auth.account      IS 'Invalidates everything in the caches';
COMMENT ON TRIGGER _invalidate_cache_truncate ON token_auth.domain       IS 'Invalidates everything in the caches';
