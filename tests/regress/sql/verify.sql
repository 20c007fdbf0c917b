-- Verification: one row, always, and a code for each reason.
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT token_auth.create_account('Globex');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');
SELECT domain_id FROM token_auth.create_domain(1, 'other.example');
SELECT domain_id FROM token_auth.create_domain(2, 'globex.example');
SELECT secret AS one FROM token_auth.create_token(1, 'one', '{email:full,sms:read}', 'acme.example',
                                                  metadata => '{"tier": 2}') \gset
SELECT secret AS all FROM token_auth.create_token(1, 'all', '{*:read}', 'acme.example', all_domains => true) \gset
SELECT secret AS root FROM token_auth.create_token(1, 'root', '{*}', all_domains => true) \gset

SET ROLE regress_verifier;
SELECT * FROM token_auth.verify_token(:'one', 'email:send', 'acme.example');
SELECT * FROM token_auth.verify_token(:'root');

-- malformed: the text does not have the form of a secret, such as a complete header value.
SELECT label, v.* FROM (VALUES ('null', NULL), ('empty', ''), ('junk', 'junk'), ('bearer', 'Bearer ' || :'one'),
    ('space', :'one' || ' '), ('typo', overlay(:'one' placing CASE WHEN substr(:'one', 20, 1) = 'x' THEN 'y'
                                               ELSE 'x' END from 20)),
    ('upper', upper(:'one')), ('long', repeat('x', 1000000)), ('ünicode', repeat('ü', 26))) AS s(label, secret),
    token_auth.verify_token(s.secret) AS v;

-- not_found: a well-formed secret that no token has.
SELECT * FROM token_auth.verify_token('tok_0000000000000000000000000000000000000000000' || '22CYWX');

-- domain_not_allowed: no access. It is the same for an unknown domain, one of another account and a malformed name.
SELECT domain, v.* FROM unnest('{other.example,nonesuch.example,globex.example,"",ACME.EXAMPLE}'::text[]) AS domain,
    token_auth.verify_token(:'one', 'email:send', domain) AS v;
SELECT domain, v.code, v.domain_id FROM unnest(ARRAY['other.example', 'nonesuch.example', 'globex.example', '',
                                                     repeat('x', 1000000)]) WITH ORDINALITY AS d(domain, n),
    token_auth.verify_token(:'root', 'email:send', domain) AS v WHERE n < 5 OR v.code <> 'domain_not_allowed';
-- Without a domain the token needs access to all domains.
SELECT code, domain_id FROM token_auth.verify_token(:'one', 'email:send');
SELECT code, domain_id FROM token_auth.verify_token(:'all', 'email:read');
SELECT code, domain_id FROM token_auth.verify_token(:'root', 'email:send');

-- insufficient_scope, and which grants cover which scopes.
SELECT secret, scope, v.code FROM (VALUES ('one', :'one'), ('all', :'all'), ('root', :'root')) AS s(secret, text),
    unnest('{email:send,email:full,email.templates:read,sms:read,sms:send,sms:full,sms.inbound:read,'
           'domains:read}'::text[]) AS scope,
    token_auth.verify_token(s.text, scope, 'acme.example') AS v ORDER BY 1, 2;

-- Without a scope: is the token valid, on that domain?
SELECT code FROM token_auth.verify_token(:'one', NULL, 'acme.example');
SELECT code FROM token_auth.verify_token(:'one', NULL, 'other.example');
SELECT code FROM token_auth.verify_token(:'one', domain => 'ACME.example');

-- token_is_valid returns the same as a condition, and never NULL.
SELECT token_auth.token_is_valid(secret, scope, domain) AS valid, count(*),
       bool_and(token_auth.token_is_valid(secret, scope, domain) = v.valid) AS same
  FROM unnest(ARRAY[:'one', :'root', 'junk', NULL]) AS secret,
       unnest(ARRAY['email:send', 'sms:send', NULL]) AS scope,
       unnest(ARRAY['acme.example', 'other.example', '', NULL]) AS domain,
       token_auth.verify_token(secret, scope, domain) AS v
 GROUP BY 1 ORDER BY 1;
SELECT regress.outcome('SELECT token_auth.token_is_valid(''junk'', ''email:*'')');

-- A scope outside the grammar or with a wildcard is an error of the caller, with any secret.
SELECT left(scope, 20) AS scope, regress.outcome(format('SELECT token_auth.verify_token(%L, %L)', 'junk', scope))
  FROM unnest(ARRAY['', 'email', 'email:', '*', '*:read', 'email:*', 'Email:read', 'email:read ', 'é:read',
                    repeat('a', 300)]) AS scope;
RESET ROLE;

-- paused has precedence over expired, and expired over access.
SELECT token_id, secret FROM token_auth.create_token(1, 'doomed', '{email:read}', 'acme.example') \gset
SELECT token_auth.pause_token(:token_id);
UPDATE token_auth.token SET expires_at = now() - interval '1 hour' WHERE id = :token_id;
SELECT valid, code, token_id = :token_id AS id, domain_id, name
  FROM token_auth.verify_token(:'secret', 'sms:send', 'other.example');
SELECT token_auth.resume_token(:token_id);
SELECT valid, code, token_id = :token_id AS id, domain_id, name
  FROM token_auth.verify_token(:'secret', 'sms:send', 'other.example');
UPDATE token_auth.token SET expires_at = NULL WHERE id = :token_id;
SELECT valid, code FROM token_auth.verify_token(:'secret', 'sms:send', 'other.example');
SELECT valid, code FROM token_auth.verify_token(:'secret', 'sms:send', 'acme.example');
SELECT valid, code FROM token_auth.verify_token(:'secret', 'email:read', 'acme.example');

-- Under a profile with needs_verified_domain, a domain that is not verified is unknown.
INSERT INTO token_auth.profile (name, needs_verified_domain) VALUES ('careful', true);
SELECT token_auth.set_account_profile(1, 'careful');
SELECT code, domain_id FROM token_auth.verify_token(:'one', 'email:send', 'acme.example');
SELECT code, domain_id FROM token_auth.verify_token(:'root', 'email:send', 'acme.example');
SELECT code, domain_id FROM token_auth.verify_token(:'root', 'email:send');
SELECT token_auth.set_domain_verified(1, true);
SELECT code, domain_id FROM token_auth.verify_token(:'one', 'email:send', 'acme.example');
SELECT token_auth.set_account_profile(1, 'default');

-- By digest: the same results.
SELECT v FROM token_auth.verify_token_digest(sha256(:'one'::bytea), 'email:send', 'acme.example') AS v;
SELECT code FROM token_auth.verify_token_digest(sha256('nobody'));
SELECT code FROM unnest(ARRAY[NULL, '', '\x00', decode(repeat('00', 33), 'hex')]::bytea[]) AS digest,
       token_auth.verify_token_digest(digest);

-- It writes nothing: it works in a read-only transaction, and no transaction id is assigned.
BEGIN READ ONLY;
SELECT code FROM token_auth.verify_token(:'one', 'email:send', 'acme.example');
SELECT code FROM token_auth.verify_token(:'one', 'email:send', 'nonesuch.example');
SELECT pg_current_xact_id_if_assigned();
COMMIT;

-- It works in parallel workers.
BEGIN;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
CREATE TABLE regress.requests AS SELECT :'one'::text AS secret FROM generate_series(1, 20000);
ALTER TABLE regress.requests SET (parallel_workers = 2);
ANALYZE regress.requests;
SELECT count(*) FROM regress.requests WHERE (token_auth.verify_token(secret, 'email:send', 'acme.example')).valid;
EXPLAIN (COSTS OFF) SELECT count(*) FROM regress.requests
 WHERE (token_auth.verify_token(secret, 'email:send', 'acme.example')).valid;
ROLLBACK;

-- Arguments and metadata in every form in which PostgreSQL stores them: short, compressed, and out of line.
SELECT domain_id FROM token_auth.create_domain(1, repeat('a', 250));
CREATE TABLE regress.stored (kind text, filler text, secret text, scope text,
                             domain text) WITH (toast_tuple_target = 128);
ALTER TABLE regress.stored ALTER filler SET STORAGE PLAIN, ALTER scope SET STORAGE MAIN, ALTER domain SET STORAGE MAIN;
INSERT INTO regress.stored VALUES
    ('short', '', :'all', 'email:read', 'acme.example'),
    ('compressed', repeat('f', 3000), :'all', repeat('e', 200) || ':read', repeat('a', 250));
ALTER TABLE regress.stored ALTER secret SET STORAGE EXTERNAL;
INSERT INTO regress.stored VALUES ('elsewhere', repeat('f', 3000), :'all', 'email:read', 'acme.example');
SELECT s.kind, num_nonnulls(pg_column_compression(s.domain), pg_column_compression(s.scope)) AS compressed, v.code,
       v.domain_id, v.name
  FROM regress.stored AS s, token_auth.verify_token(s.secret, s.scope, s.domain) AS v;
SELECT pg_relation_size(reltoastrelid) > 0 AS "is elsewhere" FROM pg_class WHERE oid = 'regress.stored'::regclass;

CREATE TABLE regress.note AS
    SELECT jsonb_build_object('note', string_agg(encode(sha256(n::text::bytea), 'hex'), '')) AS metadata
      FROM generate_series(1, 120) AS n;
SELECT secret AS stout FROM regress.note, token_auth.create_token(1, 'stout', '{email:read}', all_domains => true,
                                                                  metadata => metadata) \gset
SELECT pg_relation_size(reltoastrelid) > 0 AS "is elsewhere" FROM pg_class WHERE oid = 'token_auth.token'::regclass;
SELECT call, v.code, v.domain_id, v.name, v.metadata = (SELECT metadata FROM regress.note) AS "is the same"
  FROM (VALUES (1, 'email:read', NULL), (2, 'email:read', NULL), (3, 'email:send', NULL),
        (4, 'email:read', 'acme.example')) AS asked (call, scope, domain),
       token_auth.verify_token(:'stout', asked.scope, asked.domain) AS v;
