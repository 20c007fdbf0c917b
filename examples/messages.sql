-- Messages of an email product whose customers share a table: row-level security with tokens.
-- docs/row-level-security.md explains each step. Run it in an empty database, as a superuser:
--     psql --file=examples/messages.sql

-- The table, and an ordinary role for the backend.
CREATE EXTENSION token_auth;

CREATE ROLE backend;
GRANT EXECUTE ON FUNCTION token_auth.authenticate TO backend;

CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO backend;

CREATE TABLE app.message (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    domain     text   NOT NULL CHECK (domain = lower(domain COLLATE "C")),
    token_id   bigint,
    subject    text   NOT NULL
);
CREATE INDEX message_account_id_domain_idx ON app.message (account_id, domain);

GRANT SELECT, INSERT, UPDATE (domain, subject) ON app.message TO backend;

-- The token of the transaction decides who may read, send and edit.
ALTER TABLE app.message ENABLE ROW LEVEL SECURITY;

CREATE POLICY message_read ON app.message FOR SELECT
    USING (account_id = (SELECT token_auth.current_account_id())
           AND domain = ANY (token_auth.allowed_domains('email:read')));

CREATE POLICY message_send ON app.message FOR INSERT
    WITH CHECK (account_id = (SELECT token_auth.current_account_id())
                AND token_auth.allows('email:send', domain));

CREATE POLICY message_edit ON app.message FOR UPDATE
    USING (account_id = (SELECT token_auth.current_account_id())
           AND domain = ANY (token_auth.allowed_domains('email:send')))
    WITH CHECK (account_id = (SELECT token_auth.current_account_id())
                AND token_auth.allows('email:send', domain));

-- A new message takes its account and its token from the transaction.
CREATE FUNCTION app.stamp_message() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.account_id := token_auth.current_account_id();
    NEW.token_id   := token_auth.current_token_id();
    NEW.domain     := lower(NEW.domain COLLATE "C");
    RETURN NEW;
END
$$;
CREATE TRIGGER stamp_message BEFORE INSERT ON app.message
    FOR EACH ROW EXECUTE FUNCTION app.stamp_message();

-- Two customers with their tokens.
SELECT token_auth.create_account('Acme') AS acme, token_auth.create_account('Globex') AS globex \gset
SELECT domain_id FROM token_auth.create_domain(:acme, 'acme.example');
SELECT domain_id FROM token_auth.create_domain(:acme, 'shop.example');
SELECT domain_id FROM token_auth.create_domain(:globex, 'globex.example');

SELECT secret AS shop FROM token_auth.create_token(:acme, 'the shop', '{email:send,email:read}', 'shop.example') \gset
SELECT secret AS reader FROM token_auth.create_token(:acme, 'statistics', '{*:read}', all_domains => true) \gset
SELECT secret AS globex_secret FROM token_auth.create_token(:globex, 'everything', '{*}', all_domains => true) \gset

-- A request from the shop.
SET ROLE backend;

BEGIN;
SELECT code FROM token_auth.authenticate(:'shop');
INSERT INTO app.message (domain, subject) VALUES ('shop.example', 'Your order'), ('Shop.example', 'Your invoice');
SELECT account_id, domain, subject FROM app.message;
COMMIT;

-- The shop may not send from another domain, and a token that may only read may not edit.
BEGIN;
SELECT code FROM token_auth.authenticate(:'shop');
INSERT INTO app.message (domain, subject) VALUES ('acme.example', 'From the management');
ROLLBACK;

BEGIN;
SELECT code FROM token_auth.authenticate(:'reader');
SELECT domain, subject FROM app.message;
UPDATE app.message SET subject = 'Spam' RETURNING subject;
ROLLBACK;

-- Another customer does not see these messages, and neither does a transaction without a token.
BEGIN;
SELECT code FROM token_auth.authenticate(:'globex_secret');
SELECT count(*) FROM app.message;
COMMIT;

SELECT count(*), token_auth.current_token_id() FROM app.message;

-- A view runs as its owner, to whom no policy applies, unless it is a security invoker.
RESET ROLE;
CREATE VIEW app.every_message AS SELECT domain, subject FROM app.message;
CREATE VIEW app.own_message WITH (security_invoker = true) AS SELECT domain, subject FROM app.message;
GRANT SELECT ON app.every_message, app.own_message TO backend;
SET ROLE backend;

BEGIN;
SELECT code FROM token_auth.authenticate(:'globex_secret');
SELECT (SELECT count(*) FROM app.every_message) AS every_message, (SELECT count(*) FROM app.own_message) AS own_message;
COMMIT;

-- More messages, so that the planner uses the index.
RESET ROLE;
ALTER TABLE app.message DISABLE TRIGGER stamp_message;
INSERT INTO app.message (account_id, domain, subject)
SELECT nr % 100 + 10, 'domain-' || nr % 1000 || '.example', 'Message ' || nr FROM generate_series(1, 100000) AS nr;
ALTER TABLE app.message ENABLE TRIGGER stamp_message;
VACUUM ANALYZE app.message;
SET ROLE backend;

-- The policy for SELECT: the account is computed once, and an index finds the rows.
BEGIN;
SELECT code FROM token_auth.authenticate(:'shop');
EXPLAIN (COSTS OFF) SELECT subject FROM app.message;
COMMIT;

-- A condition that is computed for each row, and one that is computed once.
RESET ROLE;
EXPLAIN (COSTS OFF) SELECT subject FROM app.message WHERE token_auth.allows('email:read', domain);
EXPLAIN (COSTS OFF) SELECT subject FROM app.message WHERE token_id = token_auth.current_token_id();
EXPLAIN (COSTS OFF) SELECT subject FROM app.message WHERE token_id = (SELECT token_auth.current_token_id());
