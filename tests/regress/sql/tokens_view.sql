-- The view tokens, as a manager sees it.
CALL regress.begin();
SET ROLE regress_manager;
SELECT token_auth.create_account('Acme');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT domain_id FROM token_auth.create_domain(1, 'two.example');
SELECT token_id FROM token_auth.create_token(1, 'CI', '{email:send,email.templates:read}', 'acme.example');
SELECT token_auth.grant_access(3, '{*:read}', all_domains => true),
       token_auth.grant_access(3, '{sms:full}', 'two.example');
SELECT token_id FROM token_auth.create_token(1, 'none', '{*}', 'two.example');
SELECT token_auth.revoke_access(4, 'two.example');
SELECT token_id FROM token_auth.reset_token(1);
SELECT token_auth.pause_token(2);
SELECT token_id FROM token_auth.create_token(1, 'star', '{email:send,*:full}', 'two.example', all_domains => true);
SELECT id, name, account_id, account, domain_id, domain, hint ~ '^tok_....\.\.\.....$' AS hint, status, access,
       expires_at IS NOT NULL AS expires
  FROM token_auth.tokens ORDER BY id;

-- The order of precedence: paused, expired, retiring, active.
RESET ROLE;
UPDATE token_auth.token SET paused_at = now(), expires_at = now() WHERE id = 1;
SELECT status FROM token_auth.tokens WHERE id = 1;
UPDATE token_auth.token SET paused_at = NULL WHERE id = 1;
SELECT status FROM token_auth.tokens WHERE id = 1;
UPDATE token_auth.token SET expires_at = now() + interval '1 hour' WHERE id = 1;
SELECT status FROM token_auth.tokens WHERE id = 1;
UPDATE token_auth.token SET replaced_at = NULL WHERE id = 1;
SELECT status FROM token_auth.tokens WHERE id = 1;
-- A paused account pauses its tokens.
SELECT token_auth.pause_account(1);
SELECT DISTINCT status FROM token_auth.tokens;

-- It contains no digest and no sealed copy.
SELECT a.attname FROM pg_attribute a WHERE attrelid = 'token_auth.tokens'::regclass AND attname IN ('digest', 'sealed');
