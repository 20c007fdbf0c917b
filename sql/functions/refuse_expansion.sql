-- Support function of the functions that create something and return a row.
CREATE FUNCTION token_auth.refuse_expansion(internal) RETURNS internal
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'refuse_expansion_wrapper';

COMMENT ON FUNCTION token_auth.refuse_expansion(internal) IS
'Planner support function. Refuses (function(...)).*, which would call the function once for each column. Only the planner calls it.
Errors: 0A000.';
