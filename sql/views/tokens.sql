-- The planner can look into this view, so a page of a list reads the rows of the page. It can because nothing in the view is
-- volatile (statement_timestamp() is not, clock_timestamp() is), the access is a subquery that is computed for the result
-- only, and the view is no security barrier. It needs none: it hides no row, and a condition sees only its columns.
CREATE VIEW token_auth.tokens AS
SELECT t.id,
       t.name,
       t.owner,
       t.account_id,
       a.name AS account,
       t.domain_id,
       d.name AS domain,
       t.hint,
       CASE
           WHEN t.paused_at IS NOT NULL OR a.paused_at IS NOT NULL     THEN 'paused'
           WHEN t.expires_at <= pg_catalog.statement_timestamp()       THEN 'expired'
           WHEN t.replaced_at IS NOT NULL                              THEN 'retiring'
           ELSE 'active'
       END AS status,
       coalesce((
           SELECT pg_catalog.string_agg(
                      coalesce((SELECT xd.name FROM token_auth.domain xd WHERE xd.id = x.domain_id), 'every domain')
                      || ': ' ||
                      CASE
                          WHEN x.scopes && '{*,*:*,*:full}' THEN 'full access'
                          ELSE pg_catalog.array_to_string(x.scopes, ', ')
                      END,
                      '; ' ORDER BY x.domain_id NULLS FIRST)
             FROM token_auth.token_access x
            WHERE x.token_id = t.id), 'no access') AS access,
       t.networks,
       t.created_by,
       t.created_at,
       t.expires_at,
       t.leaked_at,
       t.leak_source,
       t.metadata
  FROM token_auth.token t
  JOIN token_auth.account a ON a.id = t.account_id
  LEFT JOIN token_auth.domain d ON d.id = t.domain_id;

COMMENT ON VIEW   token_auth.tokens IS 'One row is a token, for people and for lists. It never contains a digest or a sealed copy';
COMMENT ON COLUMN token_auth.tokens.id IS 'Id of the token';
COMMENT ON COLUMN token_auth.tokens.name IS 'Name';
COMMENT ON COLUMN token_auth.tokens.owner IS 'The person or service that the token belongs to, or NULL';
COMMENT ON COLUMN token_auth.tokens.account_id IS 'Id of the account';
COMMENT ON COLUMN token_auth.tokens.account IS 'Name of the account';
COMMENT ON COLUMN token_auth.tokens.domain_id IS 'Id of the home, or NULL';
COMMENT ON COLUMN token_auth.tokens.domain IS 'Name of the home, or NULL';
COMMENT ON COLUMN token_auth.tokens.hint IS 'The first 8 and the last 4 characters of the secret; of an imported one fewer if it is short, or what was given';
COMMENT ON COLUMN token_auth.tokens.status IS 'The first of these that applies at the start of the statement: paused (the token or its account), expired, retiring (reset, in its grace), active';
COMMENT ON COLUMN token_auth.tokens.access IS 'For each domain, or for every domain, the scopes or "full access"';
COMMENT ON COLUMN token_auth.tokens.networks IS 'The networks from which the token is accepted, or NULL for anywhere';
COMMENT ON COLUMN token_auth.tokens.created_by IS 'Creator';
COMMENT ON COLUMN token_auth.tokens.created_at IS 'Time of creation';
COMMENT ON COLUMN token_auth.tokens.expires_at IS 'Expiry, or NULL for never';
COMMENT ON COLUMN token_auth.tokens.leaked_at IS 'When the secret was first reported as leaked, or NULL';
COMMENT ON COLUMN token_auth.tokens.leak_source IS 'Where it was found, or NULL';
COMMENT ON COLUMN token_auth.tokens.metadata IS 'Metadata of the application';
