CREATE TABLE token_auth.profile_resource (
    profile  text   NOT NULL REFERENCES token_auth.profile ON UPDATE CASCADE ON DELETE CASCADE,
    resource text   NOT NULL,
    actions  text[] NOT NULL,

    PRIMARY KEY (profile, resource),
    -- With any action it is a scope of at most 255 bytes. "*" is a wildcard and not a resource.
    CONSTRAINT profile_resource_resource_format
        CHECK (resource <> '*' AND octet_length(resource) <= 190 AND token_auth.are_scopes(ARRAY[resource || ':full'])),
    CONSTRAINT profile_resource_actions_format CHECK (cardinality(actions) > 0 AND token_auth.are_actions(actions))
);

COMMENT ON TABLE  token_auth.profile_resource IS 'One row is a resource that a profile knows. If a profile has rows here, other scopes cannot be granted.';
COMMENT ON COLUMN token_auth.profile_resource.profile IS 'The profile';
COMMENT ON COLUMN token_auth.profile_resource.resource IS 'The resource, such as email or email.templates';
COMMENT ON COLUMN token_auth.profile_resource.actions IS 'The actions of the resource, such as {read,full}';
COMMENT ON CONSTRAINT profile_resource_pkey ON token_auth.profile_resource IS 'A profile lists a resource once';
COMMENT ON CONSTRAINT profile_resource_profile_fkey ON token_auth.profile_resource IS 'The resources are deleted with their profile';
COMMENT ON CONSTRAINT profile_resource_resource_format ON token_auth.profile_resource IS 'The resource of a scope without a wildcard, at most 190 bytes';
COMMENT ON CONSTRAINT profile_resource_actions_format ON token_auth.profile_resource IS 'At least one, each the action of a scope without a wildcard (full, not *) of at most 64 bytes, and none repeated';

SELECT pg_catalog.pg_extension_config_dump('token_auth.profile_resource',
    'WHERE profile NOT IN (SELECT name FROM token_auth.profile WHERE builtin)');
