-- The life of a token.
CALL regress.begin();
SET ROLE regress_manager;
SELECT token_auth.create_account('Acme');
SELECT token_auth.create_account('Globex');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT domain_id FROM token_auth.create_domain(2, 'globex.example');

-- The columns of a token. Its secret has the documented form, and the hint is derived from it.
SELECT token_id, name, expires_at, secret ~ '^tok_[0-9A-Za-z]{49}$' AS form,
       hint = left(secret, 8) || '...' || right(secret, 4) AS hint
  FROM token_auth.create_token(1, 'CI', '{email:send,email.templates:read}', 'ACME.example');
-- The database stores the digest of the secret.
RESET ROLE;
SELECT secret FROM token_auth.create_token(1, 'kept', '{email:send}', 'acme.example') \gset
SELECT digest = sha256(:'secret'::bytea) AS digest, sealed, position(:'secret' in t::text) AS secret_at
  FROM token_auth.token t WHERE name = 'kept';
SET ROLE regress_manager;

-- Access to its home, to all domains with a home, and to all domains without one.
SELECT token_id FROM token_auth.create_token(1, 'home only', '{a:read}', 'acme.example');
SELECT token_id FROM token_auth.create_token(1, 'home and everywhere', '{a:read}', 'acme.example', all_domains => true);
SELECT token_id FROM token_auth.create_token(1, 'everywhere', '{a:read}', all_domains => true);
SELECT id, name, domain, access FROM token_auth.tokens WHERE account_id = 1 ORDER BY id;
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'nowhere', '{a:read}')$$);
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'nowhere', '{a:read}', NULL, NULL)$$);
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'foreign', '{a:read}', 'globex.example')$$);
SELECT regress.outcome($$SELECT token_auth.create_token(99, 'x', '{a:read}', all_domains => true)$$);

-- Scopes are stored in the given order, each once.
SELECT token_id FROM token_auth.create_token(1, 'scopes', '{b:*,a:full,b:*,*:read,*}', all_domains => true) \gset
SELECT scopes FROM token_auth.token_access WHERE token_id = :token_id;

-- The expiry is in the future. NULL and infinity mean never.
SELECT expires_at FROM token_auth.create_token(1, 'dated', '{*}', all_domains => true,
                                               expires_at => '2999-01-01 00:00Z');
SELECT expires_at FROM token_auth.create_token(1, 'for ever', '{*}', all_domains => true, expires_at => 'infinity');
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'late', '{*}', all_domains => true, expires_at => now())$$);
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'late', '{*}', all_domains => true,
                                                      expires_at => '-infinity')$$);
SELECT token_auth.set_token_expiry(3, '2998-01-01 00:00Z');
SELECT expires_at FROM token_auth.tokens WHERE id = 3;
SELECT token_auth.set_token_expiry(3, 'infinity');
SELECT expires_at FROM token_auth.tokens WHERE id = 3;
SELECT token_auth.set_token_expiry(3, '2998-01-01 00:00Z'), token_auth.set_token_expiry(3, 'infinity');
SELECT expires_at FROM token_auth.tokens WHERE id = 3;

-- Names are not unique, and a rename changes only the name.
SELECT token_id FROM token_auth.create_token(1, 'CI', '{a:read}', all_domains => true) \gset
SELECT to_jsonb(t) - 'name' AS before FROM token_auth.tokens t WHERE id = :token_id \gset
SELECT token_auth.rename_token(:token_id, 'CI 2');
SELECT name, to_jsonb(t) - 'name' = :'before' AS "the rest is the same" FROM token_auth.tokens t WHERE id = :token_id;

-- Metadata is returned unchanged, also by verification.
SELECT token_auth.set_token_metadata(:token_id, '{"big": 123456789012345678901234567890.10, "list": [1, null]}');
SELECT secret FROM token_auth.create_token(1, 'meta', '{*}', all_domains => true,
                                           metadata => '{"n": 1e-300, "u": "\u00fc"}') \gset
RESET ROLE;
SELECT metadata FROM token_auth.token WHERE id = :token_id;
SELECT metadata FROM token_auth.verify_token(:'secret');
SET ROLE regress_manager;
SELECT regress.outcome(format('SELECT token_auth.set_token_metadata(1, %L)',
                              jsonb_build_object('x', repeat('x', 8183))));
SELECT regress.outcome(format('SELECT token_auth.set_token_metadata(1, %L)',
                              jsonb_build_object('x', repeat('x', 8184))));
-- Merging keeps the other keys, and both functions say whether anything changed.
SELECT token_auth.set_token_metadata(:token_id, '{"plan": "pro", "seats": 5}') AS set,
       token_auth.set_token_metadata(:token_id, '{"seats": 5, "plan": "pro"}') AS again,
       token_auth.merge_token_metadata(:token_id, '{"seats": 6, "region": "eu"}') AS merged,
       token_auth.merge_token_metadata(:token_id, '{"seats": 6}') AS "merged again";
SELECT metadata FROM token_auth.tokens WHERE id = :token_id;
SELECT regress.outcome(format('SELECT token_auth.merge_token_metadata(1, %L)', jsonb_build_object('y', 'y')));
SELECT regress.outcome($$SELECT token_auth.set_token_metadata(1, NULL)$$);

-- Pause and resume, both idempotent.
SELECT token_auth.pause_token(:token_id);
SELECT token_auth.pause_token(:token_id);
SELECT status FROM token_auth.tokens WHERE id = :token_id;
SELECT token_auth.resume_token(:token_id);
SELECT token_auth.resume_token(:token_id);
SELECT status FROM token_auth.tokens WHERE id = :token_id;

-- A row that is expanded to columns would be one call for each. It is refused, in whatever form the planner gets it.
SELECT count(*) AS before FROM token_auth.tokens \gset
CREATE TEMPORARY TABLE kept (id bigint PRIMARY KEY, name varchar(300), secret varchar(300), hint varchar(30), ends timestamp);
INSERT INTO kept VALUES (7);
SELECT statement, regress.outcome(statement) FROM unnest(ARRAY[
    $$SELECT (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*$$,
    $$SELECT (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).token_id,
             (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).secret$$,
    $$SELECT (token_auth.reset_token(1)).*$$, $$SELECT (token_auth.create_domain(1, 'x.example')).*$$,
    $$CREATE TEMPORARY TABLE other AS SELECT 1 AS one, (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*$$,
    $$DO $d$ DECLARE r record; BEGIN
      SELECT (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).* INTO r; END $d$ $$,
    $$DO $d$ DECLARE r record; BEGIN
      r := row((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*); END $d$ $$,
    $$SELECT ROW((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*)$$,
    $$SELECT (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).token_id::text,
             (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).secret::varchar(60)$$,
    $$VALUES ((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*)$$,
    $$VALUES ((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*), (0, '', '', '', NULL)$$,
    $$SELECT t.* FROM (VALUES ((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*)) AS t$$,
    $$WITH t AS (SELECT (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*) SELECT * FROM t$$,
    $$SELECT 1 WHERE (SELECT ROW((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*)) IS NOT NULL$$,
    $$SELECT 1 WHERE (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).token_id > 0
                 AND (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).name = 'x'$$,
    $$INSERT INTO kept VALUES ((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*)$$,
    $$INSERT INTO kept VALUES ((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*), (0, '', '', '', NULL)$$,
    $$INSERT INTO kept (id) VALUES (1) RETURNING (token_auth.create_token(id, 'x', '{a:b}', all_domains => true)).*$$,
    $$INSERT INTO kept SELECT (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*$$,
    $$INSERT INTO kept (id) VALUES (7) ON CONFLICT (id) DO UPDATE
         SET name = (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).name,
             secret = (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).secret$$,
    $$UPDATE kept SET name = 'y' RETURNING (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*$$,
    $$UPDATE kept SET name = (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).name
        RETURNING (token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).secret$$,
    $$DELETE FROM kept RETURNING (token_auth.create_domain(1, 'x.example')).*$$,
    $$MERGE INTO kept USING (VALUES (8)) AS v (a) ON id = a
       WHEN NOT MATCHED THEN INSERT VALUES ((token_auth.create_token(1, 'x', '{a:b}', all_domains => true)).*)$$
    ]) AS statement;
SELECT count(*) = :before AS "none was created" FROM token_auth.tokens;
-- One column, a row as a whole, and FROM are one call.
SELECT (token_auth.create_token(1, 'one column', '{a:b}', all_domains => true)).name;
SELECT (made).name, (made).token_id IS NOT NULL AS made
  FROM (SELECT token_auth.create_token(1, 'a row', '{a:b}', all_domains => true) AS made OFFSET 0) AS s;
SELECT name FROM token_auth.create_token(1, 'in FROM', '{a:b}', all_domains => true);
SELECT count(*) - :before AS created FROM token_auth.tokens;

-- Delete, with or without the name.
SELECT regress.outcome(format($$SELECT token_auth.delete_token(%s, 'CI')$$, :token_id));
SELECT token_auth.delete_token(:token_id, 'CI 2');
SELECT regress.outcome(format('SELECT token_auth.delete_token(%s)', :token_id));

-- An id of another account is unknown to every function with such an argument.
SELECT call, regress.outcome('SELECT token_auth.' || call)
  FROM unnest(ARRAY[
       'pause_token(1, account_id => 2)', 'resume_token(1, account_id => 2)', 'rename_token(1, ''x'', account_id => 2)',
       'set_token_expiry(1, ''infinity'', account_id => 2)', 'set_token_metadata(1, ''{}'', account_id => 2)',
       'merge_token_metadata(1, ''{}'', account_id => 2)',
       'delete_token(1, account_id => 2)', 'reset_token(1, account_id => 2)',
       'grant_access(1, ''{*}'', all_domains => true, account_id => 2)',
       'revoke_access(1, all_domains => true, account_id => 2)']) AS call;
SELECT id, name, status FROM token_auth.tokens WHERE id = 1;
