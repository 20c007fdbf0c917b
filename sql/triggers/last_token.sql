-- The last live token of a domain cannot be removed while the domain exists, if the profile has keeps_last_token. A token is
-- live if it has neither expired nor been reset. A paused token is live. The triggers fire only if a live token ends or
-- moves, so the removal of expired tokens costs nothing. They are deferrable like a constraint.

CREATE FUNCTION token_auth.keep_last_token() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'keep_last_token_wrapper';

COMMENT ON FUNCTION token_auth.keep_last_token() IS
'Constraint trigger: refuses to end the last live token of a domain (23001; 40001 if the snapshot of a transaction above READ COMMITTED still shows another one).';

CREATE FUNCTION token_auth.keep_last_tokens_on_truncate() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'keep_last_tokens_on_truncate_wrapper';

COMMENT ON FUNCTION token_auth.keep_last_tokens_on_truncate() IS
'Trigger: refuses (23001) to truncate the tokens while a domain exists whose profile has keeps_last_token. The truncated rows are gone, so a domain without tokens counts, too.';

CREATE CONSTRAINT TRIGGER keep_last_token_on_delete AFTER DELETE ON token_auth.token
    DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (
        OLD.domain_id IS NOT NULL
        AND OLD.replaced_at IS NULL
        AND (OLD.expires_at IS NULL OR OLD.expires_at > pg_catalog.clock_timestamp())
    )
    EXECUTE FUNCTION token_auth.keep_last_token();

CREATE CONSTRAINT TRIGGER keep_last_token_on_update AFTER UPDATE ON token_auth.token
    DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (
        OLD.domain_id IS NOT NULL
        AND OLD.replaced_at IS NULL
        AND (OLD.expires_at IS NULL OR OLD.expires_at > pg_catalog.clock_timestamp())
        AND (OLD.domain_id, OLD.expires_at, OLD.replaced_at)
            IS DISTINCT FROM (NEW.domain_id, NEW.expires_at, NEW.replaced_at)
    )
    EXECUTE FUNCTION token_auth.keep_last_token();

CREATE TRIGGER keep_last_tokens_on_truncate AFTER TRUNCATE ON token_auth.token
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.keep_last_tokens_on_truncate();

COMMENT ON TRIGGER keep_last_token_on_delete ON token_auth.token IS 'The last live token of a domain cannot be removed while the domain exists';
COMMENT ON TRIGGER keep_last_token_on_update ON token_auth.token IS 'The last live token of a domain cannot be removed while the domain exists';
COMMENT ON TRIGGER keep_last_tokens_on_truncate ON token_auth.token IS 'The last live tokens of domains cannot be removed while the domains exist';
