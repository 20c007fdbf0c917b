-- Every kind of bad input raises its documented SQLSTATE, with a message that says what to do.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SET ROLE regress_manager;

-- NULL for each required argument.
SELECT call, regress.outcome('SELECT token_auth.' || call) FROM unnest(ARRAY[
    'create_account(NULL)', 'create_account(''x'', NULL)', 'create_account(''null metadata'', metadata => NULL)',
    'pause_account(NULL)', 'resume_account(NULL)', 'rename_account(NULL, ''x'')', 'rename_account(1, NULL)',
    'set_account_profile(NULL, ''default'')', 'set_account_profile(1, NULL)', 'delete_account(NULL, ''x'')',
    'delete_account(1, NULL)',
    'add_account_admin(NULL, ''x'')', 'add_account_admin(1, NULL)', 'remove_account_admin(NULL, ''x'')',
    'remove_account_admin(1, NULL)',
    'create_domain(NULL, ''x'')', 'create_domain(1, NULL)', 'rename_domain(NULL, ''x'')', 'rename_domain(1, NULL)',
    'set_domain_verified(NULL, true)', 'set_domain_verified(1, NULL)', 'delete_domain(NULL)',
    'create_token(NULL, ''x'', ''{*}'', all_domains => true)', 'create_token(1, NULL, ''{*}'', all_domains => true)',
    'create_token(1, ''x'', NULL, all_domains => true)', 'create_token(1, ''x'', ''{NULL}'', all_domains => true)',
    'create_token(1, ''x'', ''{}'', all_domains => true)', 'create_token(1, ''x'', ''{*}'')',
    'grant_access(NULL, ''{*}'', ''acme.example'')', 'grant_access(1, NULL, ''acme.example'')',
    'revoke_access(NULL, ''acme.example'')',
    'reset_token(NULL)', 'pause_token(NULL)', 'resume_token(NULL)', 'rename_token(NULL, ''x'')',
    'rename_token(1, NULL)',
    'set_token_expiry(NULL, NULL)', 'set_token_metadata(NULL, ''{}'')', 'set_token_metadata(1, NULL)',
    'merge_token_metadata(NULL, ''{}'')', 'merge_token_metadata(1, NULL)',
    'delete_token(NULL)']) AS call;

-- Bad names: empty, blank, with control characters, too long. Each function that takes a name.
SELECT call, label, regress.outcome(format('SELECT token_auth.' || call, bad))
  FROM unnest(ARRAY['create_account(%L)', 'rename_account(1, %L)', 'add_account_admin(1, %L)', 'create_domain(1, %L)',
                    'rename_domain(1, %L)',
                    'create_token(1, %L, ''{*}'', all_domains => true)', 'rename_token(1, %L)']) AS call,
       (VALUES (1, 'empty', ''), (2, 'blank', E' \u00a0'), (3, 'line break', E'a\nb'), (4, 'escape', E'\x1b[31m'),
        (5, 'C1', E'a\u0085b'),
               (6, 'too long', repeat('x', 256)), (7, 'a megabyte', repeat('ü', 524288)),
               (8, 'zero width', E'\u200b\u2060\ufeff'), (9, 'direction marks', E'\u200e\u202e\u2066 \u2069'),
               (10, 'filler', E'\u3164\u115f\u2800')) AS v(n, label, bad)
 ORDER BY call, n;

-- Good names.
SELECT left(name, 30) AS name, regress.outcome(format('SELECT token_auth.rename_token(1, %L)', name))
  FROM unnest(ARRAY['x', 'Ünïcode ✓ 🔑', '''; DROP TABLE x; --', '%s %L \', '{}', repeat('ü', 255)]) AS name;

-- Scopes outside the grammar.
SELECT left(scope, 20) AS scope,
       regress.outcome(format('SELECT token_auth.create_token(1, ''x'', ARRAY[%L], all_domains => true)', scope))
  FROM unnest(ARRAY['', ' ', 'email', 'email:', ':read', 'Email:read', 'email:read ', 'email:read:x', 'a..b:read',
                    '.a:read', 'email.*:read', '**', '-a:read',
                    'é:read', E'a\nb:read', repeat('a', 1000000) || ':read']) AS scope;
SELECT regress.outcome(
    $$SELECT token_auth.create_token(1, 'x', array_fill('a:b'::text, '{257}'), all_domains => true)$$);
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'x', '{{a:b,a:c},{b:c,d:e}}', all_domains => true)$$)
    AS "a matrix is a list";

-- Bad domains.
SELECT left(domain, 20) AS domain, regress.outcome(format('SELECT token_auth.create_token(1, ''x'', ''{*}'', %L)',
                                                          domain))
  FROM unnest(ARRAY['', ' ', 'nonesuch.example', 'acme.example ', E'acme.example\n', repeat('x', 1000000)]) AS domain;

-- Times and intervals.
SELECT at,
       regress.outcome(format('SELECT token_auth.create_token(1, ''x'', ''{*}'', all_domains => true, '
                              'expires_at => %L)', at))
  FROM unnest(ARRAY['-infinity', '4714-11-24 00:00:00+00 BC', '1970-01-01', 'infinity', '9999-12-29 23:59:59Z',
                    '9999-12-30Z', '294276-12-31']) AS at;
SELECT at, regress.outcome(format('SELECT token_auth.set_token_expiry(1, %L)', at))
  FROM unnest(ARRAY[NULL, '-infinity', '1970-01-01', '9999-12-29 23:59:59Z', '9999-12-30Z', '294276-12-31', 'infinity'])
       AS at;
-- A successor whose lifetime would end too late has the last possible expiry.
SELECT token_id FROM token_auth.create_token(1, 'x', '{*}', all_domains => true,
                                             expires_at => '9999-12-29 23:59:59Z') \gset
RESET ROLE;
UPDATE token_auth.token SET created_at = '2001-01-01' WHERE id = :token_id;
SET ROLE regress_manager;
SELECT token_id, expires_at FROM token_auth.reset_token(:token_id);

-- Metadata that is not an object, in every function that takes it.
SELECT call, metadata, regress.outcome(format('SELECT token_auth.' || call, metadata))
  FROM unnest(ARRAY['create_account(''x'', metadata => %L)',
                    'create_token(1, ''x'', ''{*}'', all_domains => true, metadata => %L)',
                    'set_token_metadata(1, %L)', 'merge_token_metadata(1, %L)']) AS call,
       unnest(ARRAY['5', '[1]', '"{\"a\":1}"', 'null', 'true', '{"ok": true}']) AS metadata;
SELECT metadata FROM token_auth.tokens WHERE id = 1;

-- Ids.
SELECT call, regress.outcome('SELECT token_auth.' || call) FROM unnest(ARRAY[
    'pause_token(0)', 'pause_token(-1)', 'pause_token(9223372036854775807)', 'delete_domain(0)',
    'pause_account(-9223372036854775808)',
    'pause_token(1, account_id => -1)', 'pause_token(1, account_id => 0)',
    'pause_token(1, account_id => -9223372036854775808)',
    'create_token(token_auth.any_account(), ''x'', ''{*}'', ''x'')',
    'pause_account(token_auth.any_account())']) AS call;


-- Secrets.
RESET ROLE;
SET ROLE regress_verifier;
SELECT label, v.code FROM (VALUES ('null', NULL), ('empty', ''), ('blank', ' '), ('control', E'\x01'), ('umlaut', 'ü'),
                           ('megabyte', repeat('t', 1048576))) AS s(label, secret),
       token_auth.verify_token(s.secret) AS v;
RESET ROLE;

-- Confused arguments: an error shows the hint of a secret, and never a secret, a digest or a key.
SELECT account_id AS other FROM (SELECT token_auth.create_account('Mixed up') AS account_id) a \gset
SELECT secret, hint FROM token_auth.create_token(:other, 'mixed up', '{*}', all_domains => true) \gset
SELECT call, position(:'secret' IN outcome) AS secret_at, outcome LIKE '%' || :'hint' || '%' AS shows_hint
  FROM (SELECT call, regress.outcome(format(call, :'secret')) AS outcome
          FROM unnest(ARRAY[
              'SELECT token_auth.verify_token(''email:send'', %L)',
              'SELECT token_auth.create_token(1, ''x'', ARRAY[%L], all_domains => true)',
              'SELECT token_auth.create_account(''x'', %L)',
              'SELECT token_auth.create_account(E''x\n%s'')',
              'SELECT token_auth.verify_token(''x'', ''%s,'')',
              'SELECT token_auth.create_account(''x'', ''Bearer:%s'')',
              'SELECT token_auth.create_account(''x'', ''nope "%s"'')']) AS call) AS asked
 ORDER BY call;
SELECT regress.outcome(format('SELECT token_auth.verify_token(''email:send'', %L)', encode(sha256('x'), 'hex')));
SELECT regress.outcome(format('SELECT token_auth.verify_token(''email:send'', %L)', sha256('x')));
