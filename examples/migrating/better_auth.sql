-- The hash is base64url without padding: 43 characters. The permissions are {"resource": ["action", ...]}.
SELECT count(token_auth.import_token(
           :app, coalesce(name, start),
           coalesce((SELECT array_agg(scope_of(resource || ':' || action))
                       FROM jsonb_each(permissions::jsonb) AS permission (resource, actions),
                            jsonb_array_elements_text(actions) AS action), '{*}'),
           all_domains => true,
           digest      => decode(translate(key, '-_', '+/') || '=', 'base64'),
           hint        => start || '...',
           owner       => "userId",
           expires_at  => "expiresAt",
           created_at  => "createdAt")) AS imported
  FROM apikey
 WHERE enabled
   AND ("expiresAt" IS NULL OR "expiresAt" > now());
