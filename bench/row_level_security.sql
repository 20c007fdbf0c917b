-- The cost of policies: each query under a policy, compared with the same query with a condition written by hand, on a
-- table of one million rows in 1,000 domains. One run, everything interleaved; medians, and their ratio to the query by
-- hand.
-- row_level_security.sh runs this in an empty database.
\set ON_ERROR_STOP on
\set QUIET on
\pset pager off
\pset footer off
SET client_min_messages = warning;

CREATE EXTENSION token_auth;
CREATE SCHEMA bench;
CREATE ROLE bench_user;
GRANT USAGE ON SCHEMA bench TO bench_user;

-- A thousand accounts, so that an account has a thousand rows. The first has all domains.
SELECT count(token_auth.create_account('account ' || nr)) AS accounts FROM generate_series(1, 1000) AS nr;
SELECT count(*) AS domains FROM generate_series(1, 1000) AS nr,
       token_auth.create_domain(1, 'domain-' || nr || '.example');

CREATE TABLE bench.by_domain AS
SELECT nr AS id, nr % 1000 + 1 AS account_id, 'domain-' || nr % 1000 + 1 || '.example' AS domain,
       repeat('x', 40) AS body
  FROM generate_series(1, 1000000) AS nr;
CREATE TABLE bench.by_account AS SELECT * FROM bench.by_domain;
CREATE TABLE bench.by_row     AS SELECT * FROM bench.by_domain;
CREATE INDEX ON bench.by_domain  (domain);
CREATE INDEX ON bench.by_account (account_id);
VACUUM ANALYZE bench.by_domain, bench.by_account, bench.by_row;

ALTER TABLE bench.by_domain  ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.by_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.by_row     ENABLE ROW LEVEL SECURITY;
CREATE POLICY domain  ON bench.by_domain  USING (domain = ANY (token_auth.allowed_domains('email:read')));
CREATE POLICY account ON bench.by_account USING (account_id = (SELECT token_auth.current_account_id()));
CREATE POLICY row     ON bench.by_row     USING (token_auth.allows('email:read', domain));
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO bench_user;

CREATE TABLE bench.token (domains int, secret text);
DO $$
DECLARE
    domains int;
    made record;
BEGIN
    FOREACH domains IN ARRAY '{1,8,50,500}'::int[] LOOP
        SELECT * INTO made FROM token_auth.create_token(1, domains || ' domains', '{email:read}', 'domain-1.example');
        PERFORM token_auth.grant_access(made.token_id, '{email:read}', 'domain-' || nr || '.example')
           FROM generate_series(2, domains) AS nr;
        INSERT INTO bench.token VALUES (domains, made.secret);
    END LOOP;
END $$;

-- Runs a query under a policy as bench_user, or by hand as the owner, to whom no policy applies.
CREATE TABLE bench.question (nr int, what text, under_policy text, by_hand text, domains int, settings text);
INSERT INTO bench.question
SELECT domains, format('allowed_domains, %s domains, index scan', domains),
       'SELECT count(body) FROM bench.by_domain',
       format('SELECT count(body) FROM bench.by_domain WHERE domain = ANY (%L::text[])',
              (SELECT array_agg('domain-' || nr || '.example') FROM generate_series(1, domains) AS nr)),
       domains,
       'SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL enable_seqscan = off;'
       ' SET LOCAL enable_bitmapscan = off'
  FROM bench.token
UNION ALL
SELECT 1001, 'current_account_id, index scan', 'SELECT count(body) FROM bench.by_account',
       'SELECT count(body) FROM bench.by_account WHERE account_id = 1', 1,
       'SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL enable_seqscan = off;'
       ' SET LOCAL enable_bitmapscan = off'
UNION ALL
SELECT 1002, 'current_account_id, parallel sequential scan', 'SELECT count(body) FROM bench.by_account',
       'SELECT count(body) FROM bench.by_account WHERE account_id = 1', 1,
       'SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_indexonlyscan = off; '
       'SET LOCAL parallel_setup_cost = 0; SET LOCAL max_parallel_workers_per_gather = 2'
UNION ALL
SELECT 2000 + domains, format('allows for each row, %s domains, sequential scan', domains),
       'SELECT count(body) FROM bench.by_row',
       'SELECT count(body) FROM bench.by_row WHERE domain = ''domain-1.example''', domains,
       'SET LOCAL max_parallel_workers_per_gather = 0'
  FROM bench.token;

CREATE TABLE bench.measured (nr int, under_policy bool, ms float8);

CREATE PROCEDURE bench.ask(question bench.question, under_policy bool, times int) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
BEGIN
    PERFORM token_auth.authenticate(secret) FROM bench.token WHERE token.domains = question.domains;
    EXECUTE question.settings;
    IF under_policy THEN SET LOCAL ROLE bench_user; END IF;
    began := clock_timestamp();
    FOR i IN 1 .. times LOOP
        EXECUTE CASE WHEN under_policy THEN question.under_policy ELSE question.by_hand END;
    END LOOP;
    RESET ROLE;
    INSERT INTO bench.measured VALUES (question.nr, under_policy,
        1000 * extract(epoch FROM clock_timestamp() - began) / times);
    COMMIT;
END $$;

CREATE PROCEDURE bench.run(repeats int) LANGUAGE plpgsql AS $$
DECLARE
    question bench.question;
BEGIN
    FOR repeat IN 0 .. repeats LOOP
        FOR question IN SELECT * FROM bench.question ORDER BY nr LOOP
            -- Short queries run often enough to be measured. The order alternates.
            FOR turn IN 0 .. 1 LOOP
                CALL bench.ask(question, (turn + repeat) % 2 = 0,
                               CASE WHEN question.nr <= 50 OR question.nr = 1001 THEN 50 ELSE 1 END);
            END LOOP;
        END LOOP;
        -- The first round warms up.
        IF repeat = 0 THEN
            DELETE FROM bench.measured;
            COMMIT;
        END IF;
    END LOOP;
END $$;

SET jit = off;
CALL bench.run(:repeats);

SELECT what AS "policy",
       round(policy::numeric, 3) AS "under policy, ms",
       round(hand::numeric, 3) AS "by hand, ms",
       round((policy / hand)::numeric, 2) AS "ratio"
  FROM bench.question
  JOIN LATERAL (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE measured.under_policy) AS policy,
                       percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE NOT measured.under_policy) AS hand
                  FROM bench.measured WHERE measured.nr = question.nr) AS median ON true
 ORDER BY question.nr;
