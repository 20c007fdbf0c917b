-- Keys with other hashes are imported at their first use.
SELECT count(token_auth.import_token(
           :app, name, '{*}', all_domains => true,
           digest     => decode(substr(hashed_key, length('sha512$$') + 1), 'hex'),
           scheme     => 'sha512',
           hint       => prefix || '...',
           expires_at => expiry_date,
           created_at => created)) AS imported
  FROM rest_framework_api_key_apikey
 WHERE hashed_key LIKE 'sha512$$%'
   AND NOT revoked
   AND (expiry_date IS NULL OR expiry_date > now());
