CREATE FUNCTION token_auth.health() RETURNS TABLE (name text, ok bool, detail text, hint text)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'health_wrapper';

COMMENT ON FUNCTION token_auth.health() IS
'Checks everything that the extension depends on, for people and for monitoring.
Result: one row for each check. name: preloaded, worker, owner_role, worker_role, owner, triggers or foreign_keys. ok: true if nothing is wrong. detail: what was found. hint: what to do, NULL if nothing is wrong.
It writes nothing, and works on a hot standby.';
