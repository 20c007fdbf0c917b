-- Columns that cannot be changed. One trigger function serves all tables: its argument names the column.

CREATE FUNCTION token_auth.refuse_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'refuse_change_wrapper';

COMMENT ON FUNCTION token_auth.refuse_change() IS
'Trigger: refuses (23514) the change of the column that its argument names.';

CREATE TRIGGER keep_id BEFORE UPDATE ON token_auth.account
    FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id)
    EXECUTE FUNCTION token_auth.refuse_change('id');
COMMENT ON TRIGGER keep_id ON token_auth.account IS 'An id cannot be changed';

CREATE TRIGGER keep_id BEFORE UPDATE ON token_auth.domain
    FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id)
    EXECUTE FUNCTION token_auth.refuse_change('id');
COMMENT ON TRIGGER keep_id ON token_auth.domain IS 'An id cannot be changed';

CREATE TRIGGER keep_account_id BEFORE UPDATE ON token_auth.domain
    FOR EACH ROW WHEN (OLD.account_id IS DISTINCT FROM NEW.account_id)
    EXECUTE FUNCTION token_auth.refuse_change('account_id');
COMMENT ON TRIGGER keep_account_id ON token_auth.domain IS 'The account of a domain cannot be changed';

CREATE TRIGGER keep_id BEFORE UPDATE ON token_auth.token
    FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id)
    EXECUTE FUNCTION token_auth.refuse_change('id');
COMMENT ON TRIGGER keep_id ON token_auth.token IS 'An id cannot be changed';

CREATE TRIGGER keep_account_id BEFORE UPDATE ON token_auth.token
    FOR EACH ROW WHEN (OLD.account_id IS DISTINCT FROM NEW.account_id)
    EXECUTE FUNCTION token_auth.refuse_change('account_id');
COMMENT ON TRIGGER keep_account_id ON token_auth.token IS 'The account of a token cannot be changed';

CREATE TRIGGER keep_scheme BEFORE UPDATE ON token_auth.token
    FOR EACH ROW WHEN (OLD.scheme IS DISTINCT FROM NEW.scheme)
    EXECUTE FUNCTION token_auth.refuse_change('scheme');
COMMENT ON TRIGGER keep_scheme ON token_auth.token IS 'The scheme of a token cannot be changed: only a new row is announced';

CREATE TRIGGER keep_id BEFORE UPDATE ON token_auth.token_access
    FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id)
    EXECUTE FUNCTION token_auth.refuse_change('id');
COMMENT ON TRIGGER keep_id ON token_auth.token_access IS 'An id cannot be changed';
