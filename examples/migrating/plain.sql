SELECT count(token_auth.import_token(
           :app, 'key of ' || email, '{*}', all_domains => true,
           secret     => api_key,
           owner      => id::text,
           created_at => created_at)) AS imported
  FROM users
 WHERE api_key IS NOT NULL;
