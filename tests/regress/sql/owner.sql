-- The owner of a token, its networks, and requests that are repeated.
CALL regress.begin();
SELECT token_auth.create_account('Acme', 'mailtrap'), token_auth.create_account('Globex');
UPDATE token_auth.account SET profile = 'default';
INSERT INTO token_auth.profile (name, tokens_manage_tokens) VALUES ('managing', true);
SELECT token_auth.set_account_profile(1, 'managing');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');

SET ROLE regress_manager;
SELECT token_id AS id, secret FROM token_auth.create_token(1, 'laptop', '{*}', all_domains => true, owner => 'ann') \gset
SELECT owner FROM token_auth.tokens WHERE id = :id;
RESET ROLE;
SELECT code, account, owner FROM token_auth.verify_token(:'secret');
-- The account's new name, and the new owner, are returned at once.
SELECT token_auth.rename_account(1, 'Acme Ltd'), token_auth.set_token_owner(:id, 'bob'), token_auth.set_token_owner(:id, 'bob');
SELECT code, account, owner FROM token_auth.verify_token(:'secret');
-- A reset keeps the owner, so that a leaver's successor tokens go with him.
SELECT token_id AS next, secret AS next_secret FROM token_auth.reset_token(:id) \gset
SELECT code, owner FROM token_auth.verify_token(:'next_secret');
SELECT token_auth.set_token_owner(:id, NULL);
SELECT code, owner FROM token_auth.verify_token(:'secret');
SELECT regress.outcome(format('SELECT token_auth.set_token_owner(%s, %L)', :id, owner))
  FROM unnest(ARRAY['', ' ', E'a\nb', repeat('x', 256)]) AS owner;
SELECT regress.outcome('SELECT token_auth.set_token_owner(999, ''ann'')'), regress.outcome('SELECT token_auth.set_token_owner(1, ''ann'', 2)'),
       regress.outcome('SELECT token_auth.create_token(1, ''x'', ''{*}'', all_domains => true, owner => '' '')');

-- Networks: refused from elsewhere, and where the address is not known.
SELECT token_id AS office, secret AS office_secret
  FROM token_auth.create_token(1, 'office', '{*}', all_domains => true, networks => '{192.0.2.0/24,2001:db8::/32}', owner => 'ann') \gset
SELECT client, v.valid, v.code, token_auth.token_is_valid(:'office_secret', client => client) AS is_valid
  FROM unnest(ARRAY['192.0.2.1', '192.0.3.1', '::ffff:192.0.2.1', '::ffff:192.0.3.1', '2001:db8::7', '2001:db9::7', '192.0.2.0/24',
                    '192.0.2.0/23', '::', NULL]::inet[]) AS client,
       token_auth.verify_token(:'office_secret', client => client) AS v;
SELECT code FROM token_auth.verify_token(:'office_secret', 'email:send', 'none.example', '192.0.3.1');
SELECT code FROM token_auth.verify_token(:'office_secret', 'email:send', 'none.example', '192.0.2.1');
SELECT code FROM token_auth.verify_token_digest(sha256(:'office_secret'::bytea), client => '192.0.2.1');
SELECT code FROM token_auth.verify_token_digest(sha256(:'office_secret'::bytea));
-- A token without networks is accepted from anywhere.
SELECT code FROM token_auth.verify_token(:'secret', client => '203.0.113.9');
SELECT token_auth.pause_token(:office);
SELECT code FROM token_auth.verify_token(:'office_secret', client => '203.0.113.9');
SELECT token_auth.resume_token(:office);

SELECT token_auth.set_token_networks(:office, '{198.51.100.7}'), token_auth.set_token_networks(:office, '{198.51.100.7/32}');
SELECT code FROM token_auth.verify_token(:'office_secret', client => '192.0.2.1');
SELECT code FROM token_auth.verify_token(:'office_secret', client => '198.51.100.7');
SELECT token_id AS successor, secret AS successor_secret FROM token_auth.reset_token(:office) \gset
SELECT networks FROM token_auth.tokens WHERE id = :successor;
-- All addresses of both protocols are no restriction. Those of one are.
SELECT token_auth.set_token_networks(:successor, '{0.0.0.0/0}');
SELECT code FROM token_auth.verify_token(:'successor_secret', client => '2001:db8::7');
SELECT token_auth.set_token_networks(:successor, '{0.0.0.0/0,::/0}');
SELECT networks IS NULL AS anywhere FROM token_auth.tokens WHERE id = :successor;
SELECT code FROM token_auth.verify_token(:'successor_secret');
SELECT regress.outcome(format('SELECT token_auth.set_token_networks(%s, %s)', :office, networks))
  FROM unnest(ARRAY['NULL', '''{}''', 'ARRAY[NULL]::cidr[]', 'ARRAY[''192.0.2.0/24'', NULL]::cidr[]',
                    '(SELECT array_agg(format(''10.0.%s.0/24'', n)::cidr) FROM generate_series(0, 64) AS n)',
                    '''{192.0.2.1/24}''', '''{nonsense}''']) AS networks;
SELECT token_auth.set_token_networks(:office, (SELECT array_agg(format('10.0.%s.0/24', n)::cidr) FROM generate_series(0, 63) AS n));
SELECT regress.outcome(format('UPDATE token_auth.token SET networks = %L WHERE id = %s', networks, :office))
  FROM unnest(ARRAY['{}', '{NULL}', '{{192.0.2.0/24}}']) AS networks;

-- A token that acts: its tokens have its owner and its networks, or fewer. It changes neither.
SELECT token_id AS root, secret AS root_secret
  FROM token_auth.create_token(1, 'root', '{*}', all_domains => true, networks => '{192.0.2.0/24}', owner => 'carol') \gset
BEGIN;
SELECT code FROM token_auth.authenticate(:'root_secret');
SELECT regress.outcome('SELECT token_auth.create_account(''x'')');
ROLLBACK;
BEGIN;
SELECT code FROM token_auth.authenticate(:'root_secret', '192.0.2.7');
SELECT token_id AS child FROM token_auth.create_token(1, 'child', '{*}', all_domains => true) \gset
SELECT token_id AS small FROM token_auth.create_token(1, 'small', '{*}', all_domains => true, networks => '{192.0.2.7}', owner => 'carol') \gset
SELECT regress.outcome(call) FROM unnest(ARRAY[
    'SELECT token_auth.create_token(1, ''x'', ''{*}'', all_domains => true, networks => ''{192.0.0.0/16}'')',
    'SELECT token_auth.create_token(1, ''x'', ''{*}'', all_domains => true, networks => ''{0.0.0.0/0,::/0}'')',
    'SELECT token_auth.create_token(1, ''x'', ''{*}'', all_domains => true, owner => ''dave'')',
    format('SELECT token_auth.set_token_owner(%s, ''dave'')', :root), format('SELECT token_auth.set_token_networks(%s, ''{0.0.0.0/0}'')', :root),
    format('SELECT token_auth.resume_token(%s)', :successor), format('SELECT token_auth.grant_access(%s, ''{a:b}'', ''acme.example'')', :successor),
    format('SELECT token_auth.reset_token(%s)', :office)]) AS call;
-- The successor of a token with more networks has the common ones.
SELECT token_id AS limited FROM token_auth.reset_token(:successor) \gset
SELECT domain_id FROM token_auth.create_domain(1, 'new.example');
-- Its networks were checked when it was authenticated; the next transaction is checked by the new ones.
SELECT token_auth.deauthenticate();
SELECT token_auth.set_token_networks(:root, '{203.0.113.0/24}');
COMMIT;
SELECT name, owner, networks FROM token_auth.tokens WHERE id IN (:child, :small, :limited) OR domain = 'new.example' ORDER BY id;
BEGIN;
SELECT code FROM token_auth.authenticate(:'root_secret', '192.0.2.7');
ROLLBACK;

-- A request that is repeated after a lost reply makes no second token.
SELECT token_id AS first FROM token_auth.create_token(1, 'ci', '{*}', all_domains => true, request_id => 'req-1') \gset
SELECT regress.outcome('SELECT token_auth.create_token(1, ''ci'', ''{*}'', all_domains => true, request_id => ''req-1'')')
       = replace('23505 request_repeated token ID was already created by this request' || E'\n' ||
         'HINT: Its secret was shown in the first reply: reset the token if that is lost, or pass a new request_id.', 'ID', :'first') AS names_it;
SELECT name FROM token_auth.create_token(2, 'ci', '{*}', all_domains => true, request_id => 'req-1');
SELECT count(*) FROM token_auth.token WHERE request_id = 'req-1';
SELECT regress.outcome('SELECT token_auth.create_token(1, ''x'', ''{*}'', all_domains => true, request_id => '''')');
-- The successor is of another request, and a deleted token is forgotten.
SELECT token_id AS second FROM token_auth.reset_token(:first) \gset
SELECT request_id FROM token_auth.token WHERE id = :second;
SELECT token_auth.delete_token(:first);
SELECT name FROM token_auth.create_token(1, 'ci', '{*}', all_domains => true, request_id => 'req-1');
