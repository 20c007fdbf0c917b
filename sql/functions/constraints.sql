-- The rules that CHECK constraints share with the functions.

CREATE FUNCTION token_auth.is_name(name text) RETURNS bool
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'is_name_wrapper';

COMMENT ON FUNCTION token_auth.is_name(text) IS
'Returns true if a text is a name: at most 255 characters, at least one of them visible, and no control character. NULL for NULL. Used by CHECK constraints.';

CREATE FUNCTION token_auth.are_scopes(scopes text[]) RETURNS bool
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'are_scopes_wrapper';

COMMENT ON FUNCTION token_auth.are_scopes(text[]) IS
'Returns true if each element is a scope that can be granted (resource:action, with * allowed on either side, or * alone), and there are at most 256. NULL for NULL. Used by CHECK constraints.';

CREATE FUNCTION token_auth.are_actions(actions text[]) RETURNS bool
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'are_actions_wrapper';

COMMENT ON FUNCTION token_auth.are_actions(text[]) IS
'Returns true if each element is the action of a scope without a wildcard (full, not *) of at most 64 bytes, none is repeated, and there are at most 256. NULL for NULL. Used by CHECK constraints.';

-- '1 month -29 days' compares as positive, and is negative in a February.
CREATE FUNCTION token_auth.is_not_negative(span interval) RETURNS bool
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN least(date_part('month', span), date_part('year', span), date_part('day', span),
                 date_part('hour', span), date_part('minute', span), date_part('second', span)) >= 0;

COMMENT ON FUNCTION token_auth.is_not_negative(interval) IS
'Returns true if no field of an interval is negative. NULL for NULL. Used by CHECK constraints.';
