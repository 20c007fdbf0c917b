-- A transaction with a session token: the functions for policies, and policies.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT token_auth.create_account('Globex');
SELECT count(*) FROM unnest('{Mail.example,shop.example,news.example}'::text[]) AS name,
       token_auth.create_domain(1, name);
SELECT domain_id FROM token_auth.create_domain(2, 'globex.example');
SELECT token_id AS mail, secret AS mail_secret
  FROM token_auth.create_token(1, 'mail', '{email:send,email.templates:read}', 'mail.example') \gset
SELECT token_auth.grant_access(:mail, '{email:full}', 'shop.example');
SELECT token_id AS every, secret AS every_secret
  FROM token_auth.create_token(1, 'every', '{email:read}', all_domains => true) \gset
SELECT token_id AS nothing, secret AS nothing_secret
  FROM token_auth.create_token(1, 'nothing', '{email:read}', 'mail.example') \gset
SELECT token_auth.revoke_access(:nothing, 'mail.example');
GRANT EXECUTE ON FUNCTION token_auth.authenticate TO regress_nobody;

CREATE FUNCTION regress.answers(OUT question text, OUT allowed bool) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT concat_ws(' on ', coalesce(scope, 'NULL'), domain), token_auth.allows(scope, domain)
      FROM (VALUES ('email:send', 'mail.example'), ('email:send', 'MAIL.example'), ('email:send', 'shop.example'),
            ('email:read', 'mail.example'),
                   ('email:read', 'shop.example'), ('email:full', 'shop.example'), ('email:full', 'mail.example'),
                   ('email:read', 'news.example'),
                   ('email:read', 'unknown.example'), ('email:read', 'globex.example'), ('email:read', ''),
                   ('email:read', NULL), ('sms:read', 'mail.example'),
                   (NULL, 'mail.example'), ('*', 'shop.example'), ('email:*', 'shop.example'),
                   ('no scope', 'shop.example'), ('', 'shop.example')) AS v (scope, domain)
$$;
SET ROLE regress_nobody;

-- Without a session token: no access, and NULL only for ids.
SELECT * FROM regress.answers() WHERE allowed IS DISTINCT FROM false;
SELECT token_auth.current_token_id(), token_auth.current_account_id(), token_auth.allowed_domains('email:read'),
       token_auth.allowed_domain_ids('email:read');

-- A token with access to two domains.
BEGIN;
SELECT code FROM token_auth.authenticate(:'mail_secret');
SELECT * FROM regress.answers();
SELECT token_auth.current_token_id() = :mail AS token, token_auth.current_account_id() AS account;
SELECT scope, token_auth.allowed_domains(scope), token_auth.allowed_domain_ids(scope)
  FROM unnest('{email:send,email:read,email:full,sms:read,*,no scope,NULL}'::text[]) AS scope;
COMMIT;
SELECT token_auth.current_token_id(), token_auth.allows('email:send', 'mail.example');

-- A token with access to all domains, and one without access.
BEGIN;
SELECT code FROM token_auth.authenticate(:'every_secret');
SELECT question FROM regress.answers() WHERE allowed;
SELECT token_auth.allowed_domains('email:read'), token_auth.allowed_domain_ids('email:read');
SELECT code FROM token_auth.authenticate(:'nothing_secret');
SELECT question FROM regress.answers() WHERE allowed;
SELECT token_auth.current_token_id() = :nothing AS token, token_auth.allowed_domains('email:read'),
       token_auth.allowed_domain_ids('email:read');
COMMIT;

-- A change by the transaction itself is effective from its next statement on, and not after it was rolled back.
RESET ROLE;
BEGIN;
SELECT code FROM token_auth.authenticate(:'mail_secret');
SELECT token_auth.allows('email:send', 'mail.example'), token_auth.allowed_domains('email:send');
SAVEPOINT before;
UPDATE token_auth.token_access SET scopes = '{sms:send}' WHERE token_id = :mail AND domain_id = 1;
SELECT token_auth.allows('email:send', 'mail.example'), token_auth.allowed_domains('email:send');
UPDATE token_auth.domain SET name = 'moved.example' WHERE id = 2;
SELECT token_auth.allowed_domains('email:send');
INSERT INTO token_auth.domain (account_id, name) VALUES (1, 'unknown.example');
UPDATE token_auth.token_access SET domain_id = NULL WHERE token_id = :mail AND domain_id = 2;
SELECT token_auth.allows('email:send', 'unknown.example'), token_auth.allowed_domains('email:send');
UPDATE token_auth.token SET paused_at = now() WHERE id = :mail;
SELECT token_auth.current_token_id(), token_auth.allowed_domains('email:send');
ROLLBACK TO SAVEPOINT before;
SELECT token_auth.current_token_id() = :mail AS token, token_auth.allows('email:send', 'mail.example'),
       token_auth.allowed_domains('email:send');
UPDATE token_auth.account SET paused_at = now() WHERE id = 1;
SELECT token_auth.current_account_id(), token_auth.allowed_domain_ids('email:send');
ROLLBACK;

-- A result from within a statement that fails is not cached, because its changes are rolled back.
CREATE FUNCTION regress.ask_and_fail() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'it said %', token_auth.allows('sms:send', 'mail.example');
END $$;
BEGIN;
SELECT code FROM token_auth.authenticate(:'mail_secret');
SELECT regress.outcome('UPDATE token_auth.token_access SET scopes = ''{*}'' WHERE domain_id = 1 AND token_id = '
                       || :mail || ' RETURNING regress.ask_and_fail()');
SELECT token_auth.allows('sms:send', 'mail.example');
ROLLBACK;
BEGIN;
SELECT code FROM token_auth.authenticate(:'mail_secret');
UPDATE token_auth.token_access SET scopes = '{*}' WHERE domain_id = 1 AND token_id = :mail
RETURNING regress.ask_and_fail();
ROLLBACK;
BEGIN;
SELECT code FROM token_auth.authenticate(:'mail_secret');
SELECT token_auth.allows('sms:send', 'mail.example'), token_auth.allowed_domains('sms:send');
COMMIT;

-- Another token with the same id does not inherit the identity.
BEGIN;
SELECT code FROM token_auth.authenticate(:'nothing_secret');
SELECT token_auth.current_token_id() = :nothing AS token;
UPDATE token_auth.token SET digest = sha256('another secret') WHERE id = :nothing;
SELECT token_auth.current_token_id() AS token, token_auth.current_account_id() AS account;
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'x', '{*}', all_domains => true)$$)
    LIKE '42501 token % is no longer valid%' AS refused;
ROLLBACK;

-- A profile with needs_verified_domain.
UPDATE token_auth.domain SET verified_at = now() WHERE id = 2;
INSERT INTO token_auth.profile (name, needs_verified_domain) VALUES ('careful', true);
SELECT token_auth.set_account_profile(1, 'careful');
BEGIN;
SELECT code FROM token_auth.authenticate(:'mail_secret');
SELECT token_auth.allows('email:send', 'mail.example') AS mail, token_auth.allows('email:send', 'shop.example') AS shop,
       token_auth.allowed_domains('email:send');
SELECT code FROM token_auth.authenticate(:'every_secret');
SELECT token_auth.allows('email:read') AS account_wide, token_auth.allowed_domains('email:read');
COMMIT;
SELECT token_auth.set_account_profile(1, 'default');

-- The time of the call decides, not that of the transaction.
SELECT token_auth.set_token_expiry(:mail, clock_timestamp() + interval '300 milliseconds');
BEGIN;
SELECT code FROM token_auth.authenticate(:'mail_secret');
SELECT token_auth.allows('email:send', 'mail.example');
SELECT pg_sleep(0.4);
SELECT token_auth.allows('email:send', 'mail.example'), token_auth.current_token_id();
COMMIT;

-- Policies: a session token reads and writes what its scopes allow. Without one, no row is visible.
CREATE TABLE regress.message (id bigint GENERATED ALWAYS AS IDENTITY,
                              account_id bigint DEFAULT token_auth.current_account_id(), domain text, body text);
INSERT INTO regress.message (account_id, domain, body)
    VALUES (1, 'mail.example', 'one'), (1, 'shop.example', 'two'), (2, 'globex.example', 'three'),
        (1, 'news.example', 'four');
CREATE INDEX ON regress.message (domain);
ALTER TABLE regress.message ENABLE ROW LEVEL SECURITY;
CREATE POLICY read   ON regress.message FOR SELECT
    USING (account_id = (SELECT token_auth.current_account_id())
           AND domain = ANY (token_auth.allowed_domains('email:read')));
CREATE POLICY write  ON regress.message FOR INSERT
    WITH CHECK (account_id = token_auth.current_account_id() AND token_auth.allows('email:send', domain));
CREATE POLICY change ON regress.message FOR UPDATE
    USING (account_id = (SELECT token_auth.current_account_id())
           AND domain = ANY (token_auth.allowed_domains('email:write')));
GRANT SELECT, INSERT, UPDATE ON regress.message TO regress_nobody;
SELECT secret AS shop_secret FROM token_auth.create_token(1, 'shop', '{email:full}', 'shop.example') \gset
SET ROLE regress_nobody;
SELECT count(*) FROM regress.message;
SELECT regress.outcome($$INSERT INTO regress.message (domain) VALUES ('shop.example')$$);
BEGIN;
SELECT code FROM token_auth.authenticate(:'shop_secret');
SELECT domain, body FROM regress.message ORDER BY id;
INSERT INTO regress.message (domain, body) VALUES ('shop.example', 'five') RETURNING account_id, domain, body;
SELECT regress.outcome($$INSERT INTO regress.message (domain) VALUES ('mail.example')$$);
SELECT regress.outcome($$INSERT INTO regress.message (domain, account_id) VALUES ('shop.example', 2)$$);
UPDATE regress.message SET body = upper(body) RETURNING body;
SELECT regress.outcome($$UPDATE regress.message SET domain = 'mail.example'$$);
SELECT code FROM token_auth.authenticate(:'every_secret');
SELECT domain, body FROM regress.message ORDER BY id;
UPDATE regress.message SET body = 'x' RETURNING body;
COMMIT;
SELECT count(*) FROM regress.message;

-- A cursor keeps a value that was computed when its scan began. A condition for each row is computed at FETCH.
SET enable_seqscan = off;
BEGIN;
SELECT code FROM token_auth.authenticate(:'every_secret');
DECLARE once CURSOR FOR SELECT body FROM regress.message ORDER BY domain, id;
DECLARE each CURSOR FOR SELECT token_auth.current_token_id() = :every FROM generate_series(1, 2);
FETCH 1 FROM once;
FETCH 1 FROM each;
SELECT token_auth.deauthenticate();
FETCH 1 FROM once;
FETCH 1 FROM each;
SELECT count(*) FROM regress.message;
COMMIT;
RESET enable_seqscan;

-- A scalar subquery is computed once, and can use an index. How EXPLAIN refers to it depends on the version of PostgreSQL.
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        line := regexp_replace(line, '\$0\)|\(InitPlan \w+\)\.col1\)', 'its result)');
        RETURN NEXT regexp_replace(line, 'InitPlan \w+( \(returns its result\))?', 'InitPlan');
    END LOOP;
END
$$;
SET enable_seqscan = off;
SELECT pg_temp.plan_of('SELECT * FROM regress.message') AS plan;
RESET enable_seqscan;
RESET ROLE;
DROP TABLE regress.message;
REVOKE EXECUTE ON FUNCTION token_auth.authenticate FROM regress_nobody;
