-- Alternatives with the same results: tables and a function in PL/pgSQL, and JSON Web Tokens.
CREATE SCHEMA peer;
CREATE EXTENSION pgcrypto SCHEMA public;

CREATE TABLE peer.account (
    id                    bigint PRIMARY KEY,
    name                  text NOT NULL,
    paused_at             timestamptz,
    needs_verified_domain bool NOT NULL
);

CREATE TABLE peer.domain (
    id          bigint PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES peer.account,
    name        text NOT NULL,
    verified_at timestamptz
);

CREATE TABLE peer.token (
    id           bigint PRIMARY KEY,
    account_id   bigint NOT NULL REFERENCES peer.account,
    domain_id    bigint REFERENCES peer.domain,
    name         text NOT NULL,
    digest       bytea NOT NULL,
    paused_at    timestamptz,
    expires_at   timestamptz,
    last_used_at timestamptz,
    metadata     jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE peer.token_access (
    token_id  bigint NOT NULL REFERENCES peer.token,
    domain_id bigint REFERENCES peer.domain,
    scopes    text[] NOT NULL
);

INSERT INTO peer.account SELECT a.id, a.name, a.paused_at, p.needs_verified_domain
  FROM token_auth.account AS a JOIN token_auth.profile AS p ON p.name = a.profile;
INSERT INTO peer.domain SELECT id, account_id, name, verified_at FROM token_auth.domain;
INSERT INTO peer.token SELECT id, account_id, domain_id, name, digest, paused_at, expires_at, NULL, metadata
  FROM token_auth.token;
INSERT INTO peer.token_access SELECT token_id, domain_id, scopes FROM token_auth.token_access;

CREATE UNIQUE INDEX ON peer.token (digest);
CREATE UNIQUE INDEX ON peer.domain (account_id, lower(name COLLATE "C"));
CREATE UNIQUE INDEX ON peer.token_access (token_id, domain_id) NULLS NOT DISTINCT;

-- Returns the grants that cover a scope, so that the match is one array operator.
CREATE FUNCTION peer.covering(scope text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    resource text := split_part(scope, ':', 1);
    action   text := split_part(scope, ':', 2);
    grants   text[] := ARRAY['*', '*:*', '*:full', '*:' || action];
BEGIN
    LOOP
        grants := grants || ARRAY[resource || ':' || action, resource || ':full', resource || ':*'];
        EXIT WHEN strpos(resource, '.') = 0;
        resource := regexp_replace(resource, '[.][^.]*$', '');
    END LOOP;
    RETURN grants;
END $$;

-- A typo is recognized by the length only, which costs less than a checksum.
CREATE FUNCTION peer.verify_token(secret text, scope text, domain text) RETURNS token_auth.verification
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    held   record;
    grants text[] := peer.covering(scope);
    answer token_auth.verification;
BEGIN
    answer.valid := false;
    IF secret IS NULL OR octet_length(secret) NOT BETWEEN 50 AND 61 THEN
        answer.code := 'malformed';
        RETURN answer;
    END IF;

    SELECT t.id, t.account_id, a.name AS account, t.domain_id, t.name, t.expires_at, t.metadata, d.id AS named_domain_id,
           t.paused_at IS NOT NULL OR a.paused_at IS NOT NULL AS paused,
           x.applies, x.covers
      INTO held
      FROM peer.token AS t
      JOIN peer.account AS a ON a.id = t.account_id
      LEFT JOIN peer.domain AS d
        ON d.account_id = t.account_id AND lower(d.name COLLATE "C") = lower(domain COLLATE "C")
       AND (d.verified_at IS NOT NULL OR NOT a.needs_verified_domain)
     CROSS JOIN LATERAL (
           SELECT count(*) > 0 AS applies, bool_or(access.scopes && grants) AS covers
             FROM peer.token_access AS access
            WHERE access.token_id = t.id
              AND (domain IS NULL OR d.id IS NOT NULL)
              AND (access.domain_id IS NULL OR access.domain_id = d.id)) AS x
     WHERE t.digest = sha256(convert_to(secret, 'UTF8'));
    IF NOT FOUND THEN
        answer.code := 'not_found';
        RETURN answer;
    END IF;

    answer.token_id   := held.id;
    answer.account_id := held.account_id;
    answer.account    := held.account;
    answer.domain_id  := CASE WHEN domain IS NULL THEN held.domain_id ELSE held.named_domain_id END;
    answer.name       := held.name;
    answer.expires_at := held.expires_at;
    answer.metadata   := held.metadata;
    answer.code := CASE
        WHEN held.paused THEN 'paused'
        WHEN held.expires_at <= clock_timestamp() THEN 'expired'
        WHEN scope IS NULL AND domain IS NULL THEN 'ok'
        WHEN NOT held.applies THEN 'domain_not_allowed'
        WHEN scope IS NOT NULL AND NOT held.covers THEN 'insufficient_scope'
        ELSE 'ok'
    END;
    answer.valid := answer.code = 'ok';
    RETURN answer;
END $$;

-- HS256. The key is a constant, as in the configuration of a backend.
CREATE FUNCTION peer.sign_jwt(token_id bigint, scopes text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT signed || '.' || translate(encode(public.hmac(signed, 'a key of 32 bytes, as is advised', 'sha256'),
                                             'base64'), '+/=', '-_')
      FROM (SELECT 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.' || translate(encode(convert_to(json_build_object(
                       'sub', token_id, 'account', token_id, 'scope', scopes, 'exp', 4102444800)::text, 'UTF8'),
                       'base64'),
                   E'+/=\n', '-_')) AS payload(signed)
$$;

CREATE FUNCTION peer.verify_jwt(jwt text, scope text) RETURNS token_auth.verification
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    header    text := split_part(jwt, '.', 1);
    payload   text := split_part(jwt, '.', 2);
    signature text := split_part(jwt, '.', 3);
    claims    jsonb;
    answer    token_auth.verification;
BEGIN
    answer.valid := false;
    -- Only one header is accepted, so no other algorithm can be used.
    IF header IS DISTINCT FROM 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9' THEN
        answer.code := 'malformed';
        RETURN answer;
    END IF;
    IF signature IS DISTINCT FROM translate(
           encode(public.hmac(header || '.' || payload, 'a key of 32 bytes, as is advised', 'sha256'), 'base64'), '+/=',
               '-_') THEN
        answer.code := 'not_found';
        RETURN answer;
    END IF;

    claims := convert_from(decode(rpad(translate(payload, '-_', '+/'), (length(payload) + 3) / 4 * 4, '='), 'base64'),
                           'UTF8');
    answer.token_id   := claims ->> 'sub';
    answer.account_id := claims ->> 'account';
    answer.expires_at := to_timestamp((claims ->> 'exp')::float8);
    answer.code := CASE
        WHEN answer.expires_at <= clock_timestamp() THEN 'expired'
        WHEN scope <> ALL (string_to_array(claims ->> 'scope', ' ')) THEN 'insufficient_scope'
        ELSE 'ok'
    END;
    answer.valid := answer.code = 'ok';
    RETURN answer;
END $$;
