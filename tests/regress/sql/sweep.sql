-- sweep() removes tokens that expired longer ago than the expired_retention of their profile.
CALL regress.begin();
INSERT INTO token_auth.profile (name, expired_retention) VALUES ('quick', '0'), ('slow', '2 hours');
SELECT token_auth.create_account('Quick', 'quick'), token_auth.create_account('Slow', 'slow'),
       token_auth.create_account('Default');
SELECT count(token_auth.create_token(account, 'token ' || n, '{*}', all_domains => true))
  FROM generate_series(1, 3) AS account, generate_series(1, 5) AS n;
-- Token 1 expired now, 2 an hour ago, 3 three hours ago, 4 a day ago, and 5 has not expired.
UPDATE token_auth.token SET expires_at = now() - CASE split_part(name, ' ', 2)
    WHEN '1' THEN interval '0' WHEN '2' THEN interval '1 hour' WHEN '3' THEN interval '3 hours' WHEN '4'
        THEN interval '24 hours' ELSE interval '-1 hour' END;
SELECT token_auth.sweep();
SELECT account, string_agg(name, ', ' ORDER BY name) AS left, string_agg(status, ', ' ORDER BY name) AS status
  FROM token_auth.tokens GROUP BY 1 ORDER BY 1;
SELECT token_auth.sweep();
SELECT count(*) AS "access of removed tokens" FROM token_auth.token_access x
 WHERE NOT EXISTS (SELECT FROM token_auth.token t WHERE t.id = x.token_id);

-- A limit.
UPDATE token_auth.token SET expires_at = now() - interval '2 days';
SELECT token_auth.sweep(2), token_auth.sweep(1);
SELECT count(*) FROM token_auth.token;
SELECT regress.outcome('SELECT token_auth.sweep(0)');
SELECT regress.outcome('SELECT token_auth.sweep(-1)');
SELECT token_auth.sweep(9223372036854775807);
SELECT count(*) FROM token_auth.token;

-- More than one batch, and a token without an expiry.
INSERT INTO token_auth.token (account_id, name, digest, hint, created_by, expires_at)
SELECT 1, 'bulk', sha256(n::text::bytea), 'bulk', 'test', CASE WHEN n % 10 = 0 THEN NULL
    ELSE now() - interval '1 day' END FROM generate_series(1, 2500) AS n;
SELECT token_auth.sweep();
SELECT count(*), min(expires_at) FROM token_auth.token;
SELECT status FROM token_auth.tokens LIMIT 1;

-- A sequence that was never used means that a restore is in progress: nothing is removed until it is set.
CALL regress.begin();
INSERT INTO token_auth.account (id, name) VALUES (7, 'Restored');
INSERT INTO token_auth.token (id, account_id, name, digest, hint, created_by, expires_at)
VALUES (8, 7, 'restored', sha256('8'), 'hint', 'test', now() - interval '1 day');
SELECT token_auth.sweep();
SELECT setval('token_auth.token_id_seq', 8);
SELECT token_auth.sweep();
