-- A missing value never means "any": NULL for each argument of each function is an error, or has a harmless meaning.
SET datestyle = ISO;
CALL regress.begin();
SELECT token_auth.create_account('Acme'), token_auth.create_account('Rival');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT secret FROM token_auth.create_token(1, 'one', '{email:send}', 'acme.example') \gset

-- Good values for all arguments. Every function and every argument is here.
CREATE TABLE regress.argument (function text, argument text, value text);
INSERT INTO regress.argument
SELECT function, split_part(pair, '=', 1), replace(split_part(pair, '=', 2), 'SECRET', quote_literal(:'secret'))
  FROM (VALUES
       ('create_account', 'name=''x'';profile=''default'';metadata=''{}'''),
       ('pause_account', 'id=1;account_id=1'),
       ('resume_account', 'id=1;account_id=1'),
       ('rename_account', 'id=1;name=''x'';account_id=1'),
       ('set_account_profile', 'id=1;profile=''mailtrap'';account_id=1'),
       ('delete_account', 'id=1;confirm_name=''Acme'';account_id=1'),
       ('add_account_admin', 'id=1;actor=''x'';account_id=1'),
       ('remove_account_admin', 'id=1;actor=''x'';account_id=1'),
       ('create_domain', 'account_id=1;name=''x.example'''),
       ('rename_domain', 'id=1;name=''x.example'';account_id=1'),
       ('set_domain_verified', 'id=1;verified=true;account_id=1'),
       ('delete_domain', 'id=1;account_id=1'),
       ('create_token', 'account_id=1;name=''x'';scopes=''{a:b}'';domain=''acme.example'';all_domains=false;'
                        'expires_at=''2999-01-01Z'';metadata=''{}'';owner=''ann'';networks=''{192.0.2.0/24}'';'
                        'request_id=''r1'''),
       ('grant_access', 'id=2;scopes=''{a:b}'';domain=''acme.example'';all_domains=false;account_id=1'),
       ('revoke_access', 'id=2;domain=''acme.example'';all_domains=false;account_id=1'),
       ('reset_token', 'id=2;grace=''1 hour'';expires_at=''2999-01-01Z'';account_id=1'),
       ('pause_token', 'id=2;account_id=1'),
       ('resume_token', 'id=2;account_id=1'),
       ('rename_token', 'id=2;name=''x'';account_id=1'),
       ('set_token_expiry', 'id=2;expires_at=''2999-01-01Z'';account_id=1'),
       ('set_token_metadata', 'id=2;metadata=''{"a": 1}'';account_id=1'),
       ('merge_token_metadata', 'id=2;metadata=''{"a": 1}'';account_id=1'),
       ('set_token_owner', 'id=2;owner=''ann'';account_id=1'),
       ('set_token_networks', 'id=2;networks=''{192.0.2.0/24}'';account_id=1'),
       ('import_token', 'account_id=1;name=''x'';scopes=''{a:b}'';domain=''acme.example'';all_domains=false;secret=NULL;'
                        'digest=sha256(''an old secret'');scheme=''sha256'';hint=''old'';owner=''ann'';expires_at=''2999-01-01Z'';'
                        'created_at=''2020-01-01Z'';metadata=''{}'''),
       ('revoke_tokens', 'account_id=1;owner=''ann'';created_by=''ann'';created_before=''2020-01-01Z'';'
                         'domain=''acme.example'';action=''pause'''),
       ('report_leaked_secret', 'secret=SECRET;source=''a gist'''),
       ('describe_token', 'secret=SECRET'),
       ('delete_token', 'id=2;confirm_name=''one'';account_id=1'),
       ('reveal_token', 'id=2;account_id=1'),
       ('reseal_tokens', 'max_tokens=1'),
       ('sweep', 'max_tokens=1'),
       ('verify_token', 'secret=SECRET;scope=''email:send'';domain=''acme.example'';client=''192.0.2.1'''),
       ('verify_token_digest', 'digest=sha256(SECRET);scope=''email:send'';domain=''acme.example'';client=''192.0.2.1'';'
                               'scheme=''token_auth'''),
       ('token_is_valid', 'secret=SECRET;scope=''email:send'';domain=''acme.example'';client=''192.0.2.1'''),
       ('authenticate', 'secret=SECRET;client=''192.0.2.1'''),
       ('authenticate_digest', 'digest=sha256(SECRET);scheme=''token_auth'';client=''192.0.2.1'''),
       ('allows', 'scope=''email:send'';domain=''acme.example'''),
       ('allowed_domains', 'scope=''email:send'''),
       ('allowed_domain_ids', 'scope=''email:send''')) AS v (function, arguments),
       string_to_table(arguments, ';') AS pair;

-- Those of the CHECK constraints return NULL for NULL, as constraints want it.
CREATE VIEW regress.declared AS
SELECT proname::text AS function, argument
  FROM pg_proc, unnest(proargnames[:pronargs]) AS argument
 WHERE pronamespace = 'token_auth'::regnamespace AND proname !~ '^(is|are)_';
SELECT * FROM regress.declared EXCEPT SELECT function, argument FROM regress.argument;
SELECT function, argument FROM regress.argument EXCEPT SELECT * FROM regress.declared;

-- Runs a call and undoes it. Returns its result, or the SQLSTATE and the message.
CREATE FUNCTION regress.undone(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    BEGIN
        EXECUTE 'SELECT coalesce(r::text, ''NULL'') FROM ' || call || ' AS r' INTO result;
        RAISE EXCEPTION USING ERRCODE = 'UNDO0';
    EXCEPTION
        WHEN SQLSTATE 'UNDO0' THEN
            result := 'returns ' || regexp_replace(regexp_replace(result, '^[1-9]\d*$', 'an id'), '^\((\d+,)+', '(id,');
            result := replace(result, ',' || session_user || ')', ',the caller)');
            result := regexp_replace(result, 'tok_\w{49}|tok_\w+\.\.\.\w+|"\d{4}-[^"]*"|"?one \d+"?', '...', 'g');
        WHEN OTHERS THEN
            result := SQLSTATE || ' ' || SQLERRM;
    END;
    -- A refusal is not undone by a rollback.
    PERFORM token_auth.deauthenticate();
    RETURN result;
END $$;

-- Returns the call with another value for one argument.
CREATE FUNCTION regress.call(called text, replaced text, new_value text) RETURNS text LANGUAGE sql AS $$
SELECT format('token_auth.%s(%s)', called,
              string_agg(format('%s => %s', argument, CASE argument WHEN replaced THEN new_value ELSE value END), ', '))
  FROM regress.argument
 WHERE function = called
$$;

-- With good values.
SELECT function, regress.undone(regress.call(function, '', '')) AS result
  FROM (SELECT DISTINCT function FROM regress.argument) AS f ORDER BY function COLLATE "C";

-- With NULL for each argument.
SELECT function, argument, regress.undone(regress.call(function, argument, 'NULL')) AS result
  FROM regress.argument ORDER BY function COLLATE "C", argument COLLATE "C";

-- An account id that is a bug of the caller is that of another account. (It is no guard when something is created.)
SELECT function, string_agg(DISTINCT regress.undone(regress.call(function, 'account_id', value)), '; ') AS result
  FROM (SELECT function FROM regress.argument WHERE argument = 'account_id') AS f,
       unnest(ARRAY['0', '-1', '2', '-9223372036854775808', '9223372036854775807']) AS value
 GROUP BY function ORDER BY function COLLATE "C";
SELECT regress.undone('token_auth.pause_token(2, account_id => token_auth.current_account_id())')
    AS unauthenticated;

-- Left out, it is any account. The constant is not an id, and creates nothing.
SELECT regress.undone('token_auth.pause_token(2)') AS "left out",
       regress.undone('token_auth.pause_token(2, token_auth.any_account())') AS named,
       regress.undone('token_auth.create_domain(token_auth.any_account(), ''x'')') AS created;

-- NULL is refused before anything is known about the object.
SELECT regress.undone('token_auth.pause_token(99, account_id => NULL)') AS unknown;
SET ROLE regress_manager;
SELECT regress.undone('token_auth.pause_token(2)') AS "a manager";
RESET ROLE;
DROP TABLE regress.argument CASCADE;
