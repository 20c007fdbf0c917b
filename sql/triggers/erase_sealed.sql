-- Sealed copies of secrets that may no longer be revealed are erased, however a profile or the profile of an account changes.
CREATE FUNCTION token_auth.erase_sealed_of_profile() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'erase_sealed_of_profile_wrapper';

COMMENT ON FUNCTION token_auth.erase_sealed_of_profile() IS
'Trigger: erases the sealed copies of the tokens of a profile that lost can_reveal.';

CREATE FUNCTION token_auth.erase_sealed_of_account() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'erase_sealed_of_account_wrapper';

COMMENT ON FUNCTION token_auth.erase_sealed_of_account() IS
'Trigger: erases the sealed copies of the tokens of an account that got a profile without can_reveal.';

CREATE FUNCTION token_auth.lock_profile_first() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'lock_profile_first_wrapper';

COMMENT ON FUNCTION token_auth.lock_profile_first() IS
'Trigger: waits for transactions that give an account a profile which loses can_reveal.';

CREATE FUNCTION token_auth.lock_account_first() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'lock_account_first_wrapper';

COMMENT ON FUNCTION token_auth.lock_account_first() IS
'Trigger: waits for transactions that create tokens in an account which gets another profile.';

CREATE TRIGGER lock_first BEFORE UPDATE ON token_auth.profile
    FOR EACH ROW WHEN (OLD.can_reveal AND NOT NEW.can_reveal) EXECUTE FUNCTION token_auth.lock_profile_first();
CREATE TRIGGER lock_first BEFORE UPDATE ON token_auth.account
    FOR EACH ROW WHEN (OLD.profile IS DISTINCT FROM NEW.profile) EXECUTE FUNCTION token_auth.lock_account_first();
CREATE TRIGGER erase_sealed AFTER UPDATE ON token_auth.profile
    FOR EACH ROW WHEN (OLD.can_reveal AND NOT NEW.can_reveal) EXECUTE FUNCTION token_auth.erase_sealed_of_profile();
CREATE TRIGGER erase_sealed AFTER UPDATE ON token_auth.account
    FOR EACH ROW WHEN (OLD.profile IS DISTINCT FROM NEW.profile) EXECUTE FUNCTION token_auth.erase_sealed_of_account();

COMMENT ON TRIGGER lock_first ON token_auth.profile IS 'No account gets the profile while sealed copies are erased';
COMMENT ON TRIGGER lock_first ON token_auth.account IS 'No token is created in the account while sealed copies are erased';
COMMENT ON TRIGGER erase_sealed ON token_auth.profile IS 'Sealed copies that may no longer be revealed are erased';
COMMENT ON TRIGGER erase_sealed ON token_auth.account IS 'Sealed copies that may no longer be revealed are erased';
