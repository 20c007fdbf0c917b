-- Every invariant is a constraint or a trigger: plain DML is refused by each of them, and no message contains a digest.
CALL regress.begin();
SELECT token_auth.create_account('Acme'), token_auth.create_account('Globex');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT domain_id FROM token_auth.create_domain(2, 'globex.example');

-- Tokens. The messages have no DETAIL, which would show the row with its digest.
SET client_min_messages = warning;
-- The same digest.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t, '{"id": 50}')).* FROM token_auth.token t WHERE id = 1;
-- A short digest.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "digest": "\\x00"}')).*
  FROM token_auth.token t WHERE id = 1;
-- No digest.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "digest": null}')).*
  FROM token_auth.token t WHERE id = 1;
-- No account.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "account_id": null,
      "digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- An unknown account.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "account_id": 99, "domain_id": null,
      "digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- A domain of another account.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "domain_id": 2, "digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- A blank name.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "name": " ", "digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- A name with a line break.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "name": "a\nb", "digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- No creator.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "created_by": "", "digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- No hint.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"id": 50, "hint": null, "digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- The same id.
INSERT INTO token_auth.token SELECT (jsonb_populate_record(t,
    '{"digest": "\\x0000000000000000000000000000000000000000000000000000000000000000"}')).*
  FROM token_auth.token t WHERE id = 1;
-- Metadata of more than 8192 bytes.
UPDATE token_auth.token SET metadata = jsonb_build_object('x', repeat('x', 9000)) WHERE id = 1;
-- Metadata that is not an object.
UPDATE token_auth.token SET metadata = '[1]' WHERE id = 1;
-- An expiry that many drivers cannot read.
UPDATE token_auth.token SET expires_at = 'infinity' WHERE id = 1;
UPDATE token_auth.token SET expires_at = '-infinity' WHERE id = 1;
UPDATE token_auth.token SET expires_at = '9999-12-30Z' WHERE id = 1;
-- COPY, whose context would show the line.
COPY token_auth.token (id, account_id, name, digest, hint, created_by) FROM STDIN;
60	1	copied	\\xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff	hint	me
\.
RESET client_min_messages;

-- Ids and the account of a domain or a token cannot be changed.
SELECT statement, regress.outcome(statement) FROM unnest(ARRAY[
    'UPDATE token_auth.account SET id = 50 WHERE id = 1',
    'UPDATE token_auth.domain SET id = 50 WHERE id = 1',
    'UPDATE token_auth.domain SET account_id = 2 WHERE id = 1',
    'UPDATE token_auth.token SET id = 50 WHERE id = 1',
    'UPDATE token_auth.token SET account_id = 2, domain_id = 2 WHERE id = 1',
    'UPDATE token_auth.token_access SET id = 50 WHERE id = 1']) AS statement;

-- Access.
SELECT what, regress.outcome('INSERT INTO token_auth.token_access (account_id, token_id, domain_id, scopes) VALUES '
                             || row)
  FROM (VALUES
    ('a domain of another account', $$(1, 1, 2, '{*}')$$),
    ('a token of another account',  $$(1, 2, 1, '{*}')$$),
    ('an account that is neither',  $$(2, 1, 1, '{*}')$$),
    ('twice the same domain',       $$(1, 1, 1, '{*}')$$),
    ('every domain',                $$(1, 1, NULL, '{*}')$$),
    ('every domain twice',          $$(1, 1, NULL, '{*}')$$),
    ('no scope',                    $$(2, 2, NULL, '{}')$$),
    ('NULL for scopes',             $$(2, 2, NULL, NULL)$$),
    ('a NULL scope',                $$(2, 2, NULL, '{a:b,NULL}')$$),
    ('a scope outside the grammar', $$(2, 2, NULL, '{a:b,A:B}')$$),
    ('too many scopes',             $$(2, 2, NULL, array_fill('a:b'::text, '{257}'))$$)
  ) AS v(what, row);

-- Domains and accounts.
SELECT what, regress.outcome(statement) FROM (VALUES
    ('a domain twice',          $$INSERT INTO token_auth.domain (account_id, name) VALUES (1, 'ACME.example')$$),
    ('a blank domain',          $$INSERT INTO token_auth.domain (account_id, name) VALUES (1, '')$$),
    ('an account twice',        $$INSERT INTO token_auth.account (name) VALUES ('Acme')$$),
    ('a blank account',         $$INSERT INTO token_auth.account (name) VALUES (E'\t')$$),
    ('an unknown profile',      $$INSERT INTO token_auth.account (name, profile) VALUES ('x', 'nonesuch')$$),
    ('a blank administrator',   $$INSERT INTO token_auth.account_admin VALUES (1, '')$$)
  ) AS v(what, statement);

-- COPY lines that cannot be split into columns: the error does not show the line.
COPY token_auth.token (id, account_id, name, digest, hint, created_by) FROM STDIN;
60	1	copied	\\xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff	hint	me	too	many
\.
COPY token_auth.token (id, account_id, name, digest, hint, created_by) FROM STDIN;
60	1	copied	\\xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffzz	hint	me
\.

-- Errors on other tables keep their context, even if their data contain the name of the table.
CREATE TABLE regress.tokens_of_others (n int, t text);
COPY regress.tokens_of_others FROM STDIN;
token	x
\.
DROP TABLE regress.tokens_of_others;

-- An error of the application's own trigger is passed on unchanged. Only a violated constraint loses its DETAIL.
CREATE FUNCTION regress.object() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not on a Friday' USING ERRCODE = '55000', DETAIL = 'It is a custom here.',
    HINT = 'Come back on Monday.'; END $$;
CREATE TRIGGER object BEFORE UPDATE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION regress.object();
SELECT regress.outcome('SELECT token_auth.pause_token(1)');
DROP TRIGGER object ON token_auth.token;

-- The trigger functions can only be used on the tables of token_auth.
CREATE TABLE regress.other AS SELECT 1 AS id;
CREATE TRIGGER keep AFTER DELETE ON regress.other FOR EACH ROW EXECUTE FUNCTION token_auth.keep_last_token();
SELECT regress.outcome('DELETE FROM regress.other');
CREATE TRIGGER refuse BEFORE UPDATE ON regress.other FOR EACH ROW EXECUTE FUNCTION token_auth.refuse_change();
SELECT regress.outcome('UPDATE regress.other SET id = 2');
CREATE TRIGGER protect BEFORE INSERT ON regress.other FOR EACH ROW EXECUTE FUNCTION token_auth.protect_presets('name');
SELECT regress.outcome('INSERT INTO regress.other VALUES (3)');
DROP TABLE regress.other;
