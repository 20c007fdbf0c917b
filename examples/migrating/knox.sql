SELECT count(token_auth.import_token(
           :app, 'knox ' || token_key, '{*}', all_domains => true,
           digest     => decode(digest, 'hex'),
           scheme     => 'sha512',
           hint       => token_key || '...',
           owner      => user_id::text,
           expires_at => expiry,
           created_at => created)) AS imported
  FROM knox_authtoken
 WHERE expiry IS NULL OR expiry > now();
