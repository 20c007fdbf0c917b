-- API tokens for PostgREST: each request acts as the token in its header, and row-level security applies to it.
--
--     db-schemas     = "api"
--     db-anon-role   = "web_anon"
--     db-pre-request = "api.authenticate_request"
--
--     curl -H "Authorization: Token $SECRET" http://localhost:3000/message
--
-- "Token", because PostgREST expects a JWT after "Bearer", and reports anything else as an error
-- (PGRST300, PGRST301) before it calls this function: https://docs.postgrest.org/en/v12/references/auth.html
-- The function also accepts "Bearer", for gateways that call it in the same way and do not interpret the header. If users
-- also send JWTs, remove it below: a JWT is not an API token, and would be refused.
--
-- In each transaction PostgREST sets the role and request.headers, a JSON object with the names in lower case, and then
-- calls this function: https://docs.postgrest.org/en/v12/references/transactions.html#pre-request
-- SQLSTATE PT401 becomes the HTTP status 401:
-- https://docs.postgrest.org/en/v12/references/errors.html#raise-errors-with-http-status-codes

CREATE ROLE authenticator LOGIN NOINHERIT NOCREATEDB NOCREATEROLE NOSUPERUSER;
CREATE ROLE web_anon NOLOGIN;
GRANT web_anon TO authenticator;

CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO web_anon;

-- The owner of the function is the only one of these roles that may authenticate: web_anon can only pass on the secret
-- in the headers of its request.
CREATE ROLE request_authenticator NOLOGIN;
GRANT EXECUTE ON FUNCTION token_auth.authenticate TO request_authenticator;

CREATE FUNCTION api.authenticate_request() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- '' means unset: a setting of an earlier transaction has this value for the rest of the session.
    headers     json := nullif(current_setting('request.headers', true), '');
    credentials text[] := regexp_match(btrim(headers ->> 'authorization'), '^(?:token|bearer)(?:\s+(.*))?$', 'i');
    answer      text;
BEGIN
    IF credentials IS NULL THEN
        -- No token, or another scheme: the transaction has no token, even if it had one before.
        PERFORM token_auth.deauthenticate();
        RETURN;
    END IF;
    answer := (token_auth.authenticate(credentials[1])).code;
    IF answer <> 'ok' THEN
        RAISE SQLSTATE 'PT401' USING
            MESSAGE = 'the API token was refused',
            DETAIL = format('Its state is %s.', answer),
            HINT = 'Send "Authorization: Token ...", with a token that is neither paused nor expired nor deleted.';
    END IF;
END $$;

ALTER FUNCTION api.authenticate_request() OWNER TO request_authenticator;
REVOKE ALL ON FUNCTION api.authenticate_request() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.authenticate_request() TO web_anon;
