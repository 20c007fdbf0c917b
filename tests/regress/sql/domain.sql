-- Domains, and the token that is created with each of them.
CALL regress.begin();
SET ROLE regress_manager;
SELECT token_auth.create_account('Acme');
SELECT token_auth.create_account('Globex');
SELECT domain_id, token_id, secret IS NOT NULL AS has_secret FROM token_auth.create_domain(1, 'Acme.example');
SELECT id, name, domain, status, access, created_by = session_user AS by_us FROM token_auth.tokens;

-- Names are unique in an account under ASCII case folding.
SELECT regress.outcome($$SELECT token_auth.create_domain(1, 'ACME.EXAMPLE')$$);
SELECT domain_id FROM token_auth.create_domain(2, 'ACME.EXAMPLE');
SELECT domain_id FROM token_auth.create_domain(1, 'ÄCME.example');
SELECT domain_id AS "other letters than ASCII are not folded" FROM token_auth.create_domain(1, 'äcme.example');

-- Rename: the same name in another case does not collide. Tokens keep their names.
SELECT token_auth.rename_domain(1, 'acme.EXAMPLE');
SELECT regress.outcome($$SELECT token_auth.rename_domain(1, 'Äcme.example')$$);
SELECT token_auth.rename_domain(1, 'acme.test');
SELECT name, domain FROM token_auth.tokens WHERE id = 1;

-- Verified and not verified.
SELECT token_auth.set_domain_verified(1, true);
SELECT verified_at AS since FROM token_auth.domain WHERE id = 1 \gset
SELECT token_auth.set_domain_verified(1, true);
SELECT verified_at = :'since' AS "verifying twice changes nothing" FROM token_auth.domain WHERE id = 1;
SELECT token_auth.set_domain_verified(1, false);
SELECT verified_at FROM token_auth.domain WHERE id = 1;
SELECT regress.outcome($$SELECT token_auth.set_domain_verified(1, NULL)$$);

-- An id of another account is unknown.
SELECT regress.outcome($$SELECT token_auth.rename_domain(1, 'x', account_id => 2)$$);
SELECT regress.outcome($$SELECT token_auth.set_domain_verified(1, true, account_id => 2)$$);
SELECT regress.outcome($$SELECT token_auth.delete_domain(1, account_id => 2)$$);
SELECT regress.outcome($$SELECT token_auth.delete_domain(99)$$);

-- Deleting a domain deletes its tokens and the access of other tokens to it, but not those tokens.
SELECT token_id FROM token_auth.create_token(1, 'roamer', '{email:send}', all_domains => true) \gset
SELECT token_auth.grant_access(:token_id, '{email:full}', 'acme.test');
SELECT access FROM token_auth.tokens WHERE id = :token_id;
SELECT token_auth.delete_domain(1, account_id => 1);
SELECT id, access FROM token_auth.tokens WHERE account_id = 1 ORDER BY id;

-- Under a profile that creates no token, and with a plain INSERT, a domain has no token.
RESET ROLE;
INSERT INTO token_auth.profile (name, creates_domain_token) VALUES ('bare', false);
INSERT INTO token_auth.domain (account_id, name) VALUES (1, 'plain.example');
SELECT token_auth.create_account('Bare', 'bare');
SELECT * FROM token_auth.create_domain(3, 'bare.example');
SELECT count(*) FROM token_auth.tokens t JOIN token_auth.domain d ON d.id = t.domain_id
 WHERE d.name IN ('plain.example', 'bare.example');
