-- The access of a token on single domains and on all domains.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT domain_id FROM token_auth.create_domain(1, 'one.example');
SELECT domain_id FROM token_auth.create_domain(1, 'two.example');
SELECT token_id, secret FROM token_auth.create_token(1, 'editor', '{email:read}', 'one.example') \gset

-- grant_access adds a domain, or replaces the scopes on it.
SELECT token_auth.grant_access(:token_id, '{email:send}', 'TWO.example');
SELECT token_auth.grant_access(:token_id, '{sms:full,email:read}', 'two.example');
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'two.example');
SELECT code FROM token_auth.verify_token(:'secret', 'sms:send', 'two.example');

-- Access to all domains and account-wide.
SELECT token_auth.grant_access(:token_id, '{domains:full}', all_domains => true);
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT code FROM token_auth.verify_token(:'secret', 'domains:create');

-- Revoking the access to all domains keeps that to single ones, and vice versa. Revoking missing access changes
-- nothing.
SELECT token_auth.revoke_access(:token_id, all_domains => true);
SELECT token_auth.revoke_access(:token_id, all_domains => true);
SELECT token_auth.revoke_access(:token_id, 'one.example');
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT token_auth.revoke_access(:token_id, 'two.example');
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT code FROM token_auth.verify_token(:'secret', NULL, 'two.example');
SELECT code AS "no access, yet a good token" FROM token_auth.verify_token(:'secret');

-- A NULL domain must not grant access to the account. A domain together with all_domains is ambiguous.
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}')$$);
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}', NULL, false)$$);
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}', 'one.example', true)$$);
SELECT regress.outcome($$SELECT token_auth.revoke_access(1)$$);
SELECT regress.outcome($$SELECT token_auth.revoke_access(1, 'one.example', true)$$);
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}', 'three.example')$$);
SELECT regress.outcome($$SELECT token_auth.revoke_access(1, 'three.example')$$);
