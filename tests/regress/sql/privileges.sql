-- A role can do nothing that it was not granted. Managers and verifiers have no access to the tables themselves.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT domain_id, token_id, secret FROM token_auth.create_domain(1, 'acme.example') \gset

-- A role without grants: the functions about its own transaction, and no table, view or sequence.
SET ROLE regress_nobody;
SELECT regress.outcome('SELECT token_auth.verify_token(''x'')');
SELECT regress.outcome('SELECT token_auth.authenticate(''x'')');
SELECT regress.outcome('SELECT * FROM token_auth.tokens');
SELECT regress.outcome('SELECT token_auth.create_account(''x'')');
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'token_auth'::regnamespace
   AND has_function_privilege(oid, 'EXECUTE') ORDER BY 1;
SELECT relname FROM pg_class WHERE relnamespace = 'token_auth'::regnamespace AND relkind IN ('r', 'v', 'S')
   AND (CASE WHEN relkind = 'S' THEN has_sequence_privilege(oid, 'USAGE, SELECT, UPDATE')
             ELSE has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                 OR has_any_column_privilege(oid, 'SELECT') END);
SELECT token_auth.current_token_id(), token_auth.current_account_id(), token_auth.deauthenticate();
SELECT regress.outcome($$SET token_auth.identity = '1'$$);
RESET ROLE;

-- A verifier: verify_token, besides what every role has.
SET ROLE regress_verifier;
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'acme.example');
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'token_auth'::regnamespace
   AND has_function_privilege(oid, 'EXECUTE') ORDER BY 1;
SELECT regress.outcome('SELECT token_auth.verify_token_digest(''\x00'')');
SELECT regress.outcome('SELECT token_auth.import_token(1, ''x'', ''{*}'', all_domains => true, digest => ''x'')');
SELECT regress.outcome('SELECT * FROM token_auth.token');
SELECT regress.outcome('SELECT * FROM token_auth.tokens');
SELECT regress.outcome('SELECT token_auth.pause_token(1)');
RESET ROLE;

-- A manager: functions and lists, but neither DML nor digests.
SET ROLE regress_manager;
SELECT statement, regress.outcome(statement) FROM unnest(ARRAY[
    'SELECT * FROM token_auth.token',
    'SELECT digest FROM token_auth.token',
    'SELECT * FROM token_auth.account_admin',
    'INSERT INTO token_auth.token_access (account_id, token_id, scopes) VALUES (1, 1, ''{*}'')',
    'UPDATE token_auth.token SET paused_at = NULL',
    'DELETE FROM token_auth.account',
    'INSERT INTO token_auth.account_admin VALUES (1, ''me'')',
    'UPDATE token_auth.profile SET can_pause = true',
    'TRUNCATE token_auth.domain CASCADE',
    'SELECT nextval(''token_auth.token_id_seq'')',
    'SELECT token_auth.verify_token(''x'')',
    'SELECT token_auth.authenticate(''x'')',
    'SELECT token_auth.reveal_token(1)',
    'SELECT token_auth.reseal_tokens()',
    'SELECT token_auth.import_token(1, ''x'', ''{*}'', all_domains => true, digest => ''x'')',
    'SELECT token_auth.report_leaked_secret(''x'', ''x'')',
    'SELECT token_auth.describe_token(''x'')',
    'SELECT token_auth.sweep()',
    'CREATE TABLE token_auth.mine ()']) AS statement;
SELECT token_auth.rename_token(1, 'managed');
SELECT name, access FROM token_auth.tokens;
RESET ROLE;

-- The functions do not use objects of the same names that a caller has created.
CREATE SCHEMA regress_trap AUTHORIZATION regress_manager;
SET ROLE regress_manager;
SET search_path = regress_trap, pg_catalog;
CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'trapped' $$;
CREATE OPERATOR = (LEFTARG = bigint, RIGHTARG = int, FUNCTION = pg_catalog.int84ne);
CREATE FUNCTION trap(bigint, bigint) RETURNS bool LANGUAGE sql AS $$ SELECT true $$;
CREATE OPERATOR = (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = trap);
SELECT regress.outcome('SELECT token_auth.pause_token(99)');
SELECT domain_id FROM token_auth.create_domain(1, 'TRAP.example');
SELECT regress.outcome('SELECT token_auth.create_domain(1, ''trap.EXAMPLE'')');
SELECT regress.outcome('SELECT token_auth.delete_token(1)');
RESET search_path;
RESET ROLE;
SET search_path = regress_trap, pg_catalog;
SELECT code FROM token_auth.verify_token(:'secret', 'email:send', 'acme.example');
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_trap CASCADE;

-- pg_write_all_data may write to these tables, so it may execute the functions of their CHECK constraints.
CREATE ROLE regress_writer;
GRANT pg_write_all_data, pg_read_all_data TO regress_writer;
SET ROLE regress_writer;
INSERT INTO token_auth.profile (name) VALUES ('written');
INSERT INTO token_auth.profile_resource VALUES ('written', 'email', '{read}');
INSERT INTO token_auth.account (id, name, profile) VALUES (77, 'written', 'written');
INSERT INTO token_auth.domain (id, account_id, name) VALUES (77, 77, 'written.example');
INSERT INTO token_auth.token (id, account_id, domain_id, name, digest, hint, created_by)
VALUES (77, 77, 77, 'written', sha256('written'), 'tok_writ...tten', 'regress');
INSERT INTO token_auth.token_access (account_id, token_id, scopes) VALUES (77, 77, '{email:read}');
UPDATE token_auth.token SET name = 'written again' WHERE id = 77;
-- The guard of the last token can read the tables, whoever deletes.
SELECT regress.outcome('DELETE FROM token_auth.token WHERE id = 77');
DELETE FROM token_auth.account WHERE id = 77;
DELETE FROM token_auth.profile WHERE name = 'written';
RESET ROLE;
SET client_min_messages = warning;
DROP ROLE regress_writer;

-- An error shows a name only to a role that may read it, and otherwise the id.
CALL regress.begin();
SELECT token_auth.create_account('Secret customer', 'mailosaur'), token_auth.create_account('Other customer', 'mailtrap');
INSERT INTO token_auth.domain (account_id, name) VALUES (2, 'secret.example');
INSERT INTO token_auth.token (account_id, domain_id, name, digest, hint, created_by)
VALUES (2, 1, 'last', sha256('last'), 'hint', 'me');
CREATE ROLE regress_blind;
GRANT EXECUTE ON FUNCTION token_auth.create_domain, token_auth.delete_token, token_auth.pause_token,
    token_auth.rename_token, token_auth.create_token TO regress_blind;
CREATE FUNCTION regress.refusals() RETURNS SETOF text LANGUAGE sql AS $$
SELECT split_part(regress.outcome('SELECT token_auth.' || call), E'\n', 1) FROM unnest(ARRAY[
    'create_domain(1, ''x.example'')', 'delete_token(1)', 'pause_token(1)', 'rename_token(1, ''x'')',
    'create_token(2, ''x'', ''{*}'', ''none.example'')', 'pause_token(1, account_id => 1)']) AS call
$$;
SET ROLE regress_blind;
SELECT * FROM regress.refusals() AS "without SELECT";
RESET ROLE;
GRANT SELECT ON token_auth.tokens TO regress_blind;
GRANT SELECT (profile) ON token_auth.account TO regress_blind;
SET ROLE regress_blind;
SELECT * FROM regress.refusals() AS "with SELECT";
RESET ROLE;
DROP OWNED BY regress_blind;
DROP ROLE regress_blind;
