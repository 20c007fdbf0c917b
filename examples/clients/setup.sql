-- What the examples of this folder need: a token, and a table under row-level security for the role `backend`.
CREATE EXTENSION token_auth;
CREATE ROLE backend LOGIN;
GRANT EXECUTE ON FUNCTION
    token_auth.verify_token, token_auth.authenticate, token_auth.create_token, token_auth.pause_token TO backend;

CREATE TABLE message (account_id bigint, domain text);
INSERT INTO message VALUES (1, 'acme.example'), (2, 'rival.example');
ALTER TABLE message ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON message
    USING (account_id = (SELECT token_auth.current_account_id())
           AND domain = ANY (token_auth.allowed_domains('email:read')));
GRANT SELECT ON message TO backend;

SELECT token_auth.create_account('Acme') AS acme \gset
SELECT domain_id FROM token_auth.create_domain(:acme, 'acme.example');
SELECT secret FROM token_auth.create_token(:acme, 'client', '{email:read}', 'acme.example',
                                           metadata => '{"plan": "pro"}');
