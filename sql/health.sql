CREATE FUNCTION token_auth.health() RETURNS TABLE (name text, ok bool, detail text, hint text)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'health_wrapper';

COMMENT ON FUNCTION token_auth.health() IS
'Checks what the extension depends on, for people and for monitoring.
Result: one row per check. name: preloaded, worker, owner_role, worker_role, owner, triggers or foreign_keys. ok: whether all is well. detail: what was found. hint: what to do, NULL where all is well.
It writes nothing, and works on a hot standby.';
