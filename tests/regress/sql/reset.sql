-- Reset: a successor is created, and the old token works until its grace ends.
CALL regress.begin();
SET ROLE regress_manager;
SELECT token_auth.create_account('Acme');
SELECT domain_id, token_id, secret AS old FROM token_auth.create_domain(1, 'mailtrap.example') \gset
SELECT domain_id FROM token_auth.create_domain(1, 'more.example');
SELECT token_auth.grant_access(1, '{email:read}', 'more.example'), token_auth.set_token_metadata(1, '{"kept": true}');

-- The last token of a domain can be reset, because its successor exists before it ends.
SELECT token_id, name, expires_at, hint = left(secret, 8) || '...' || right(secret, 4) AS hint,
       previous_expires_at - now() BETWEEN '11:59' AND '12:01' AS twelve_hours, secret
  FROM token_auth.reset_token(1) \gset new_
SELECT :new_token_id AS token_id, :'new_name' AS name, :'new_hint' AS hint, :'new_twelve_hours'
    AS "the old one ends in twelve hours";
SELECT id, name, domain, status, access FROM token_auth.tokens ORDER BY id;
RESET ROLE;
SELECT code, metadata FROM token_auth.verify_token(:'old', 'email:read', 'more.example');
SELECT code, metadata FROM token_auth.verify_token(:'new_secret', 'email:read', 'more.example');
SELECT replaced_by = :new_token_id AS replaced_by, replaced_at IS NOT NULL AS replaced FROM token_auth.token
 WHERE id = 1;
SET ROLE regress_manager;

-- A token that was reset cannot be reset again. The end of its grace can be moved earlier and later, but not to never.
SELECT regress.outcome('SELECT token_auth.reset_token(1)');
SELECT regress.outcome('SELECT token_auth.set_token_expiry(1, ''infinity'')');
SELECT token_auth.set_token_expiry(1, clock_timestamp() + interval '1 hour');
SELECT status, expires_at < clock_timestamp() + interval '2 hours' AS earlier FROM token_auth.tokens WHERE id = 1;
SELECT token_auth.set_token_expiry(1, clock_timestamp() + interval '3 days');
SELECT status, expires_at > clock_timestamp() + interval '2 days' AS later FROM token_auth.tokens WHERE id = 1;
-- It can still be paused, renamed and deleted.
SELECT token_auth.pause_token(1), token_auth.rename_token(1, 'old one');
SELECT name, status FROM token_auth.tokens WHERE id = 1;
SELECT token_auth.delete_token(1);

-- A grace of zero ends the old token at once. Its own expiry ends it if that is earlier.
SELECT token_id, previous_expires_at <= clock_timestamp() AS at_once
  FROM token_auth.reset_token(:new_token_id, '0') \gset next_
SELECT :'next_at_once' AS "at once";
RESET ROLE;
SELECT code FROM token_auth.verify_token(:'new_secret');
SET ROLE regress_manager;
SELECT token_id FROM token_auth.create_token(1, 'dated', '{*}', 'more.example',
                                             expires_at => now() + interval '1 hour') \gset
SELECT expires_at AS own FROM token_auth.tokens WHERE id = :token_id \gset
SELECT previous_expires_at = :'own' AS "its own expiry", expires_at - now() BETWEEN '0:59' AND '1:01'
    AS "the same lifetime again"
  FROM token_auth.reset_token(:token_id);

-- The successor's expiry: the same lifetime, a given time, or never.
SELECT token_id FROM token_auth.create_token(1, 'dated', '{*}', 'more.example',
                                             expires_at => now() + interval '1 hour') \gset
SELECT expires_at FROM token_auth.reset_token(:token_id, expires_at => '2999-01-01 00:00Z');
SELECT token_id FROM token_auth.create_token(1, 'dated', '{*}', 'more.example',
                                             expires_at => now() + interval '1 hour') \gset
SELECT expires_at FROM token_auth.reset_token(:token_id, expires_at => 'infinity');
SELECT regress.outcome('SELECT token_auth.reset_token(2, expires_at => now())');

-- A day has 24 hours in every time zone, also where the clocks change.
SET timezone = 'America/New_York';
SELECT extract(epoch FROM previous_expires_at - clock_timestamp())::int BETWEEN 200 * 86400 - 60 AND 200 * 86400 AS days
  FROM token_auth.create_token(1, 'zone', '{*}', 'more.example') AS t,
       token_auth.reset_token(t.token_id, grace => '200 days');
RESET timezone;

-- Bad graces, and a very long one.
SELECT grace, regress.outcome(format('SELECT token_auth.reset_token(2, %L)', grace))
  FROM unnest('{-1 second,-100 years,1 month -40 days,200000 years,178000000 years}'::text[]) AS grace;
SELECT previous_expires_at > now() + interval '98 years' AS "long" FROM token_auth.reset_token(2, '99 years');

-- The successor of a paused token is paused, too.
SELECT token_id FROM token_auth.create_token(1, 'CI 2024', '{*}', 'more.example') \gset
SELECT token_auth.pause_token(:token_id);
SELECT token_id AS successor FROM token_auth.reset_token(:token_id) \gset
SELECT name = CASE id WHEN :token_id THEN 'CI 2024' ELSE 'CI 2024 ' || :successor END AS name, status
  FROM token_auth.tokens WHERE id IN (:token_id, :successor) ORDER BY id;

-- A name of the maximum length is shortened to make room for the number.
SELECT token_id FROM token_auth.create_token(1, repeat('ü', 255), '{*}', 'more.example') \gset
SELECT length(name), right(name, 1 + length(token_id::text)) = ' ' || token_id AS number
  FROM token_auth.reset_token(:token_id);

-- A trigger of the application that keeps a row from being written is an error, not a result that is not true.
RESET ROLE;
CREATE FUNCTION regress.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE UPDATE ON token_auth.token FOR EACH ROW EXECUTE FUNCTION regress.keep();
SELECT regress.outcome(format($$SELECT token_auth.reset_token(%s, '0')$$, :successor));
DROP TRIGGER keep ON token_auth.token;
CREATE TRIGGER keep BEFORE INSERT ON token_auth.token_access FOR EACH ROW EXECUTE FUNCTION regress.keep();
SELECT regress.outcome($$SELECT token_auth.create_token(1, 'kept', '{*}', 'more.example')$$);
DROP TRIGGER keep ON token_auth.token_access;
DROP FUNCTION regress.keep();
