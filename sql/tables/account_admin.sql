CREATE TABLE token_auth.account_admin (
    account_id bigint NOT NULL REFERENCES token_auth.account ON DELETE CASCADE,
    actor      text   NOT NULL,

    PRIMARY KEY (account_id, actor),
    CONSTRAINT account_admin_actor_is_name CHECK (token_auth.is_name(actor))
);

COMMENT ON TABLE  token_auth.account_admin IS 'One row is an administrator of an account, who manages it if its profile has admins_only';
COMMENT ON COLUMN token_auth.account_admin.account_id IS 'The account';
COMMENT ON COLUMN token_auth.account_admin.actor IS 'The administrator, as in the setting token_auth.actor';
COMMENT ON CONSTRAINT account_admin_pkey ON token_auth.account_admin IS 'An actor is an administrator of an account once';
COMMENT ON CONSTRAINT account_admin_account_id_fkey ON token_auth.account_admin IS 'Administrators are deleted with their account';
COMMENT ON CONSTRAINT account_admin_actor_is_name ON token_auth.account_admin IS 'At most 255 characters, not blank, without control characters';

SELECT pg_catalog.pg_extension_config_dump('token_auth.account_admin', '');
