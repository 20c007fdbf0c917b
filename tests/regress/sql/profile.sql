-- Profiles: presets are read-only, own profiles are ordinary rows, and each error names the rule that causes it.
CALL regress.begin();
SELECT * FROM token_auth.profile \gx
SELECT * FROM token_auth.profile_resource ORDER BY profile, resource;

-- Nobody can change or create a preset.
SELECT statement, regress.outcome(statement) FROM unnest(ARRAY[
    $$UPDATE token_auth.profile SET can_pause = false WHERE name = 'default'$$,
    $$UPDATE token_auth.profile SET builtin = false WHERE name = 'default'$$,
    $$DELETE FROM token_auth.profile WHERE name = 'default'$$,
    $$INSERT INTO token_auth.profile (name, builtin) VALUES ('mine', true)$$,
    $$INSERT INTO token_auth.profile_resource VALUES ('default', 'email', '{read}')$$,
    $$UPDATE token_auth.profile_resource SET actions = '{read,full}'
       WHERE profile = 'mailersend' AND resource = 'email'$$,
    $$UPDATE token_auth.profile SET keeps_last_token = false WHERE name = 'mailtrap'$$,
    $$TRUNCATE token_auth.profile CASCADE$$,
    $$TRUNCATE token_auth.profile_resource$$]) AS statement;
INSERT INTO token_auth.profile (name) VALUES ('mine');
SELECT regress.outcome($$UPDATE token_auth.profile SET builtin = true WHERE name = 'mine'$$);
SELECT regress.outcome($$UPDATE token_auth.profile SET name = 'default' WHERE name = 'mine'$$);

-- A copy under another name, as the hint says.
INSERT INTO token_auth.profile
SELECT (jsonb_populate_record(p, '{"name": "strict", "builtin": false, "secret_prefix": "acme_live_"}')).*
  FROM token_auth.profile p WHERE name = 'default';
UPDATE token_auth.profile
   SET can_rename = false, can_edit_access = false, can_pause = false, can_reset = false, can_expire = false,
       confirms_delete = true
 WHERE name = 'strict';
SELECT token_auth.create_account('Acme', 'strict');
SELECT token_id, left(secret, 10) AS prefix, length(secret) FROM token_auth.create_domain(1, 'acme.example');
SELECT call, regress.outcome('SELECT token_auth.' || call) FROM unnest(ARRAY[
    'rename_token(1, ''x'')',
    'grant_access(1, ''{*}'', ''acme.example'')',
    'revoke_access(1, ''acme.example'')',
    'pause_token(1)',
    'resume_token(1)',
    'reset_token(1)',
    'set_token_expiry(1, now() + interval ''1 day'')',
    'set_token_expiry(1, ''infinity'')',
    'create_token(1, ''x'', ''{*}'', ''acme.example'', expires_at => now() + interval ''1 day'')',
    'create_token(1, ''x'', ''{*}'', ''acme.example'')',
    'delete_token(2)', 'delete_token(2, ''y'')', 'delete_token(2, ''x'')']) AS call;

-- Old secrets remain valid after a change of the prefix.
SELECT secret FROM token_auth.create_token(1, 'old', '{*}', 'acme.example') \gset
UPDATE token_auth.profile SET secret_prefix = 'new_' WHERE name = 'strict';
SELECT left(secret, 4) FROM token_auth.create_token(1, 'new', '{*}', 'acme.example');
SELECT code FROM token_auth.verify_token(:'secret');

-- A profile with a list of resources accepts only their scopes and *, and its errors list them.
INSERT INTO token_auth.profile (name) VALUES ('listed');
INSERT INTO token_auth.profile_resource VALUES ('listed', 'email', '{full}'), ('listed', 'domains', '{read,full}');
SELECT token_auth.set_account_profile(1, 'listed');
SELECT scope, regress.outcome(format('SELECT token_auth.create_token(1, ''x'', ARRAY[%L], ''acme.example'')', scope))
  FROM unnest('{*,email:full,email:*,domains:read,email:read,emails:full,domain:read,domains:write,'
              'email.templates:full,*:read,sms:full}'::text[]) AS scope;
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{email:read}', 'acme.example')$$);

-- A profile in use cannot be deleted. Its accounts follow a rename.
SELECT regress.outcome($$DELETE FROM token_auth.profile WHERE name = 'listed'$$);
UPDATE token_auth.profile SET name = 'renamed' WHERE name = 'listed';
SELECT profile FROM token_auth.account;

-- Contradictory rules are refused.
SELECT columns, regress.outcome(format('INSERT INTO token_auth.profile (name, %s) VALUES (''p'', %s)',
                                       split_part(columns, '=', 1), split_part(columns, '=', 2)))
  FROM unnest(ARRAY['secret_prefix=''a b_''', 'secret_prefix=''Abc_''', 'secret_prefix=''abc''', 'secret_prefix=''''',
                    'secret_prefix=''abcdefghijkl_''',
       'secret_prefix=NULL', 'can_expire=false', 'reset_grace=''-1 second''', 'reset_grace=''200 years''',
       'reset_grace=''1 month -29 days''', 'expired_retention=''-1 second''', 'expired_retention=''200 years'''])
       AS columns;
SELECT regress.outcome(format('INSERT INTO token_auth.profile (name) VALUES (%L)', name))
  FROM unnest(ARRAY['', ' ', E'a\nb', repeat('x', 256)]) AS name;
SELECT resource, actions, regress.outcome(format('INSERT INTO token_auth.profile_resource VALUES (''mine'', %L, %L)',
                                                 resource, actions))
  FROM (VALUES ('*', '{read}'), ('a:b', '{read}'), ('', '{read}'), ('A', '{read}'), ('a', '{}'), ('a', '{*}'),
        ('a', '{"a,b"}'), ('a', '{NULL}'), ('a', '{read:x}'), ('a', '{read,full,read}'), ('a.b', '{read,full}'))
    AS v(resource, actions);
-- Without an expiry there is no reset.
SELECT regress.outcome(
    $$INSERT INTO token_auth.profile (name, can_expire, can_reset) VALUES ('lasting', false, false)$$);
