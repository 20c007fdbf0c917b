\set ON_ERROR_STOP on
\set ECHO none
-- make demo runs this file and shows it with its results. These lines, and lines that begin with a backslash, are not shown.
\pset pager off
\pset footer off
SET timezone TO 'UTC';
SET client_min_messages TO notice;
\echo
\set ECHO all
--
-- 1. An account: a customer of the application
--
CREATE EXTENSION token_auth;
SELECT token_auth.create_account('Acme') AS account \gset
SELECT id, name, profile FROM token_auth.account;
--
-- 2. Two domains. Each comes with a token of its own. A secret is shown once, when it is created, and is not stored
--
SELECT * FROM token_auth.create_domain(:account, 'news.example');
SELECT * FROM token_auth.create_domain(:account, 'shop.example') \gset shop_
--
-- 3. Tokens for different purposes. (\gset stores the columns of a row in psql variables)
--
SELECT * FROM token_auth.create_token(:account, 'newsletter', '{email:send}', domain => 'news.example') \gset mailer_
SELECT * FROM token_auth.create_token(:account, 'dashboard', '{*:read}', all_domains => true) \gset reader_
SELECT * FROM token_auth.create_token(:account, 'trial', '{email:*}', all_domains => true,
                                      expires_at => clock_timestamp() + interval '1 second') \gset trial_
SELECT name, hint, access FROM token_auth.tokens ORDER BY id;
--
-- 4. A backend asks once for each request: has this secret this scope on this domain?
--
\x on
SELECT * FROM token_auth.verify_token(:'mailer_secret', 'email:send', 'news.example');
\x off
--
-- 5. A paused token is refused at once. A resumed token is valid again
--
\o /dev/null
SELECT token_auth.pause_token(:mailer_token_id);
\o
SELECT valid, code FROM token_auth.verify_token(:'mailer_secret', 'email:send', 'news.example');
\o /dev/null
SELECT token_auth.resume_token(:mailer_token_id);
\o
SELECT valid, code FROM token_auth.verify_token(:'mailer_secret', 'email:send', 'news.example');
--
-- 6. All codes: one token is deleted, one is paused, and the trial has expired
--
SELECT * FROM token_auth.create_token(:account, 'mistake', '{email:send}', all_domains => true) \gset gone_
\o /dev/null
SELECT token_auth.delete_token(:gone_token_id);
SELECT token_auth.pause_token(:reader_token_id);
SELECT pg_sleep_until(:'trial_expires_at');
\o
SELECT ask.question, answer.valid, answer.code
  FROM (VALUES
        (1, 'a secret with a typo',            :'mailer_secret' || 'x', 'email:send', 'news.example'),
        (2, 'a deleted token',                 :'gone_secret',          'email:send', 'news.example'),
        (3, 'a paused token',                  :'reader_secret',        'email:read', 'news.example'),
        (4, 'past its expiry',                 :'trial_secret',         'email:send', 'news.example'),
        (5, 'the newsletter, elsewhere',       :'mailer_secret',        'email:send', 'shop.example'),
        (6, 'the newsletter, doing more',      :'mailer_secret',        'email:read', 'news.example'),
        (7, 'the newsletter, doing its job',   :'mailer_secret',        'email:send', 'news.example')
       ) AS ask (nr, question, secret, scope, domain),
       token_auth.verify_token(ask.secret, ask.scope, ask.domain) AS answer
 ORDER BY ask.nr;
--
-- 7. Reset: a new secret, while the old one stays valid for 12 hours, so that no client stops working
--
SELECT * FROM token_auth.reset_token(:mailer_token_id) \gset new_
SELECT 'old' AS secret, valid, code, expires_at::timestamptz(0)
  FROM token_auth.verify_token(:'mailer_secret', 'email:send', 'news.example')
UNION ALL
SELECT 'new', valid, code, expires_at::timestamptz(0)
  FROM token_auth.verify_token(:'new_secret', 'email:send', 'news.example');
--
-- 8. The last token of a domain cannot be deleted, by this function or by any other SQL
--
\set ON_ERROR_STOP off
SELECT token_auth.delete_token(:shop_token_id);
\set ON_ERROR_STOP on
\set ECHO none
-- This step shows the refusal. Anything else ends the tour.
SELECT :'LAST_ERROR_SQLSTATE' <> '23001' AS not_refused \gset
\if :not_refused
DO $$ BEGIN RAISE EXCEPTION 'the deletion of the last token was not refused'; END $$;
\endif
\echo
\set ECHO all
--
-- 9. The list of tokens. It never contains a secret
--
SELECT id, name, domain, hint, status, access, expires_at::timestamptz(0) FROM token_auth.tokens ORDER BY id;
--
-- 10. The background worker removes expired tokens. The default profile keeps them for 23 hours.
--     A copy of it under another name does not keep them
--
INSERT INTO token_auth.profile
SELECT copy.*
  FROM token_auth.profile AS original,
       jsonb_populate_record(original, '{"name": "tidy", "builtin": false, "expired_retention": "0"}') AS copy
 WHERE original.name = 'default';
\o /dev/null
SELECT token_auth.set_account_profile(:account, 'tidy');
\o
SELECT name, expires_at FROM token_auth.create_token(:account, 'two seconds', '{*}', all_domains => true,
                                                     expires_at => clock_timestamp() + interval '2 seconds');
-- The status of that token:
\set ECHO none
DO $$
DECLARE
    began  timestamptz := clock_timestamp();
    seen   text := '';
    status text;
BEGIN
    LOOP
        -- The view shows the status at the start of the statement, which is this block.
        status := coalesce((SELECT CASE WHEN t.expires_at <= clock_timestamp() THEN 'expired' ELSE t.status END
                              FROM token_auth.tokens AS t WHERE t.name = 'two seconds'),
                           'removed by the worker');
        IF status <> seen THEN
            RAISE NOTICE '    after % s: %', round(extract(epoch FROM clock_timestamp() - began), 1), status;
            seen := status;
        END IF;
        EXIT WHEN status = 'removed by the worker';
        IF clock_timestamp() > began + interval '30 seconds' THEN
            RAISE EXCEPTION 'the worker has not removed the token within 30 seconds';
        END IF;
        COMMIT;
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
\set ECHO all
-- The trial has been removed, too
SELECT id, name, domain, hint, status FROM token_auth.tokens ORDER BY id;
--
-- 11. There are profiles for the tokens of four products, and your own profile is one more row. Under the profile
--     of MailerSend, a scope that the product does not have is refused
--
SELECT name, secret_prefix, can_pause, can_reset, can_reveal, admins_only, tokens_manage_tokens FROM token_auth.profile;
SELECT token_auth.create_account('Globex', 'mailersend') AS globex \gset
\set ON_ERROR_STOP off
SELECT token_auth.create_token(:globex, 'analyst', '{analytic:read}', all_domains => true);
\set ON_ERROR_STOP on
\set ECHO none
SELECT :'LAST_ERROR_SQLSTATE' <> '22023' AS not_refused \gset
\if :not_refused
DO $$ BEGIN RAISE EXCEPTION 'the unknown scope was not refused'; END $$;
\endif
\echo
\set ECHO all
--
-- 12. A transaction can be authenticated as a token. Under this profile the token manages tokens with no more access
--     than its own
--
SELECT * FROM token_auth.create_token(:globex, 'deployment', '{tokens:full,email:full}',
                                      all_domains => true) \gset deployment_
BEGIN;
SELECT code, name, token_auth.current_token_id() FROM token_auth.authenticate(:'deployment_secret');
SELECT name FROM token_auth.create_token(:globex, 'sender', '{email:full}', all_domains => true);
\set ON_ERROR_STOP off
SELECT name FROM token_auth.create_token(:globex, 'loot', '{*}', all_domains => true);
\set refused :LAST_ERROR_SQLSTATE
ROLLBACK;
\set ON_ERROR_STOP on
\set ECHO none
SELECT :'refused' <> '42501' AS not_refused \gset
\if :not_refused
DO $$ BEGIN RAISE EXCEPTION 'a token that may do more was not refused'; END $$;
\endif
\echo
\set ECHO all
--
-- 13. Keys that customers hold already can be imported, by the digest that another system stored. A token has an owner, and
--     all tokens of somebody who leaves are revoked at once
--
SELECT token_auth.import_token(:globex, 'from the old system', '{email:full}', all_domains => true,
                               digest => sha256('a key that a customer holds'), owner => 'ann') AS imported \gset
SELECT valid, code, account, name, owner FROM token_auth.verify_token('a key that a customer holds', 'email:full');
SELECT token_auth.revoke_tokens(owner => 'ann', action => 'pause');
SELECT valid, code FROM token_auth.verify_token('a key that a customer holds', 'email:full');
--
-- 14. The health of the installation
--
SELECT name, ok, detail FROM token_auth.health();
