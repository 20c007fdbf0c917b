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
    default_lifetime      interval,
    max_lifetime          interval,
    max_tokens            int,

    CONSTRAINT profile_name_is_name CHECK (token_auth.is_name(name)),
    -- The prefix is part of the secret's format, and ends with the underscore.
    CONSTRAINT profile_secret_prefix_format CHECK (secret_prefix COLLATE "C" ~ '^[a-z0-9_]{0,11}_$'),
    -- A reset makes the old token expire.
    CONSTRAINT profile_reset_expires CHECK (can_expire OR NOT can_reset),
    -- A century is longer than anybody needs, and far within the range of timestamps.
    CONSTRAINT profile_reset_grace_range CHECK (reset_grace <= '100 years' AND token_auth.is_not_negative(reset_grace)),
    CONSTRAINT profile_expired_retention_range
        CHECK (expired_retention <= '100 years' AND token_auth.is_not_negative(expired_retention)),
    CONSTRAINT profile_default_lifetime_range
        CHECK (default_lifetime > '0' AND default_lifetime <= '100 years' AND token_auth.is_not_negative(default_lifetime)),
    CONSTRAINT profile_max_lifetime_range
        CHECK (max_lifetime > '0' AND max_lifetime <= '100 years' AND token_auth.is_not_negative(max_lifetime)),
    CONSTRAINT profile_default_lifetime_is_allowed CHECK (default_lifetime <= max_lifetime),
    CONSTRAINT profile_lifetime_expires
        CHECK (can_expire OR default_lifetime IS NULL AND max_lifetime IS NULL),
    CONSTRAINT profile_max_tokens_range CHECK (max_tokens > 0)
);

COMMENT ON TABLE  token_auth.profile IS 'One row is a set of rules that the accounts of the profile follow. Presets (builtin) are read-only: copy one under another name.';
COMMENT ON COLUMN token_auth.profile.name IS 'Name, by which accounts refer to the profile';
COMMENT ON COLUMN token_auth.profile.builtin IS 'True for a preset: read-only, and not dumped';
COMMENT ON COLUMN token_auth.profile.secret_prefix IS 'Prefix of new secrets: at most 12 characters of [a-z0-9_], the last one an underscore';
COMMENT ON COLUMN token_auth.profile.can_rename IS 'Tokens can be renamed';
COMMENT ON COLUMN token_auth.profile.can_edit_access IS 'The access of a token can be changed after its creation';
COMMENT ON COLUMN token_auth.profile.can_pause IS 'Tokens can be paused. A paused token can always be resumed';
COMMENT ON COLUMN token_auth.profile.can_reset IS 'Tokens can be reset';
COMMENT ON COLUMN token_auth.profile.can_expire IS 'Tokens can have an expiry';
COMMENT ON COLUMN token_auth.profile.can_reveal IS 'Secrets can be revealed: a sealed copy is stored, which needs token_auth.sealing_key_file. When this becomes false, the copies are erased';
COMMENT ON COLUMN token_auth.profile.needs_verified_domain IS 'Verification refuses a domain that is not verified';
COMMENT ON COLUMN token_auth.profile.creates_domain_token IS 'create_domain creates a token with full access to the new domain';
COMMENT ON COLUMN token_auth.profile.keeps_last_token IS 'The last live token of a domain cannot be removed while the domain exists';
COMMENT ON COLUMN token_auth.profile.confirms_delete IS 'delete_token demands the token''s name';
COMMENT ON COLUMN token_auth.profile.admins_only IS 'Only administrators of an account may manage its domains and tokens';
COMMENT ON COLUMN token_auth.profile.tokens_manage_tokens IS 'In a transaction that is authenticated as a token, the token may manage tokens if it has tokens:full and all their access';
COMMENT ON COLUMN token_auth.profile.reset_grace IS 'How long the old secret stays valid after a reset';
COMMENT ON COLUMN token_auth.profile.expired_retention IS 'How long a token is kept after its expiry before the worker removes it';
COMMENT ON COLUMN token_auth.profile.default_lifetime IS 'The lifetime of a token that is created without an expiry, or NULL for max_lifetime';
COMMENT ON COLUMN token_auth.profile.max_lifetime IS 'The longest lifetime that a token may be given, or NULL for any';
COMMENT ON COLUMN token_auth.profile.max_tokens IS 'The most live tokens of an account, or NULL for any number';
COMMENT ON CONSTRAINT profile_pkey ON token_auth.profile IS 'A profile is identified by its name';
COMMENT ON CONSTRAINT profile_name_is_name ON token_auth.profile IS 'At most 255 characters, not blank, without control characters';
COMMENT ON CONSTRAINT profile_secret_prefix_format ON token_auth.profile IS 'At most 12 characters of [a-z0-9_], the last one an underscore: it is part of the format of secrets';
COMMENT ON CONSTRAINT profile_reset_expires ON token_auth.profile IS 'A reset makes the old token expire, so tokens that can be reset can expire';
COMMENT ON CONSTRAINT profile_reset_grace_range ON token_auth.profile IS 'From 0 to 100 years, with no negative field';
COMMENT ON CONSTRAINT profile_expired_retention_range ON token_auth.profile IS 'From 0 to 100 years, with no negative field';
COMMENT ON CONSTRAINT profile_default_lifetime_range ON token_auth.profile IS 'More than 0 and at most 100 years, with no negative field';
COMMENT ON CONSTRAINT profile_max_lifetime_range ON token_auth.profile IS 'More than 0 and at most 100 years, with no negative field';
COMMENT ON CONSTRAINT profile_default_lifetime_is_allowed ON token_auth.profile IS 'The default lifetime is at most the longest';
COMMENT ON CONSTRAINT profile_lifetime_expires ON token_auth.profile IS 'A lifetime makes tokens expire, so they can expire';
COMMENT ON CONSTRAINT profile_max_tokens_range ON token_auth.profile IS 'An account may have a token';

-- Presets are not dumped, because CREATE EXTENSION inserts them.
SELECT pg_catalog.pg_extension_config_dump('token_auth.profile', 'WHERE NOT builtin');
