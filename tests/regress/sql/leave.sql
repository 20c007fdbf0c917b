-- Drops the roles, which belong to all databases of the cluster.
SET client_min_messages = warning;
DROP SCHEMA regress CASCADE;
DROP OWNED BY regress_manager, regress_verifier, regress_nobody;
DROP ROLE regress_manager, regress_verifier, regress_nobody;
