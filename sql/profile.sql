CREATE TABLE token_auth.profile (
    name                  text PRIMARY KEY,
    builtin               bool NOT NULL DEFAULT false,
    secret_prefix         text NOT NULL DEFAULT 'tok_',
    can_rename            bool NOT NULL DEFAULT true,
    can_edit_access       bool NOT NULL DEFAULT true,
    can_pause             bool NOT NULL DEFAULT true,
    can_reset             bool NOT NULL DEFAULT true,
    can_expire            bool NOT NULL DEFAULT true,
    can_reveal            bool NOT NULL DEFAULT false,
    needs_verified_domain bool NOT NULL DEFAULT false,
    creates_domain_token  bool NOT NULL DEFAULT true,
    keeps_last_token      bool NOT NULL DEFAULT true,
    confirms_delete       bool NOT NULL DEFAULT false,
    admins_only           bool NOT NULL DEFAULT false,
    tokens_manage_tokens  bool NOT NULL DEFAULT false,
    reset_grace           interval NOT NULL DEFAULT '12 hours',
    expired_retention     interval NOT NULL DEFAULT '23 hours',

    CONSTRAINT profile_name_is_name CHECK (token_auth.is_name(name)),
    -- The prefix is part of the secret's format; the underscore ends it.
    CONSTRAINT profile_secret_prefix_format CHECK (secret_prefix COLLATE "C" ~ '^[a-z0-9_]{0,11}_$'),
    -- A reset makes the old token expire.
    CONSTRAINT profile_reset_expires CHECK (can_expire OR NOT can_reset),
    -- A century is beyond any use, and far from where timestamps end.
    CONSTRAINT profile_reset_grace_range CHECK (reset_grace <= '100 years' AND token_auth.is_not_negative(reset_grace)),
    CONSTRAINT profile_expired_retention_range
        CHECK (expired_retention <= '100 years' AND token_auth.is_not_negative(expired_retention))
);

COMMENT ON TABLE  token_auth.profile IS 'A row is a set of product rules that the accounts of that profile follow. Presets (builtin) are read-only: copy one under a name of your own.';
COMMENT ON COLUMN token_auth.profile.name IS 'Its name, by which accounts refer to it';
COMMENT ON COLUMN token_auth.profile.builtin IS 'Comes with the extension: read-only, and not dumped';
COMMENT ON COLUMN token_auth.profile.secret_prefix IS 'What new secrets begin with: at most 12 of [a-z0-9_], the last one an underscore';
COMMENT ON COLUMN token_auth.profile.can_rename IS 'Tokens can be renamed';
COMMENT ON COLUMN token_auth.profile.can_edit_access IS 'The access of a token can be changed after its creation';
COMMENT ON COLUMN token_auth.profile.can_pause IS 'Tokens can be paused; a paused one can be resumed in any case';
COMMENT ON COLUMN token_auth.profile.can_reset IS 'Tokens can be reset';
COMMENT ON COLUMN token_auth.profile.can_expire IS 'Tokens can have an expiry';
COMMENT ON COLUMN token_auth.profile.can_reveal IS 'Secrets can be revealed later: a sealed copy is kept, which takes token_auth.sealing_key_file. Turned off, the copies are erased';
COMMENT ON COLUMN token_auth.profile.needs_verified_domain IS 'A domain that is not verified is refused by verification';
COMMENT ON COLUMN token_auth.profile.creates_domain_token IS 'create_domain makes a token with full access to the new domain';
COMMENT ON COLUMN token_auth.profile.keeps_last_token IS 'The last live token of a domain cannot be removed while the domain stays';
COMMENT ON COLUMN token_auth.profile.confirms_delete IS 'delete_token asks for the token''s name';
COMMENT ON COLUMN token_auth.profile.admins_only IS 'Only administrators of an account manage its domains and tokens';
COMMENT ON COLUMN token_auth.profile.tokens_manage_tokens IS 'In a transaction that acts as a token, it may manage tokens, if it has tokens:full and all the access of those';
COMMENT ON COLUMN token_auth.profile.reset_grace IS 'How long the old secret works on after a reset';
COMMENT ON COLUMN token_auth.profile.expired_retention IS 'How long after its expiry a token is kept before the worker removes it';

-- A preset is not dumped, because CREATE EXTENSION brings it.
SELECT pg_catalog.pg_extension_config_dump('token_auth.profile', 'WHERE NOT builtin');

CREATE TABLE token_auth.profile_resource (
    profile  text   NOT NULL REFERENCES token_auth.profile ON UPDATE CASCADE ON DELETE CASCADE,
    resource text   NOT NULL,
    actions  text[] NOT NULL,

    PRIMARY KEY (profile, resource),
    -- Together with any action it is a scope, of at most 255 bytes; "*" is no resource of its own.
    CONSTRAINT profile_resource_resource_format CHECK (resource <> '*' AND octet_length(resource) <= 190 AND token_auth.are_scopes(ARRAY[resource || ':full'])),
    CONSTRAINT profile_resource_actions_format CHECK (cardinality(actions) > 0 AND token_auth.are_actions(actions))
);

COMMENT ON TABLE  token_auth.profile_resource IS 'A row is a resource that a profile knows. Where a profile has any, scopes outside them are refused at grant time.';
COMMENT ON COLUMN token_auth.profile_resource.profile IS 'The profile';
COMMENT ON COLUMN token_auth.profile_resource.resource IS 'The resource, such as email or email.templates';
COMMENT ON COLUMN token_auth.profile_resource.actions IS 'The actions that it has, such as {read,full}';

SELECT pg_catalog.pg_extension_config_dump('token_auth.profile_resource',
    'WHERE profile NOT IN (SELECT name FROM token_auth.profile WHERE builtin)');

CREATE FUNCTION token_auth.protect_presets() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'protect_presets_wrapper';

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
