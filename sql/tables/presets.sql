-- The presets. A feature that the documentation of a product does not mention is off in its preset.

INSERT INTO token_auth.profile (name, builtin) VALUES ('default', true);

INSERT INTO token_auth.profile (
    name,        secret_prefix, can_rename, can_edit_access, can_pause, can_reset, can_expire, can_reveal,
    needs_verified_domain, creates_domain_token, keeps_last_token, confirms_delete, admins_only, tokens_manage_tokens,
    builtin
) VALUES
   ('mailersend', 'mlsn_',       true,       false,           true,      false,     false,      false,
    false,                 false,                false,            false,           false,       true,
    true),
   ('mailtrap',   'mt_',         false,      true,            false,     true,      true,       true,
    false,                 true,                 true,             false,           false,       true,
    true),
   ('tosend',     'tsend_',      false,      false,           true,      false,     false,      false,
    true,                  false,                false,            false,           false,       false,
    true),
   ('mailosaur',  'mo_',         false,      false,           false,     false,     false,      true,
    false,                 false,                false,            true,            true,        false,
    true);

-- The endpoints of MailerSend, each with its levels of access.
INSERT INTO token_auth.profile_resource (profile, resource, actions) VALUES
    ('mailersend', 'email',        '{full}'),
    ('mailersend', 'domains',      '{read,full}'),
    ('mailersend', 'activity',     '{read,full}'),
    ('mailersend', 'analytics',    '{read,full}'),
    ('mailersend', 'tokens',       '{full}'),
    ('mailersend', 'webhooks',     '{full}'),
    ('mailersend', 'templates',    '{full}'),
    ('mailersend', 'suppressions', '{read,full}'),
    ('mailersend', 'sms',          '{read,full}');
