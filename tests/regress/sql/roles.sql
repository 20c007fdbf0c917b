-- The roles that docs/privileges.md describes, and a function that shows an error completely.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_manager, regress_verifier, regress_nobody;
RESET client_min_messages;
CREATE ROLE regress_manager;
CREATE ROLE regress_verifier;
CREATE ROLE regress_nobody;

GRANT EXECUTE ON FUNCTION token_auth.verify_token, token_auth.token_is_valid, token_auth.describe_token TO regress_verifier;
GRANT EXECUTE ON FUNCTION
    token_auth.create_account, token_auth.pause_account, token_auth.resume_account, token_auth.rename_account,
    token_auth.set_account_profile, token_auth.delete_account, token_auth.add_account_admin,
    token_auth.remove_account_admin,
    token_auth.create_domain, token_auth.rename_domain, token_auth.set_domain_verified, token_auth.delete_domain,
    token_auth.create_token, token_auth.grant_access, token_auth.revoke_access, token_auth.reset_token,
    token_auth.pause_token, token_auth.resume_token, token_auth.rename_token, token_auth.set_token_expiry,
    token_auth.set_token_metadata, token_auth.merge_token_metadata, token_auth.set_token_owner,
    token_auth.set_token_networks, token_auth.delete_token, token_auth.revoke_tokens
    TO regress_manager;
GRANT SELECT ON token_auth.tokens, token_auth.account, token_auth.domain, token_auth.token_access, token_auth.profile
    TO regress_manager;

CREATE SCHEMA regress;
GRANT USAGE ON SCHEMA regress TO PUBLIC;

-- Returns "ok", or the SQLSTATE, the word in the field CONSTRAINT, the message and the hint of a statement.
CREATE FUNCTION regress.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text; word text; message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, word = CONSTRAINT_NAME, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    -- A failing row contains times.
    IF detail LIKE 'Failing row%' THEN detail := ''; END IF;
    RETURN concat_ws(E'\n', concat_ws(' ', state, nullif(word, ''), message), 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''));
END
$$;

-- Begins a file with empty tables and with ids from 1.
CREATE PROCEDURE regress.begin() LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL client_min_messages = warning;
    TRUNCATE token_auth.account RESTART IDENTITY CASCADE;
    DELETE FROM token_auth.profile WHERE NOT builtin;
END
$$;
