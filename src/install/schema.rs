//! The SQL objects, in the order of the install script. Each file requires the one before it, so that every build makes the
//! same script.

use pgrx::extension_sql_file;

extension_sql_file!("../../sql/schema.sql", name = "schema", bootstrap);
extension_sql_file!("../../sql/functions/constraints.sql", name = "functions_constraints", requires = ["schema"]);
extension_sql_file!(
    "../../sql/functions/any_account.sql",
    name = "functions_any_account",
    requires = ["functions_constraints"]
);
extension_sql_file!("../../sql/tables/profile.sql", name = "tables_profile", requires = ["functions_any_account"]);
extension_sql_file!(
    "../../sql/tables/profile_resource.sql",
    name = "tables_profile_resource",
    requires = ["tables_profile"]
);
extension_sql_file!("../../sql/tables/presets.sql", name = "tables_presets", requires = ["tables_profile_resource"]);
extension_sql_file!("../../sql/tables/account.sql", name = "tables_account", requires = ["tables_presets"]);
extension_sql_file!("../../sql/tables/account_admin.sql", name = "tables_account_admin", requires = ["tables_account"]);
extension_sql_file!("../../sql/tables/domain.sql", name = "tables_domain", requires = ["tables_account_admin"]);
extension_sql_file!("../../sql/tables/token.sql", name = "tables_token", requires = ["tables_domain"]);
extension_sql_file!("../../sql/tables/token_access.sql", name = "tables_token_access", requires = ["tables_token"]);
extension_sql_file!("../../sql/views/tokens.sql", name = "views_tokens", requires = ["tables_token_access"]);
extension_sql_file!(
    "../../sql/functions/refuse_expansion.sql",
    name = "functions_refuse_expansion",
    requires = ["views_tokens"]
);
extension_sql_file!(
    "../../sql/functions/accounts.sql",
    name = "functions_accounts",
    requires = ["functions_refuse_expansion"]
);
extension_sql_file!("../../sql/functions/domains.sql", name = "functions_domains", requires = ["functions_accounts"]);
extension_sql_file!("../../sql/functions/tokens.sql", name = "functions_tokens", requires = ["functions_domains"]);
extension_sql_file!("../../sql/functions/verify.sql", name = "functions_verify", requires = ["functions_tokens"]);
extension_sql_file!("../../sql/functions/session.sql", name = "functions_session", requires = ["functions_verify"]);
extension_sql_file!("../../sql/functions/reveal.sql", name = "functions_reveal", requires = ["functions_session"]);
extension_sql_file!("../../sql/functions/sweep.sql", name = "functions_sweep", requires = ["functions_reveal"]);
extension_sql_file!("../../sql/functions/health.sql", name = "functions_health", requires = ["functions_sweep"]);
extension_sql_file!("../../sql/triggers/immutable.sql", name = "triggers_immutable", requires = ["functions_health"]);
extension_sql_file!("../../sql/triggers/presets.sql", name = "triggers_presets", requires = ["triggers_immutable"]);
extension_sql_file!("../../sql/triggers/last_token.sql", name = "triggers_last_token", requires = ["triggers_presets"]);
extension_sql_file!(
    "../../sql/triggers/erase_sealed.sql",
    name = "triggers_erase_sealed",
    requires = ["triggers_last_token"]
);
extension_sql_file!(
    "../../sql/triggers/invalidate_cache.sql",
    name = "triggers_invalidate_cache",
    requires = ["triggers_erase_sealed"]
);
extension_sql_file!(
    "../../sql/privileges.sql",
    name = "privileges",
    requires = ["triggers_invalidate_cache"],
    finalize
);
