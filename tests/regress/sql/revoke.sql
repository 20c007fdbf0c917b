-- Many tokens at once, a leaked secret, and what a bearer may know.
CALL regress.begin();
SET timezone = 'UTC';
SELECT token_auth.create_account('Acme'), token_auth.create_account('Globex'), token_auth.create_account('Admins', 'mailosaur');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT domain_id FROM token_auth.create_domain(2, 'globex.example');
CREATE PROCEDURE regress.fill() LANGUAGE sql AS $$
    DELETE FROM token_auth.token WHERE name NOT LIKE '%.example token %';
    UPDATE token_auth.token SET paused_at = NULL;
    INSERT INTO token_auth.token (account_id, domain_id, name, owner, digest, hint, created_by, created_at)
    SELECT account_id, CASE WHEN n % 2 = 0 THEN account_id END, format('%s of %s in %s', n, owner, account_id), owner,
           sha256(format('%s %s %s', account_id, owner, n)::bytea), 'hint', creator, now() - n * interval '1 day'
      FROM generate_series(1, 2) AS account_id, (VALUES ('ann', 'portal'), ('bob', 'portal'), (NULL, 'cli')) AS o (owner, creator),
           generate_series(1, 4) AS n;
$$;
CREATE FUNCTION regress.revoke(arguments text) RETURNS TABLE (outcome text, deleted bigint, paused bigint) LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
BEGIN
    CALL regress.fill();
    EXECUTE 'SELECT token_auth.revoke_tokens(' || arguments || ')' INTO result;
    outcome := result; deleted := 26 - count(*) FROM token_auth.token;
    paused := count(*) FROM token_auth.token WHERE paused_at IS NOT NULL;
    RETURN NEXT;
END $$;

-- All that match every filter given.
SELECT arguments, r.* FROM unnest(ARRAY[
    'owner => ''ann''', 'owner => ''ann'', account_id => 1', 'owner => ''nobody''', 'created_by => ''cli''', 'created_by => ''portal'', account_id => 2',
    'created_before => now() - interval ''60 hours''', 'owner => ''bob'', created_before => now() - interval ''60 hours''',
    'account_id => 1, action => ''pause''', 'owner => ''ann'', action => ''pause''', 'account_id => 1, domain => ''ACME.example'', owner => ''bob''',
    'account_id => 1, created_before => now() - interval ''1 hour''', '1, ''ann'', ''portal'', ''infinity'', ''acme.example'', ''pause''']) AS arguments,
    regress.revoke(arguments) AS r;
-- Paused ones are not paused again, and keep their time.
CALL regress.fill();
SELECT token_auth.revoke_tokens(owner => 'ann', action => 'pause'), token_auth.revoke_tokens(owner => 'ann', action => 'pause') AS again;

-- The last token of a domain stays, and with it all others; they can always be paused.
CALL regress.fill();
SELECT regress.outcome('SELECT token_auth.revoke_tokens(1)');
SELECT count(*) FROM token_auth.token WHERE account_id = 1;
SELECT token_auth.revoke_tokens(1, action => 'pause');
UPDATE token_auth.account SET profile = 'mailosaur' WHERE id = 1;
SELECT split_part(regress.outcome('SELECT token_auth.revoke_tokens(1, action => ''pause'')'), ' ', 2) AS word;
UPDATE token_auth.account SET profile = 'default' WHERE id = 1;

-- What is refused.
SELECT arguments, regress.outcome('SELECT token_auth.revoke_tokens(' || arguments || ')') FROM unnest(ARRAY[
    '', 'action => ''pause''', 'created_before => ''infinity''', 'owner => token_auth.any_text()', 'account_id => NULL', 'owner => NULL', 'created_by => NULL',
    'created_before => NULL', 'account_id => 1, domain => NULL', 'owner => ''ann'', action => NULL', 'owner => ''ann'', action => ''drop''', 'domain => ''acme.example''',
    'owner => ''ann'', domain => ''acme.example''', 'account_id => 9', 'account_id => 0', 'account_id => 1, domain => ''none.example''']) AS arguments;
-- Not even one account without permission.
INSERT INTO token_auth.token (account_id, name, owner, digest, hint, created_by) VALUES (3, 'x', 'ann', sha256('admin'), 'hint', 'me');
SELECT token_auth.add_account_admin(3, 'boss');
SELECT split_part(regress.outcome('SELECT token_auth.revoke_tokens(owner => ''ann'')'), ' ', 2) AS word;
SELECT count(*) FROM token_auth.token WHERE owner = 'ann';
SET token_auth.actor = 'boss';
SELECT token_auth.revoke_tokens(owner => 'ann');
RESET token_auth.actor;
-- Rows that refer to a token, and a trigger that keeps some.
CREATE TABLE regress.log (token_id bigint REFERENCES token_auth.token);
CALL regress.fill();
INSERT INTO regress.log SELECT id FROM token_auth.token WHERE owner = 'bob' LIMIT 1;
SELECT regress.outcome('SELECT token_auth.revoke_tokens(owner => ''bob'')');
DROP TABLE regress.log;
CREATE FUNCTION regress.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN OLD.name LIKE '1%' THEN NULL ELSE OLD END; END $$;
CREATE TRIGGER keep BEFORE DELETE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION regress.keep();
SELECT token_auth.revoke_tokens(owner => 'bob');
DROP TRIGGER keep ON token_auth.token;
-- As a manager; and a token revokes none in bulk.
SET ROLE regress_manager;
SELECT token_auth.revoke_tokens(owner => 'bob');
RESET ROLE;
SELECT secret FROM token_auth.create_token(1, 'root', '{*}', all_domains => true) \gset
BEGIN;
SELECT code FROM token_auth.authenticate(:'secret');
SELECT regress.outcome('SELECT token_auth.revoke_tokens(1)'), regress.outcome('SELECT token_auth.report_leaked_secret(''x'', ''x'')');
ROLLBACK;

-- A leaked secret: paused, whatever the profile says, and whose it was.
SELECT token_auth.create_account('Rigid', 'mailosaur') AS rigid \gset
SELECT token_auth.add_account_admin(:rigid, 'boss');
SET token_auth.actor = 'boss';
INSERT INTO token_auth.profile (name, can_pause, admins_only) VALUES ('rigid', false, true);
SELECT token_auth.set_account_profile(:rigid, 'rigid');
SELECT token_id AS id, secret FROM token_auth.create_token(:rigid, 'ci', '{*}', all_domains => true, owner => 'eve') \gset
CREATE ROLE regress_reporter;
GRANT EXECUTE ON FUNCTION token_auth.report_leaked_secret TO regress_reporter;
RESET token_auth.actor;
SET ROLE regress_reporter;
SELECT token_id = :id AS is_it, account_id = :rigid AS its_account, account, name, owner, created_by
  FROM token_auth.report_leaked_secret(:'secret', 'https://git.example/a');
SELECT token_id = :id AS is_it FROM token_auth.report_leaked_secret(:'secret', 'a later report');
SELECT * FROM token_auth.report_leaked_secret('tok_0000000000000000000000000000000000000000000' || '22CYWX', 'x');
SELECT * FROM token_auth.report_leaked_secret('junk', 'x');
SELECT * FROM token_auth.report_leaked_secret(NULL, 'x');
SELECT regress.outcome('SELECT token_auth.report_leaked_secret(''junk'', NULL)'), regress.outcome('SELECT token_auth.report_leaked_secret(''junk'', '' '')');
RESET ROLE;
SELECT status, leaked_at > now() - interval '1 minute' AS just_now, leak_source FROM token_auth.tokens WHERE id = :id;
SELECT code FROM token_auth.verify_token(:'secret');
DROP OWNED BY regress_reporter;
DROP ROLE regress_reporter;

-- Who am I: what the bearer may know, whatever the state.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT token_id AS id, secret FROM token_auth.create_token(1, 'ci', '{email:send,sms:read}', 'acme.example', owner => 'ann',
                                                           expires_at => '2999-01-01Z') \gset
SELECT token_auth.grant_access(:id, '{*}', all_domains => true);
SET ROLE regress_verifier;
BEGIN READ ONLY;
SELECT token_id = :id AS id, name, owner, account_id, account, domain, status, created_at > now() - interval '1 minute' AS just_now, expires_at, access
  FROM token_auth.describe_token(:'secret');
SELECT pg_current_xact_id_if_assigned();
COMMIT;
SELECT * FROM token_auth.describe_token('junk');
SELECT * FROM token_auth.describe_token(NULL);
RESET ROLE;
SELECT token_id > :id AS reset FROM token_auth.reset_token(:id);
SELECT status FROM token_auth.describe_token(:'secret');
UPDATE token_auth.token SET expires_at = now() - interval '1 second' WHERE id = :id;
SELECT status FROM token_auth.describe_token(:'secret');
SELECT token_auth.pause_account(1);
SELECT status FROM token_auth.describe_token(:'secret');
SELECT token_auth.import_token(1, 'old', '{*}', 'acme.example', secret => 'an-old-secret-of-a-customer') > 0 AS imported;
SELECT name, access FROM token_auth.describe_token('an-old-secret-of-a-customer');
