-- Default deny: nothing here is executable or readable by PUBLIC. README.md has the GRANTs for the usual roles.
-- Types are usable by PUBLIC by default, and harmless.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL TABLES    IN SCHEMA token_auth FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA token_auth FROM PUBLIC;
