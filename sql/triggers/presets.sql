-- Presets are read-only, and each server has its own.

CREATE FUNCTION token_auth.protect_presets() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'protect_presets_wrapper';

COMMENT ON FUNCTION token_auth.protect_presets() IS
'Trigger: refuses (55000) any change of a preset. Its argument is the column with the profile''s name.';

CREATE TRIGGER protect_presets BEFORE INSERT OR UPDATE OR DELETE ON token_auth.profile
    FOR EACH ROW EXECUTE FUNCTION token_auth.protect_presets('name');
CREATE TRIGGER protect_presets_truncate BEFORE TRUNCATE ON token_auth.profile
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.protect_presets('name');
CREATE TRIGGER protect_presets BEFORE INSERT OR UPDATE OR DELETE ON token_auth.profile_resource
    FOR EACH ROW EXECUTE FUNCTION token_auth.protect_presets('profile');
CREATE TRIGGER protect_presets_truncate BEFORE TRUNCATE ON token_auth.profile_resource
    FOR EACH STATEMENT EXECUTE FUNCTION token_auth.protect_presets('profile');

COMMENT ON TRIGGER protect_presets ON token_auth.profile IS 'Presets are read-only';
COMMENT ON TRIGGER protect_presets_truncate ON token_auth.profile IS 'Presets are read-only';
COMMENT ON TRIGGER protect_presets ON token_auth.profile_resource IS 'Presets are read-only';
COMMENT ON TRIGGER protect_presets_truncate ON token_auth.profile_resource IS 'Presets are read-only';

CREATE FUNCTION token_auth.skip_replicated_presets() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'skip_replicated_presets_wrapper';

COMMENT ON FUNCTION token_auth.skip_replicated_presets() IS
'Trigger: skips a change of a preset of this database, and refuses (55000) a preset that it does not have. Its argument is the column
with the profile''s name.';

CREATE TRIGGER skip_replicated_presets BEFORE INSERT OR UPDATE OR DELETE ON token_auth.profile
    FOR EACH ROW EXECUTE FUNCTION token_auth.skip_replicated_presets('name');
CREATE TRIGGER skip_replicated_presets BEFORE INSERT OR UPDATE OR DELETE ON token_auth.profile_resource
    FOR EACH ROW EXECUTE FUNCTION token_auth.skip_replicated_presets('profile');

COMMENT ON TRIGGER skip_replicated_presets ON token_auth.profile IS
'Lets a subscriber of all tables keep its own presets';
COMMENT ON TRIGGER skip_replicated_presets ON token_auth.profile_resource IS
'Lets a subscriber of all tables keep its own presets';

-- Where session_replication_role is replica, rows are skipped, and TRUNCATE remains an error. Ordinary sessions get the errors of
-- protect_presets.
ALTER TABLE token_auth.profile
    ENABLE REPLICA TRIGGER skip_replicated_presets,
    ENABLE ALWAYS TRIGGER protect_presets_truncate;
ALTER TABLE token_auth.profile_resource
    ENABLE REPLICA TRIGGER skip_replicated_presets,
    ENABLE ALWAYS TRIGGER protect_presets_truncate;
