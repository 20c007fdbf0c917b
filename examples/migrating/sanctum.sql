-- Laravel stores times without a time zone, by default in UTC.
SELECT count(token_auth.import_token(
           :app, name, ARRAY(SELECT scope_of(ability) FROM jsonb_array_elements_text(abilities::jsonb) AS ability),
           all_domains => true,
           digest      => decode(token, 'hex'),
           scheme      => 'sha256_after_pipe',
           hint        => id || '|...',
           owner       => tokenable_id::text,
           expires_at  => expires_at AT TIME ZONE 'UTC',
           created_at  => created_at AT TIME ZONE 'UTC')) AS imported
  FROM personal_access_tokens
 WHERE expires_at IS NULL OR expires_at AT TIME ZONE 'UTC' > now();
