-- Returns the scope for an ability of another system. A word alone is the action "use" of a resource with that name.
CREATE FUNCTION scope_of(ability text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT CASE
           WHEN ability = '*'         THEN '*'
           WHEN ability LIKE '%:%'    THEN lower(ability)
           ELSE regexp_replace(lower(ability), '[^a-z0-9_.-]', '-', 'g') || ':use'
       END
$$;
