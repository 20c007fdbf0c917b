-- What the parts of the tables are for: what a DBA reads in \dd after an error has named one of them.

COMMENT ON CONSTRAINT profile_pkey ON token_auth.profile IS 'A profile is known by its name';
COMMENT ON CONSTRAINT profile_name_is_name ON token_auth.profile IS 'A name: at most 255 characters, not blank, without control characters';
COMMENT ON CONSTRAINT profile_secret_prefix_format ON token_auth.profile IS 'At most 12 of [a-z0-9_], the last one an underscore: it is part of the format of secrets';
COMMENT ON CONSTRAINT profile_reset_expires ON token_auth.profile IS 'A reset makes the old token expire, so where tokens can be reset they can expire';
COMMENT ON CONSTRAINT profile_reset_grace_range ON token_auth.profile IS 'From 0 to 100 years, with no negative field';
COMMENT ON CONSTRAINT profile_expired_retention_range ON token_auth.profile IS 'From 0 to 100 years, with no negative field';
COMMENT ON TRIGGER protect_presets ON token_auth.profile IS 'Presets are read-only';
COMMENT ON TRIGGER protect_presets_truncate ON token_auth.profile IS 'Presets are read-only';

COMMENT ON CONSTRAINT profile_resource_pkey ON token_auth.profile_resource IS 'A profile lists a resource once';
COMMENT ON CONSTRAINT profile_resource_profile_fkey ON token_auth.profile_resource IS 'The list goes with its profile';
COMMENT ON CONSTRAINT profile_resource_resource_format ON token_auth.profile_resource IS 'The resource of a scope, spelt out, at most 190 bytes';
COMMENT ON CONSTRAINT profile_resource_actions_format ON token_auth.profile_resource IS 'At least one, each the action of a scope, spelt out (full, not *), at most 64 bytes, and none twice';
COMMENT ON TRIGGER protect_presets ON token_auth.profile_resource IS 'Presets are read-only';
COMMENT ON TRIGGER protect_presets_truncate ON token_auth.profile_resource IS 'Presets are read-only';

COMMENT ON CONSTRAINT account_pkey ON token_auth.account IS 'An account is known by its id';
COMMENT ON CONSTRAINT account_name_key ON token_auth.account IS 'No two accounts have the same name';
COMMENT ON CONSTRAINT account_name_is_name ON token_auth.account IS 'A name: at most 255 characters, not blank, without control characters';
COMMENT ON CONSTRAINT account_profile_fkey ON token_auth.account IS 'A profile in use cannot go; an account follows the renaming of its profile';
COMMENT ON INDEX token_auth.account_profile_idx IS 'For changes of a profile''s name, and its deletion';
COMMENT ON SEQUENCE token_auth.account_id_seq IS 'Ids of accounts';
COMMENT ON TRIGGER keep_id ON token_auth.account IS 'An id never changes';

COMMENT ON CONSTRAINT account_admin_pkey ON token_auth.account_admin IS 'An actor is an administrator of an account once';
COMMENT ON CONSTRAINT account_admin_account_id_fkey ON token_auth.account_admin IS 'Administrators go with their account';
COMMENT ON CONSTRAINT account_admin_actor_is_name ON token_auth.account_admin IS 'A name: at most 255 characters, not blank, without control characters';

COMMENT ON CONSTRAINT domain_pkey ON token_auth.domain IS 'A domain is known by its id';
COMMENT ON CONSTRAINT domain_account_id_fkey ON token_auth.domain IS 'Domains go with their account';
COMMENT ON CONSTRAINT domain_account_id_id_key ON token_auth.domain IS 'What tokens and their access refer to, so that they and the domain are of one account';
COMMENT ON CONSTRAINT domain_name_is_name ON token_auth.domain IS 'A name: at most 255 characters, not blank, without control characters';
COMMENT ON INDEX token_auth.domain_account_id_name_key IS 'No two domains of an account have the same name under ASCII case folding';
COMMENT ON SEQUENCE token_auth.domain_id_seq IS 'Ids of domains';
COMMENT ON TRIGGER keep_id ON token_auth.domain IS 'An id never changes';
COMMENT ON TRIGGER keep_account_id ON token_auth.domain IS 'A domain never changes its account';

COMMENT ON CONSTRAINT token_pkey ON token_auth.token IS 'A token is known by its id';
COMMENT ON CONSTRAINT token_account_id_fkey ON token_auth.token IS 'Tokens go with their account';
COMMENT ON CONSTRAINT token_account_id_id_key ON token_auth.token IS 'What access refers to, so that it and the token are of one account';
COMMENT ON CONSTRAINT token_domain_fkey ON token_auth.token IS 'Tokens go with their home, which is of their account';
COMMENT ON CONSTRAINT token_digest_excl ON token_auth.token IS 'A secret is of one token; verification finds it by this index';
COMMENT ON CONSTRAINT token_digest_is_sha256 ON token_auth.token IS 'A SHA-256 digest has 32 bytes';
COMMENT ON CONSTRAINT token_name_is_name ON token_auth.token IS 'A name: at most 255 characters, not blank, without control characters';
COMMENT ON CONSTRAINT token_hint_is_name ON token_auth.token IS 'Something to recognise a secret by, not blank';
COMMENT ON CONSTRAINT token_created_by_is_name ON token_auth.token IS 'A name: at most 255 characters, not blank, without control characters';
COMMENT ON CONSTRAINT token_created_at_finite ON token_auth.token IS 'A lifetime is reckoned from it';
COMMENT ON CONSTRAINT token_metadata_size ON token_auth.token IS 'At most 8192 bytes as text: every answer of verify_token has it';
COMMENT ON INDEX token_auth.token_domain_id_idx IS 'For the guard of the last token, and for the deletion of a domain';
COMMENT ON INDEX token_auth.token_expires_at_id_idx IS 'For the worker';
COMMENT ON SEQUENCE token_auth.token_id_seq IS 'Ids of tokens. While it was never used, the worker takes the tokens for those of a restore that is under way';
COMMENT ON TRIGGER keep_id ON token_auth.token IS 'An id never changes';
COMMENT ON TRIGGER keep_account_id ON token_auth.token IS 'A token never changes its account';
COMMENT ON TRIGGER keep_last_token_on_delete ON token_auth.token IS 'The last live token of a domain stays while the domain does';
COMMENT ON TRIGGER keep_last_token_on_update ON token_auth.token IS 'The last live token of a domain stays while the domain does';
COMMENT ON TRIGGER keep_last_tokens_on_truncate ON token_auth.token IS 'The last live tokens of domains stay while the domains do';

COMMENT ON CONSTRAINT token_access_pkey ON token_auth.token_access IS 'A row is known by its id';
COMMENT ON CONSTRAINT token_access_token_id_domain_id_key ON token_auth.token_access IS 'A token has one row for a domain, and one for every domain';
COMMENT ON CONSTRAINT token_access_token_fkey ON token_auth.token_access IS 'Access goes with its token, which is of the same account';
COMMENT ON CONSTRAINT token_access_domain_fkey ON token_auth.token_access IS 'Access goes with its domain, which is of the same account';
COMMENT ON CONSTRAINT token_access_scopes_count ON token_auth.token_access IS 'From 1 to 256 scopes: no scope is no access, and that is no row';
COMMENT ON CONSTRAINT token_access_scopes_format ON token_auth.token_access IS 'Each follows the grammar of scopes';
COMMENT ON INDEX token_auth.token_access_domain_id_idx IS 'For the deletion of a domain';
COMMENT ON SEQUENCE token_auth.token_access_id_seq IS 'Ids of access rows';
COMMENT ON TRIGGER keep_id ON token_auth.token_access IS 'An id never changes';
