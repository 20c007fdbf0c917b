-- Accounts, as a manager.
CALL regress.begin();
SET ROLE regress_manager;
SELECT token_auth.create_account('Acme');
SELECT token_auth.create_account(name => 'Globex', profile => 'default', metadata => '{"plan": "pro"}');
SELECT id, name, profile, paused_at, metadata FROM token_auth.account ORDER BY id;

-- Names are unique, and a rename to the same name changes nothing.
SELECT regress.outcome($$SELECT token_auth.create_account('Acme')$$);
SELECT regress.outcome($$SELECT token_auth.rename_account(2, 'Acme')$$);
SELECT token_auth.rename_account(2, 'Globex');
SELECT token_auth.rename_account(2, 'Globex Corporation');
SELECT regress.outcome($$SELECT token_auth.create_account('Initech', 'no such profile')$$);

-- A pause refuses every token of the account, and no other token.
SELECT secret AS acme FROM token_auth.create_domain(1, 'acme.example') \gset
SELECT secret AS globex FROM token_auth.create_domain(2, 'globex.example') \gset
SELECT token_auth.pause_account(1);
SELECT paused_at AS since FROM token_auth.account WHERE id = 1 \gset
SELECT token_auth.pause_account(1);
SELECT paused_at = :'since' AS "pausing twice changes nothing" FROM token_auth.account WHERE id = 1;
RESET ROLE;
SELECT code FROM token_auth.verify_token(:'acme');
SELECT code FROM token_auth.verify_token(:'globex');
SET ROLE regress_manager;
SELECT token_auth.resume_account(1);
SELECT token_auth.resume_account(1);
RESET ROLE;
SELECT code FROM token_auth.verify_token(:'acme');
SET ROLE regress_manager;

-- An own profile is an ordinary row. Changing to it does not change the tokens.
RESET ROLE;
INSERT INTO token_auth.profile (name, can_pause) VALUES ('steady', false);
SET ROLE regress_manager;
SELECT token_auth.set_account_profile(1, 'steady');
SELECT regress.outcome($$SELECT token_auth.pause_token(1)$$);
SELECT regress.outcome($$SELECT token_auth.set_account_profile(1, 'nonesuch')$$);

-- Deleting requires the exact name, and deletes everything in the account, last tokens included.
SELECT regress.outcome($$SELECT token_auth.delete_account(1, 'acme')$$);
SELECT regress.outcome($$SELECT token_auth.delete_account(1, NULL)$$);
SELECT token_auth.delete_account(1, 'Acme');
SELECT (SELECT count(*) FROM token_auth.account) AS accounts, (SELECT count(*) FROM token_auth.domain) AS domains,
       (SELECT count(*) FROM token_auth.tokens) AS tokens;
RESET ROLE;
SELECT code FROM token_auth.verify_token(:'acme');

-- An id of another account is as unknown as one that does not exist.
SELECT regress.outcome($$SELECT token_auth.pause_account(2, account_id => 1)$$);
SELECT regress.outcome($$SELECT token_auth.pause_account(2, account_id => 2)$$);
SELECT regress.outcome($$SELECT token_auth.pause_account(99)$$);

RESET ROLE;
-- A collision of ids, after rows were inserted with explicit ids, is not reported as one of names.
SELECT setval('token_auth.account_id_seq', 1);
SELECT regress.outcome($$SELECT token_auth.create_account('new')$$);
