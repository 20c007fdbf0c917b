-- Secrets that can be revealed, where the profile says can_reveal.

CREATE FUNCTION token_auth.reveal_token(id bigint, account_id bigint DEFAULT NULL) RETURNS text
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reveal_token_wrapper';

COMMENT ON FUNCTION token_auth.reveal_token(bigint, bigint) IS
'Returns the secret of a token once more, from its sealed copy. It writes nothing.
account_id: when given, an id of another account is unknown.
Errors: 22023 for a NULL id; P0002 for an unknown id; 42501 under a profile without can_reveal, and for a caller who may not manage here; 55000 for a token without a sealed copy, without a key file, and for a copy sealed under a key that it does not have; F0000 for a key file that cannot be used; XX001 for a sealed copy that was changed or moved to another row.';

CREATE FUNCTION token_auth.reseal_tokens(max_tokens bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'reseal_tokens_wrapper';

COMMENT ON FUNCTION token_auth.reseal_tokens(bigint) IS
'Seals every secret that is sealed under an old key anew, under the first key of the key file, and returns how many. An old key is needed no more when it returns 0 and no transaction is left that began under that key.
max_tokens: at most so many; NULL is all.
Errors: 22023 for a limit that is not greater than zero; 42501 in a transaction that acts as a token; 55000 without a key file, or for a token sealed under a key that it does not have; F0000 for a key file that cannot be used; XX001 for a sealed copy that does not open. On an error none is changed.';

-- Whoever changes a profile, or the profile of an account, by whatever means: what may not be revealed is not kept.
CREATE FUNCTION token_auth.erase_sealed_of_profile() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'erase_sealed_of_profile_wrapper';

COMMENT ON FUNCTION token_auth.erase_sealed_of_profile() IS
'Trigger: erases the sealed copies of a profile''s tokens after it lost can_reveal.';

CREATE FUNCTION token_auth.erase_sealed_of_account() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'erase_sealed_of_account_wrapper';

COMMENT ON FUNCTION token_auth.erase_sealed_of_account() IS
'Trigger: erases the sealed copies of an account''s tokens after it got a profile without can_reveal.';

CREATE FUNCTION token_auth.lock_profile_first() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'lock_profile_first_wrapper';

COMMENT ON FUNCTION token_auth.lock_profile_first() IS
'Trigger: waits for accounts that are on their way to a profile which is about to lose can_reveal.';

CREATE FUNCTION token_auth.lock_account_first() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'lock_account_first_wrapper';

COMMENT ON FUNCTION token_auth.lock_account_first() IS
'Trigger: waits for tokens that are being made in an account which is about to get another profile.';

CREATE TRIGGER lock_first BEFORE UPDATE ON token_auth.profile
    FOR EACH ROW WHEN (OLD.can_reveal AND NOT NEW.can_reveal) EXECUTE FUNCTION token_auth.lock_profile_first();
CREATE TRIGGER lock_first BEFORE UPDATE ON token_auth.account
    FOR EACH ROW WHEN (OLD.profile IS DISTINCT FROM NEW.profile) EXECUTE FUNCTION token_auth.lock_account_first();
CREATE TRIGGER erase_sealed AFTER UPDATE ON token_auth.profile
    FOR EACH ROW WHEN (OLD.can_reveal AND NOT NEW.can_reveal) EXECUTE FUNCTION token_auth.erase_sealed_of_profile();
CREATE TRIGGER erase_sealed AFTER UPDATE ON token_auth.account
    FOR EACH ROW WHEN (OLD.profile IS DISTINCT FROM NEW.profile) EXECUTE FUNCTION token_auth.erase_sealed_of_account();

COMMENT ON TRIGGER lock_first ON token_auth.profile IS 'No account comes to the profile while sealed copies are erased';
COMMENT ON TRIGGER lock_first ON token_auth.account IS 'No token is made in the account while sealed copies are erased';
COMMENT ON TRIGGER erase_sealed ON token_auth.profile IS 'What may not be revealed any more is not kept';
COMMENT ON TRIGGER erase_sealed ON token_auth.account IS 'What may not be revealed any more is not kept';
