-- What a token may do, edited domain by domain.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT domain_id FROM token_auth.create_domain(1, 'one.example');
SELECT domain_id FROM token_auth.create_domain(1, 'two.example');
SELECT token_id, secret FROM token_auth.create_token(1, 'editor', '{email:read}', 'one.example') \gset

-- A grant adds a domain, and replaces the scopes held for it.
SELECT token_auth.grant_access(:token_id, '{email:send}', 'TWO.example');
SELECT token_auth.grant_access(:token_id, '{sms:full,email:read}', 'two.example');
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'two.example');
SELECT code FROM token_auth.verify_token(:'secret', 'sms:send', 'two.example');

-- Every domain, and account-wide.
SELECT token_auth.grant_access(:token_id, '{domains:full}', all_domains => true);
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT code FROM token_auth.verify_token(:'secret', 'domains:create');

-- Revoking what is held for every domain leaves the single ones, and the other way round; revoking nothing is nothing.
SELECT token_auth.revoke_access(:token_id, all_domains => true);
SELECT token_auth.revoke_access(:token_id, all_domains => true);
SELECT token_auth.revoke_access(:token_id, 'one.example');
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT token_auth.revoke_access(:token_id, 'two.example');
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT code FROM token_auth.verify_token(:'secret', NULL, 'two.example');
SELECT code AS "no access, yet a good token" FROM token_auth.verify_token(:'secret');

-- A NULL domain must not open the account; a domain together with all_domains is no clear wish.
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}')$$);
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}', NULL, false)$$);
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}', 'one.example', true)$$);
SELECT regress.outcome($$SELECT token_auth.revoke_access(1)$$);
SELECT regress.outcome($$SELECT token_auth.revoke_access(1, 'one.example', true)$$);
SELECT regress.outcome($$SELECT token_auth.grant_access(1, '{*}', 'three.example')$$);
SELECT regress.outcome($$SELECT token_auth.revoke_access(1, 'three.example')$$);
