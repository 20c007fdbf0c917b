-- API tokens for PostgREST: each request acts as the token that it carries, and row-level security decides with it.
--
--     db-schemas     = "api"
--     db-anon-role   = "web_anon"
--     db-pre-request = "api.authenticate_request"
--
--     curl -H "Authorization: Token $SECRET" http://localhost:3000/message
--
-- "Token", because PostgREST takes what comes as "Bearer" for a JWT of its own, and answers anything else with an error
-- (PGRST300, PGRST301) before it calls this function: https://docs.postgrest.org/en/v12/references/auth.html
-- Bearer is understood here for gateways that keep to the same contract and leave that header alone. Where users come
-- with JWTs as well, take it out below: a JWT is no API token, and would be refused.
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

-- Owns the function, and is the only one of these who may authenticate: what web_anon calls takes a secret from the
-- headers of its request, and from nowhere else.
CREATE ROLE request_authenticator NOLOGIN;
GRANT EXECUTE ON FUNCTION token_auth.authenticate TO request_authenticator;

CREATE FUNCTION api.authenticate_request() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- '' is as good as unset: a setting of an earlier transaction reads so for the rest of the session.
    headers     json := nullif(current_setting('request.headers', true), '');
    credentials text[] := regexp_match(btrim(headers ->> 'authorization'), '^(?:token|bearer)(?:\s+(.*))?$', 'i');
    answer      text;
BEGIN
    IF credentials IS NULL THEN
        -- No token, or another scheme: nobody, also where this transaction was somebody before.
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
