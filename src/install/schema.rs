//! The SQL objects. Each file requires the one before it: the install script comes out the same from every build.

use pgrx::extension_sql_file;

extension_sql_file!("../../sql/schema.sql", name = "schema", bootstrap);
extension_sql_file!("../../sql/checks.sql", name = "checks", requires = ["schema"]);
extension_sql_file!("../../sql/profile.sql", name = "profile", requires = ["checks"]);
extension_sql_file!("../../sql/presets.sql", name = "presets", requires = ["profile"]);
extension_sql_file!("../../sql/account.sql", name = "account", requires = ["presets"]);
extension_sql_file!("../../sql/domain.sql", name = "domain", requires = ["account"]);
extension_sql_file!("../../sql/token.sql", name = "token", requires = ["domain"]);
extension_sql_file!("../../sql/token_access.sql", name = "token_access", requires = ["token"]);
extension_sql_file!("../../sql/last_token.sql", name = "last_token", requires = ["token_access"]);
extension_sql_file!("../../sql/tokens.sql", name = "tokens", requires = ["last_token"]);
extension_sql_file!("../../sql/comments.sql", name = "comments", requires = ["tokens"]);
extension_sql_file!("../../sql/manage_accounts.sql", name = "manage_accounts", requires = ["comments"]);
extension_sql_file!("../../sql/manage_domains.sql", name = "manage_domains", requires = ["manage_accounts"]);
extension_sql_file!("../../sql/manage_tokens.sql", name = "manage_tokens", requires = ["manage_domains"]);
extension_sql_file!("../../sql/verify.sql", name = "verify", requires = ["manage_tokens"]);
extension_sql_file!("../../sql/session.sql", name = "session", requires = ["verify"]);
extension_sql_file!("../../sql/reveal.sql", name = "reveal", requires = ["session"]);
extension_sql_file!("../../sql/invalidate_cache.sql", name = "invalidate_cache", requires = ["reveal"]);
extension_sql_file!("../../sql/sweep.sql", name = "sweep", requires = ["invalidate_cache"]);
extension_sql_file!("../../sql/health.sql", name = "health", requires = ["sweep"]);
extension_sql_file!("../../sql/privileges.sql", name = "privileges", requires = ["health"], finalize);
