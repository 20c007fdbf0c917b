-- As exported: the hash is base64 of SHA-256, and times are milliseconds since 1970.
SELECT count(token_auth.import_token(
           :app, coalesce(name, start), ARRAY(SELECT scope_of(replace(permission, '.', ':')) FROM unnest(permissions) AS permission),
           all_domains => true,
           digest      => decode(hash, 'base64'),
           hint        => start || '...',
           owner       => external_id,
           expires_at  => to_timestamp(expires / 1000.0),
           created_at  => to_timestamp(created_at / 1000.0))) AS imported
  FROM unkey_keys
 WHERE enabled
   AND (expires IS NULL OR to_timestamp(expires / 1000.0) > now());
