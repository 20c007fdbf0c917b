-- Presets are read-only.

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
