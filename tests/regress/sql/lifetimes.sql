-- The lifetimes of a profile, and how many live tokens an account may have.
CALL regress.begin();
SET timezone = 'UTC';
INSERT INTO token_auth.profile (name, default_lifetime, max_lifetime, tokens_manage_tokens)
VALUES ('month', '30 days', '90 days', true), ('most', NULL, '90 days', false), ('usual', '30 days', NULL, false);
SELECT token_auth.create_account('Month', 'month'), token_auth.create_account('Most', 'most'), token_auth.create_account('Usual', 'usual'),
       token_auth.create_account('Free');
CREATE FUNCTION regress.days(expires_at timestamptz, since timestamptz DEFAULT now()) RETURNS numeric LANGUAGE sql AS $$
SELECT round(extract(epoch FROM expires_at - since) / 86400)
$$;

-- Without an expiry: the default, or the maximum, or never. In each way of creation.
SELECT a.name, regress.days(t.expires_at) AS days
  FROM token_auth.account AS a, token_auth.create_token(a.id, 'x', '{*}', all_domains => true) AS t ORDER BY a.id;
SELECT count(d.token_id) FROM token_auth.account AS a, token_auth.create_domain(a.id, 'home.example') AS d;
SELECT account, regress.days(expires_at) AS days FROM token_auth.tokens WHERE domain = 'home.example' ORDER BY account_id;
SELECT name, token_auth.import_token(id, 'old', '{*}', all_domains => true, digest => sha256(name::bytea), created_at => '2020-01-01Z') > 0 AS done
  FROM token_auth.account ORDER BY id;
SELECT account, regress.days(expires_at) AS days FROM token_auth.tokens WHERE name = 'old' ORDER BY account_id;

-- A given one: at most the maximum from now on. Never is beyond every maximum.
SELECT a.name, days, split_part(regress.outcome(format(
           'SELECT token_auth.create_token(%s, ''x'', ''{*}'', all_domains => true, expires_at => %L)', a.id,
           CASE days WHEN 0 THEN 'infinity' ELSE (now() + days * interval '24 hours')::text END)), E'\n', 1) AS outcome
  FROM token_auth.account AS a, unnest(ARRAY[60, 89, 91, 0]) AS days ORDER BY a.id, days;
SELECT a.name, split_part(regress.outcome(format(
           'SELECT token_auth.import_token(%s, ''x'', ''{*}'', all_domains => true, digest => sha256(%L), expires_at => ''infinity'')', a.id, 'y' || a.id)),
           E'\n', 1) AS outcome
  FROM token_auth.account AS a ORDER BY a.id;

-- set_token_expiry: from the creation on.
SELECT token_id AS id FROM token_auth.create_token(1, 'aged', '{*}', all_domains => true) \gset
UPDATE token_auth.token SET created_at = now() - interval '80 days' WHERE id = :id;
SELECT days, split_part(regress.outcome(format('SELECT token_auth.set_token_expiry(%s, %L)', :id,
           CASE days WHEN 0 THEN 'infinity' ELSE (now() + days * interval '24 hours')::text END)), E'\n', 1) AS outcome
  FROM unnest(ARRAY[9, 11, 0]) AS days;
-- reset: the same lifetime, from now on, and at most the maximum.
UPDATE token_auth.token SET created_at = now() - interval '100 days', expires_at = now() + interval '1 day' WHERE id = :id;
SELECT regress.days(expires_at) AS days FROM token_auth.reset_token(:id);
SELECT token_id AS id FROM token_auth.create_token(1, 'aged', '{*}', all_domains => true) \gset
UPDATE token_auth.token SET expires_at = NULL WHERE id = :id;
SELECT split_part(regress.outcome(format('SELECT token_auth.reset_token(%s, expires_at => now() + interval ''91 days'')', :id)), E'\n', 1);
SELECT regress.days(expires_at) AS days FROM token_auth.reset_token(:id);
-- Under a profile with a default only, never stays never.
SELECT token_id AS id FROM token_auth.create_token(3, 'for ever', '{*}', all_domains => true, expires_at => 'infinity') \gset
SELECT expires_at FROM token_auth.reset_token(:id);
-- A token that acts: its own end comes first.
SELECT secret FROM token_auth.create_token(1, 'acting', '{*}', all_domains => true, expires_at => now() + interval '5 days') \gset
BEGIN;
SELECT code FROM token_auth.authenticate(:'secret');
SELECT regress.days(expires_at) AS days FROM token_auth.create_token(1, 'child', '{*}', all_domains => true);
ROLLBACK;

-- The end is computed in UTC, whatever the time zone.
BEGIN;
SET LOCAL timezone = 'America/New_York';
UPDATE token_auth.profile SET default_lifetime = '200 days', max_lifetime = '200 days' WHERE name = 'month';
SELECT regress.days(expires_at) AS days, round(extract(epoch FROM expires_at - now()))::bigint % 86400 IN (0, 1) AS whole
  FROM token_auth.create_token(1, 'x', '{*}', all_domains => true);
ROLLBACK;

-- What a profile may not say.
SELECT rules, split_part(regress.outcome('INSERT INTO token_auth.profile (name, ' || split_part(rules, '=', 1) || ') VALUES (''bad'', ' ||
                                         split_part(rules, '=', 2) || ')'), E'\n', 1) AS outcome
  FROM unnest(ARRAY['default_lifetime, max_lifetime=''91 days'', ''90 days''', 'default_lifetime=''0''', 'max_lifetime=''-1 day''',
                    'max_lifetime=''1 month -29 days''', 'max_lifetime=''101 years''', 'can_expire, can_reset, max_lifetime=false, false, ''1 day''',
                    'can_expire, can_reset, default_lifetime=false, false, ''1 day''', 'max_tokens=0', 'max_tokens=-1']) AS rules;

-- max_tokens: live tokens of an account. One that was reset or has expired does not count; a paused one does.
INSERT INTO token_auth.profile (name, max_tokens, tokens_manage_tokens) VALUES ('three', 3, true);
SELECT token_auth.create_account('Three', 'three') AS three \gset
SELECT token_id AS first FROM token_auth.create_domain(:three, 'three.example') \gset
SELECT token_id AS second, secret FROM token_auth.create_token(:three, 'second', '{*}', all_domains => true) \gset
SELECT token_auth.import_token(:three, 'third', '{*}', all_domains => true, digest => sha256('third')) AS third \gset
SELECT split_part(regress.outcome(replace(call, 'THREE', :'three')), ' ', 2) AS word FROM unnest(ARRAY[
    'SELECT token_auth.create_token(THREE, ''x'', ''{*}'', all_domains => true)', 'SELECT token_auth.create_domain(THREE, ''x.example'')',
    'SELECT token_auth.import_token(THREE, ''x'', ''{*}'', all_domains => true, digest => sha256(''x''))']) AS call;
SELECT replace(regress.outcome(format('SELECT token_auth.create_token(%s, ''x'', ''{*}'', all_domains => true)', :three)),
               'account ' || :three, 'account ID');
BEGIN;
SELECT code FROM token_auth.authenticate(:'secret');
SELECT split_part(regress.outcome(format('SELECT token_auth.create_token(%s, ''x'', ''{*}'', all_domains => true)', :three)), ' ', 2) AS word;
ROLLBACK;
SELECT token_auth.pause_token(:third);
SELECT split_part(regress.outcome(format('SELECT token_auth.create_token(%s, ''x'', ''{*}'', all_domains => true)', :three)), ' ', 2) AS word;
SELECT name = 'second ' || token_id AS reset FROM token_auth.reset_token(:second);
SELECT split_part(regress.outcome(format('SELECT token_auth.create_token(%s, ''x'', ''{*}'', all_domains => true)', :three)), ' ', 2) AS word;
UPDATE token_auth.token SET expires_at = now() - interval '1 second' WHERE id = :third;
SELECT name FROM token_auth.create_token(:three, 'room', '{*}', all_domains => true);
SELECT split_part(regress.outcome(format('SELECT token_auth.create_token(%s, ''x'', ''{*}'', all_domains => true)', :three)), ' ', 2) AS word;
