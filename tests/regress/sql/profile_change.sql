-- Changes of the rules for existing tokens: the account gets another profile, or the profile itself changes.
CALL regress.begin();
INSERT INTO token_auth.profile (name) VALUES ('before');
INSERT INTO token_auth.profile
       (name, secret_prefix, can_rename, can_edit_access, can_pause, can_reset, can_expire, needs_verified_domain,
        creates_domain_token, confirms_delete)
VALUES ('after', 'after_', false, false, false, false, false, true, false, true);
INSERT INTO token_auth.profile_resource VALUES ('after', 'sms', '{full}');
SELECT token_auth.create_account('Acme', 'before');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT token_id, secret FROM token_auth.create_token(1, 'old', '{email:send}', 'acme.example',
                                                     expires_at => now() + interval '1 day') \gset
SELECT token_auth.pause_token(:token_id);
SELECT secret AS wide FROM token_auth.create_token(1, 'wide', '{email:send}', all_domains => true) \gset
SELECT token_auth.set_account_profile(1, 'after');

-- The tokens themselves do not change: the paused one stays paused, and the expiry stays in effect.
SELECT name, status, access, expires_at > now() AS expires FROM token_auth.tokens ORDER BY id;
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'acme.example');
-- A paused token can be resumed, but not paused again.
SELECT token_auth.resume_token(:token_id);
SELECT regress.outcome('SELECT token_auth.pause_token(' || :token_id || ')');
-- needs_verified_domain applies at once. Scopes that the new list does not have remain in effect.
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'acme.example');
SELECT token_auth.set_domain_verified(1, true);
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'acme.example');
SELECT code FROM token_auth.verify_token(:'wide', 'email:send');
-- New tokens follow the new rules.
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'new', '{email:send}', 'acme.example')$$);
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'new', '{sms:full}', 'acme.example',
                                                      expires_at => now() + interval '1 day')$$);
SELECT left(secret, 6) AS prefix FROM token_auth.create_token(1, 'new', '{sms:full}', 'acme.example');
SELECT token_id FROM token_auth.create_domain(1, 'two.example');
-- An existing expiry can be removed, but not set.
SELECT regress.outcome('SELECT token_auth.set_token_expiry(' || :token_id || ', now() + interval ''2 days'')');
SELECT token_auth.set_token_expiry(:token_id, 'infinity');
SELECT regress.outcome('SELECT token_auth.delete_token(' || :token_id || ')');

-- If the profile allows resets again, a successor takes over the access, even with scopes that the list does not have.
UPDATE token_auth.profile SET can_expire = true, can_reset = true, reset_grace = '0' WHERE name = 'after';
SELECT token_id AS successor, secret AS successor_secret FROM token_auth.reset_token(:token_id) \gset
SELECT access FROM token_auth.tokens WHERE id = :successor;
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'acme.example');
SELECT code FROM token_auth.verify_token(:'successor_secret', 'email:send', 'acme.example');
-- expired_retention applies at once.
SELECT token_auth.sweep();
UPDATE token_auth.profile SET expired_retention = '0' WHERE name = 'after';
SELECT token_auth.sweep();
-- keeps_last_token applies from now on, and restores nothing.
SELECT count(*) FROM token_auth.tokens WHERE domain = 'two.example';
