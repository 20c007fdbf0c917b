-- Import: tokens whose secrets another system made.
CALL regress.begin();
SET timezone = 'UTC';
SELECT token_auth.create_account('Acme'), token_auth.create_account('Globex');
SELECT domain_id FROM token_auth.create_domain(1, 'acme.example');

-- Before the first import, what does not have the form of a secret is malformed.
SELECT length(secret), code FROM unnest(ARRAY[repeat('k', 15), repeat('k', 16), repeat('k', 512), repeat('k', 513)]) AS secret,
       token_auth.verify_token(secret) ORDER BY 1;

-- Each scheme, by the secret and by the digest as the other system holds it.
CREATE TEMP TABLE made (scheme text, secret text, digest bytea);
INSERT INTO made VALUES
    ('sha256', 'sk_live_0123456789abcdef', sha256('sk_live_0123456789abcdef')),
    ('sha256_after_pipe', '17|0123456789abcdef0123456789abcdef', sha256('0123456789abcdef0123456789abcdef')),
    ('sha512', 'knox0123456789abcdef0123456789', sha512('knox0123456789abcdef0123456789'));
SELECT scheme, token_auth.import_token(1, scheme, '{email:send}', 'acme.example', digest => digest, scheme => scheme) AS id
  FROM made ORDER BY scheme;
SELECT made.scheme, v.* FROM made, token_auth.verify_token(secret, 'email:send', 'acme.example') AS v ORDER BY 1;
SELECT made.scheme, v.code FROM made, token_auth.verify_token_digest(digest, scheme => scheme) AS v ORDER BY 1;
SELECT id, scheme, hint, created_by = session_user AS by_caller FROM token_auth.token WHERE scheme <> 'token_auth' ORDER BY id;

-- A row answers to its own scheme only: neither a digest that is sent as a secret, nor the secret by another scheme.
SELECT made.scheme, other.scheme AS asked, v.code, v.name
  FROM made, made AS other, token_auth.verify_token_digest(made.digest, scheme => other.scheme) AS v
 WHERE made.scheme <> other.scheme ORDER BY 1, 2;
SELECT made.scheme, v.code FROM made, token_auth.verify_token_digest(sha256(made.digest)) AS v ORDER BY 1;
SELECT made.scheme, form, v.code
  FROM made, unnest(ARRAY['hex', 'base64']) AS form, token_auth.verify_token(encode(digest, form)) AS v ORDER BY 1, 2;
-- Without a pipe the whole secret counts, and only the first pipe separates.
SELECT code FROM token_auth.verify_token('0123456789abcdef0123456789abcdef');
SELECT code FROM token_auth.verify_token('99|0123456789abcdef0123456789abcdef');
SELECT code FROM token_auth.verify_token('9|9|0123456789abcdef0123456789abcdef');

-- Junk is not found now, if it could be a secret.
SELECT length(secret), code FROM unnest(ARRAY[repeat('k', 15), repeat('k', 16), repeat('k', 512), repeat('k', 513), '', NULL]) AS secret,
       token_auth.verify_token(secret) ORDER BY 1;
-- With our own form and a wrong checksum, too; with the right one it is looked up as ours.
SELECT code FROM token_auth.verify_token('tok_0000000000000000000000000000000000000000000' || '22CYWX');
SELECT code FROM token_auth.verify_token('tok_0000000000000000000000000000000000000000000' || '22CYWY');

-- By the secret itself: the hint shows a quarter of it at most.
SELECT token_auth.import_token(1, 'plain', '{*}', all_domains => true, secret => 'plain-text-key-of-a-customer', owner => 'ann',
                               expires_at => '2999-01-01Z', created_at => '2020-02-03Z', metadata => '{"plan": "pro"}') AS id \gset
SELECT name, hint, owner, scheme, expires_at, created_at, metadata FROM token_auth.token WHERE id = :id;
SELECT code, owner, account FROM token_auth.verify_token('plain-text-key-of-a-customer', 'any:thing');

-- A secret in our form is one of ours, whatever the scheme says; so is a digest of another database.
CREATE TEMP TABLE kept AS SELECT 'tok_0000000000000000000000000000000000000000000' || '22CYWX' AS secret;
SELECT token_auth.import_token(1, 'ours', '{*}', all_domains => true, secret => secret) AS id FROM kept \gset
SELECT scheme, hint, digest = sha256(secret::bytea) AS whole FROM token_auth.token, kept WHERE id = :id;
SELECT code FROM kept, token_auth.verify_token(secret);
SELECT token_auth.delete_token(:id);
SELECT token_auth.import_token(1, 'ours', '{*}', all_domains => true, digest => sha256(secret::bytea), scheme => 'token_auth') AS id
  FROM kept \gset
SELECT code FROM kept, token_auth.verify_token(secret);

-- An imported token is a token like any other.
SELECT id AS old FROM token_auth.token WHERE scheme = 'sha512' \gset
SELECT token_auth.pause_token(:old);
SELECT code FROM token_auth.verify_token('knox0123456789abcdef0123456789');
SELECT token_auth.resume_token(:old), token_auth.grant_access(:old, '{sms:send}', 'acme.example');
SELECT code FROM token_auth.verify_token('knox0123456789abcdef0123456789', 'sms:send', 'acme.example');
BEGIN;
SELECT code FROM token_auth.authenticate('knox0123456789abcdef0123456789');
SELECT token_auth.current_token_id() = :old AS is_it, token_auth.allows('sms:send', 'acme.example');
SELECT regress.outcome($$SELECT token_auth.import_token(1, 'x', '{*}', all_domains => true, secret => 'as-a-token-that-acts')$$);
ROLLBACK;
BEGIN;
SELECT code FROM token_auth.authenticate_digest(sha512('knox0123456789abcdef0123456789'), 'sha512');
SELECT token_auth.current_token_id() = :old AS is_it;
ROLLBACK;
-- A reset gives it a secret of ours, and the old one its grace.
SELECT token_id AS new, secret FROM token_auth.reset_token(:old) \gset
SELECT scheme FROM token_auth.token WHERE id = :new;
SELECT code, token_id = :new AS new FROM token_auth.verify_token(:'secret');
SELECT code, token_id = :old AS old FROM token_auth.verify_token('knox0123456789abcdef0123456789');
SELECT regress.outcome(format('UPDATE token_auth.token SET scheme = %L WHERE id = %s', 'sha256', :old));

-- What cannot be imported.
SELECT arguments, regress.outcome('SELECT token_auth.import_token(1, ''x'', ''{*}'', all_domains => true, ' || arguments || ')')
  FROM unnest(ARRAY[
    'digest => NULL', 'secret => ''0123456789abcdef0'', digest => sha256(''x'')', 'secret => ''0123456789abcde''',
    'secret => repeat(''k'', 513)', 'secret => ''plain-text-key-of-a-customer''', 'digest => sha256(''plain-text-key-of-a-customer'')',
    'digest => ''\x00''', 'digest => sha512(''x'')', 'digest => sha256(''x''), scheme => ''sha512''',
    'digest => sha256(''x''), scheme => NULL', 'digest => sha256(''x''), scheme => ''md5''', 'digest => sha256(''x''), scheme => ''''',
    'secret => ''0123456789abcdefg'', scheme => ''token_auth''', 'secret => ''0123456789abcdefg'', hint => ''0123456789abcdefg''',
    'digest => sha256(''0123456789abcdefg''), hint => ''0123456789abcdefg''', 'digest => sha256(''x''), hint => '' ''',
    'digest => sha256(''x''), created_at => ''2999-01-01''', 'digest => sha256(''x''), created_at => ''-infinity''',
    'digest => sha256(''x''), expires_at => ''2020-01-01''', 'digest => sha256(''x''), owner => ''''',
    'digest => sha256(''x''), metadata => ''1''']) AS arguments;
SELECT regress.outcome($$SELECT token_auth.import_token(1, 'x', '{*}', digest => sha256('x'))$$),
       regress.outcome($$SELECT token_auth.import_token(9, 'x', '{*}', all_domains => true, digest => sha256('x'))$$),
       regress.outcome($$SELECT token_auth.import_token(1, 'x', '{*}', 'none.example', digest => sha256('x'))$$),
       regress.outcome($$SELECT token_auth.import_token(1, 'x', '{repo}', all_domains => true, digest => sha256('x'))$$),
       regress.outcome($$SELECT token_auth.import_token(1, 'x', NULL, all_domains => true, digest => sha256('x'))$$);

-- A whole table in one statement, and all or none of it.
CREATE TEMP TABLE old_keys AS SELECT n, encode(sha256(('old key number ' || n)::bytea), 'hex') AS hash FROM generate_series(1, 1000) AS n;
SELECT count(token_auth.import_token(2, 'key ' || n, '{email:send}', all_domains => true, digest => decode(hash, 'hex'),
                                     owner => 'user ' || n % 10)) FROM old_keys;
SELECT count(*) FROM old_keys, token_auth.verify_token('old key number ' || n, 'email:send') AS v WHERE v.valid AND v.account = 'Globex';
SELECT regress.outcome($$SELECT count(token_auth.import_token(2, 'x', '{*}', all_domains => true, digest => sha256(n::text::bytea)))
                           FROM (VALUES (1), (2), (1)) AS again (n)$$);
SELECT count(*) FROM token_auth.token WHERE account_id = 2;

-- The guard of NULL and of unknown schemes in verification, and a profile that reveals.
SELECT regress.outcome($$SELECT token_auth.verify_token_digest('\x00', scheme => NULL)$$),
       regress.outcome($$SELECT token_auth.verify_token_digest('\x00', scheme => 'md5')$$),
       regress.outcome($$SELECT token_auth.authenticate_digest('\x00', 'md5')$$);
