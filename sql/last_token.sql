-- The last live token of a domain stays while the domain does, where the profile says keeps_last_token.
-- Live is what has neither expired nor been replaced; a paused token counts. The triggers fire only where a live token
-- ends or moves, so removing what expired costs nothing, and they are deferrable like a constraint.

CREATE FUNCTION token_auth.keep_last_token() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'keep_last_token_wrapper';

COMMENT ON FUNCTION token_auth.keep_last_token() IS
'Constraint trigger: refuses to end the last live token of a domain (23001; 40001 where a transaction above READ COMMITTED still sees another one).';

CREATE FUNCTION token_auth.keep_last_tokens_on_truncate() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'keep_last_tokens_on_truncate_wrapper';

COMMENT ON FUNCTION token_auth.keep_last_tokens_on_truncate() IS
'Trigger: refuses (23001) to truncate the tokens while a domain stays whose profile keeps the last one. What was truncated cannot be looked at any more, so a domain that had none counts too.';

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
