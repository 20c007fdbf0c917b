-- Who manages an account whose profile has admins_only: token_auth.actor, which is session_user unless it was set.
CALL regress.begin();
INSERT INTO token_auth.profile (name, admins_only) VALUES ('guarded', true);
SELECT token_auth.create_account('Acme', 'guarded');
SELECT token_auth.create_account('Globex');

-- Before there is an administrator nobody manages its domains and tokens, but anyone can add the first one.
SET token_auth.actor = 'alice@acme.example';
SELECT regress.outcome($$SELECT token_auth.create_domain(1, 'acme.example')$$);
SELECT token_auth.add_account_admin(1, 'alice@acme.example');
SELECT token_auth.add_account_admin(1, 'alice@acme.example');
SELECT domain_id, token_id FROM token_auth.create_domain(1, 'acme.example');
SELECT created_by FROM token_auth.tokens;

-- Another actor cannot manage it. Other accounts are not affected.
SET token_auth.actor = 'mallory';
SELECT call, regress.outcome('SELECT token_auth.' || call) FROM unnest(ARRAY[
    'pause_account(1)', 'resume_account(1)', 'rename_account(1, ''x'')', 'set_account_profile(1, ''default'')',
    'delete_account(1, ''Acme'')', 'add_account_admin(1, ''mallory'')',
    'remove_account_admin(1, ''alice@acme.example'')',
    'create_domain(1, ''x'')', 'rename_domain(1, ''x'')', 'set_domain_verified(1, true)', 'delete_domain(1)',
    'create_token(1, ''x'', ''{*}'', all_domains => true)', 'grant_access(1, ''{*}'', all_domains => true)',
    'revoke_access(1, ''acme.example'')', 'reset_token(1)', 'pause_token(1)', 'resume_token(1)',
    'rename_token(1, ''x'')',
    'set_token_expiry(1, ''infinity'')', 'set_token_metadata(1, ''{}'')', 'delete_token(1)']) AS call;
SELECT domain_id FROM token_auth.create_domain(2, 'globex.example');

-- After the last administrator is removed nobody manages the account, but a caller can add a new one.
SET token_auth.actor = 'alice@acme.example';
SELECT token_auth.remove_account_admin(1, 'nobody');
SELECT token_auth.remove_account_admin(1, 'alice@acme.example');
SELECT regress.outcome('SELECT token_auth.pause_token(1)');
SELECT regress.outcome($$SELECT token_auth.set_account_profile(1, 'default')$$);
SELECT regress.outcome($$SELECT token_auth.delete_account(1, 'Acme')$$);
SET token_auth.actor = 'bob';
SELECT token_auth.add_account_admin(1, 'bob');
SELECT token_auth.pause_token(1);
RESET token_auth.actor;

-- An ordinary role cannot set its actor, unless it was granted SET on the parameter.
SET ROLE regress_manager;
SELECT regress.outcome($$SET token_auth.actor = 'bob'$$);
SELECT regress.outcome($$SELECT set_config('token_auth.actor', 'bob', true)$$);
SELECT regress.outcome('SELECT token_auth.resume_token(1)') = regress.outcome('SELECT token_auth.pause_token(1)')
    AS "refused alike";
RESET ROLE;
GRANT SET ON PARAMETER token_auth.actor TO regress_manager;
SET ROLE regress_manager;
SET token_auth.actor = 'bob';
SELECT token_auth.resume_token(1);
RESET token_auth.actor;
RESET ROLE;
REVOKE SET ON PARAMETER token_auth.actor FROM regress_manager;

-- Without a setting the actor is session_user, not the current role or that of a SECURITY DEFINER function.
SET ROLE regress_manager;
SELECT token_id FROM token_auth.create_token(2, 'ours', '{*}', all_domains => true) \gset
SELECT created_by = session_user AS by_session_user FROM token_auth.tokens WHERE id = :token_id;
RESET ROLE;


-- An actor that is not a name is refused.
SELECT left(actor, 20) AS actor,
       regress.outcome(format('SET token_auth.actor = %L; '
                              'SELECT token_auth.create_token(2, ''x'', ''{*}'', all_domains => true)', actor))
  FROM unnest(ARRAY[' ', E'a\tb', repeat('x', 256)]) AS actor;
RESET token_auth.actor;
