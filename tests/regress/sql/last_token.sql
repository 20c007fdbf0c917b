-- The last live token of a domain cannot be removed in any way.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT domain_id, token_id FROM token_auth.create_domain(1, 'acme.example');
SELECT token_id FROM token_auth.create_token(1, 'homeless', '{*}', all_domains => true);
SELECT token_id FROM token_auth.create_token(1, 'second', '{*}', 'acme.example');

-- As the superuser, with plain DML: the guard applies to everyone.
DELETE FROM token_auth.token WHERE name = 'homeless';
BEGIN;
DELETE FROM token_auth.token WHERE id = 3;
SELECT regress.outcome('SELECT token_auth.delete_token(1)');
SELECT regress.outcome('DELETE FROM token_auth.token WHERE id = 1');
SELECT regress.outcome('UPDATE token_auth.token SET domain_id = NULL WHERE id = 1');
SELECT regress.outcome('UPDATE token_auth.token SET expires_at = now() WHERE id = 1');
SELECT regress.outcome('UPDATE token_auth.token SET replaced_at = now() WHERE id = 1');
ROLLBACK;
-- Several rows in one statement, and a data-modifying WITH.
SELECT regress.outcome('DELETE FROM token_auth.token');
SELECT regress.outcome('UPDATE token_auth.token SET replaced_at = now()');
SELECT regress.outcome('WITH a AS (DELETE FROM token_auth.token WHERE id = 1) '
                       'DELETE FROM token_auth.token WHERE id = 3');
SELECT regress.outcome('TRUNCATE token_auth.token CASCADE');
SELECT id FROM token_auth.token ORDER BY id;

-- A change that does not end it is allowed: a pause, a rename, another expiry in the future.
BEGIN;
DELETE FROM token_auth.token WHERE id = 3;
SELECT token_auth.pause_token(1), token_auth.rename_token(1, 'renamed'),
       token_auth.set_token_expiry(1, now() + interval '1 day');
-- A paused token is live, so another one can be deleted.
SELECT token_id FROM token_auth.create_token(1, 'third', '{*}', 'acme.example') \gset
SELECT token_auth.delete_token(:token_id);
ROLLBACK;

-- A token that is not live can be deleted, and does not count as another token.
BEGIN;
UPDATE token_auth.token SET expires_at = now() - interval '1 day' WHERE id = 3;
SELECT regress.outcome('SELECT token_auth.delete_token(1)');
DELETE FROM token_auth.token WHERE id = 3;
SELECT regress.outcome('SELECT token_auth.delete_token(1)');
ROLLBACK;
BEGIN;
SELECT token_id FROM token_auth.reset_token(3, '1 hour') \gset
DELETE FROM token_auth.token WHERE id = 1;
SELECT regress.outcome(format('SELECT token_auth.delete_token(%s)', :token_id));
DELETE FROM token_auth.token WHERE id = 3;
ROLLBACK;

-- A deferred guard is checked at COMMIT, and not before.
BEGIN;
SET CONSTRAINTS token_auth.keep_last_token_on_delete, token_auth.keep_last_token_on_update DEFERRED;
DELETE FROM token_auth.token;
SELECT token_id AS anew FROM token_auth.create_token(1, 'anew', '{*}', 'acme.example') \gset
COMMIT;
SELECT name FROM token_auth.token;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM token_auth.token;
COMMIT;
SELECT name FROM token_auth.token;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM token_auth.token;
SELECT regress.outcome('SET CONSTRAINTS ALL IMMEDIATE');
ROLLBACK;

-- A subtransaction that is rolled back ends no token.
BEGIN;
SELECT token_id FROM token_auth.create_token(1, 'other', '{*}', 'acme.example') \gset
SAVEPOINT s;
DELETE FROM token_auth.token WHERE id = :anew;
ROLLBACK TO s;
DELETE FROM token_auth.token WHERE id = :token_id;
SELECT regress.outcome('DELETE FROM token_auth.token WHERE id = ' || :anew);
ROLLBACK;

-- Above READ COMMITTED without a concurrent change: the same error, because a retry would not help.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT regress.outcome(format('SELECT token_auth.delete_token(%s)', :anew));
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT regress.outcome('DELETE FROM token_auth.token');
ROLLBACK;

-- The home of a token counts, not its access.
SELECT domain_id FROM token_auth.create_domain(1, 'two.example');
BEGIN;
SELECT token_auth.grant_access(:anew, '{*}', 'two.example');
SELECT regress.outcome($$DELETE FROM token_auth.token WHERE name LIKE 'two.example%'$$);
-- A move to another home is checked for the old home.
SELECT regress.outcome('UPDATE token_auth.token SET domain_id = 2 WHERE id = ' || :anew);
ROLLBACK;

-- Deleting a domain or an account deletes its tokens: by function, by DML and by TRUNCATE.
BEGIN; SELECT token_auth.delete_domain(1); SELECT count(*) FROM token_auth.token WHERE domain_id = 1; ROLLBACK;
BEGIN; DELETE FROM token_auth.domain; SELECT count(*) FROM token_auth.token; ROLLBACK;
BEGIN; SELECT token_auth.delete_account(1, 'Acme'); SELECT count(*) FROM token_auth.token; ROLLBACK;
BEGIN; DELETE FROM token_auth.account; SELECT count(*) FROM token_auth.token; ROLLBACK;
BEGIN; SET client_min_messages = warning; TRUNCATE token_auth.domain CASCADE; SELECT count(*) FROM token_auth.token;
ROLLBACK;
BEGIN; SET CONSTRAINTS ALL DEFERRED; DELETE FROM token_auth.token; DELETE FROM token_auth.domain; COMMIT;
SELECT count(*) FROM token_auth.token;

-- A domain without a token needs none. If the profile does not keep the last token, it can be deleted.
INSERT INTO token_auth.domain (account_id, name) VALUES (1, 'bare.example');
DELETE FROM token_auth.token;
INSERT INTO token_auth.profile (name, keeps_last_token) VALUES ('loose', false);
SELECT token_auth.create_account('Globex', 'loose');
SELECT token_id FROM token_auth.create_domain(2, 'globex.example') \gset
SELECT token_auth.delete_token(:token_id);

-- The worker may remove an expired token, because it is not live.
INSERT INTO token_auth.profile (name, expired_retention) VALUES ('quick', '0');
SELECT token_auth.create_account('Initech', 'quick');
SELECT token_id FROM token_auth.create_domain(3, 'initech.example') \gset
ALTER TABLE token_auth.token DISABLE TRIGGER keep_last_token_on_update;
UPDATE token_auth.token SET expires_at = now() WHERE id = :token_id;
ALTER TABLE token_auth.token ENABLE TRIGGER keep_last_token_on_update;
SELECT token_auth.sweep();
SELECT count(*) FROM token_auth.token WHERE account_id = 3;
