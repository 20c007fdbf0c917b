-- The time of the call decides: clock_timestamp(), which proceeds during a transaction, and not now().
CALL regress.begin();
SELECT token_auth.create_account('Acme');
SELECT token_id, secret FROM token_auth.create_token(1, 'brief', '{*}', all_domains => true,
                                                     expires_at => clock_timestamp() + interval '700 ms') \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT code FROM token_auth.verify_token(:'secret');
SELECT pg_sleep_until(expires_at) FROM token_auth.token WHERE id = :token_id;
SELECT code, now() < expires_at AS "now() has not moved" FROM token_auth.verify_token(:'secret');
SELECT status FROM token_auth.tokens WHERE id = :token_id;
COMMIT;

-- An expired token can be renamed, paused and deleted, but neither reset nor given another expiry.
SELECT regress.outcome(format('SELECT token_auth.reset_token(%s)', :token_id));
SELECT regress.outcome(format('SELECT token_auth.set_token_expiry(%s, ''infinity'')', :token_id));
SELECT token_auth.rename_token(:token_id, 'gone'), token_auth.pause_token(:token_id);
SELECT name, status FROM token_auth.tokens WHERE id = :token_id;
SELECT token_auth.delete_token(:token_id);
