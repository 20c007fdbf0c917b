//! The rules of a profile as the functions follow them, and the error that each of them causes. Some are read where
//! SQL asks for them: `needs_verified_domain` by verification, `keeps_last_token` by the guard of the last token,
//! `expired_retention` by the sweep, `admins_only` in `permission.rs`, and `can_reveal` also by the triggers that erase.

use pgrx::datum::Interval;
use token_auth_core::scope::Scope;
use token_auth_core::scope::catalog::{self, Resource};

use crate::error::{Error, KnownScopes};
use crate::pg::spi::{Query, ResultRow};

/// A profile, as far as the functions ask for it.
pub struct Profile {
    pub name: String,
    pub secret_prefix: String,
    can_rename: bool,
    can_edit_access: bool,
    can_pause: bool,
    can_reset: bool,
    can_expire: bool,
    pub can_reveal: bool,
    pub creates_domain_token: bool,
    pub confirms_delete: bool,
    tokens_manage_tokens: bool,
    pub reset_grace: Interval,
}

/// A hint lists no more scopes than a screen can hold.
const MOST_LISTED: usize = 30;

impl Profile {
    /// Reads it from a row that has all columns of `token_auth.profile`, with its name as `profile`.
    pub fn read(row: &ResultRow) -> Self {
        Self {
            name: row.get_not_null(c"profile"),
            secret_prefix: row.get_not_null(c"secret_prefix"),
            can_rename: row.get_not_null(c"can_rename"),
            can_edit_access: row.get_not_null(c"can_edit_access"),
            can_pause: row.get_not_null(c"can_pause"),
            can_reset: row.get_not_null(c"can_reset"),
            can_expire: row.get_not_null(c"can_expire"),
            can_reveal: row.get_not_null(c"can_reveal"),
            creates_domain_token: row.get_not_null(c"creates_domain_token"),
            confirms_delete: row.get_not_null(c"confirms_delete"),
            tokens_manage_tokens: row.get_not_null(c"tokens_manage_tokens"),
            reset_grace: row.get_not_null(c"reset_grace"),
        }
    }

    pub fn check_can_rename(&self) -> Result<(), Error> {
        self.check(self.can_rename, "can_rename", "renaming a token", "Create a token with the new name instead.")
    }

    pub fn check_can_edit_access(&self) -> Result<(), Error> {
        let instead = "Create a token with the access that is needed and delete this one.";
        self.check(self.can_edit_access, "can_edit_access", "changing the access of a token", instead)
    }

    pub fn check_can_pause(&self) -> Result<(), Error> {
        self.check(self.can_pause, "can_pause", "pausing a token", "Delete the token instead.")
    }

    pub fn check_can_reset(&self) -> Result<(), Error> {
        self.check(self.can_reset, "can_reset", "resetting a token", "Create a new token and delete this one.")
    }

    pub fn check_can_expire(&self) -> Result<(), Error> {
        let instead = "Its tokens never expire: leave expires_at out, or pass NULL.";
        self.check(self.can_expire, "can_expire", "a token that expires", instead)
    }

    pub fn check_can_reveal(&self) -> Result<(), Error> {
        let instead = "Its secrets are shown once: create a new token.";
        self.check(self.can_reveal, "can_reveal", "revealing a secret", instead)
    }

    pub fn check_tokens_manage_tokens(&self) -> Result<(), Error> {
        let instead = "Do it in a transaction that does not act as a token.";
        self.check(self.tokens_manage_tokens, "tokens_manage_tokens", "managing tokens with a token", instead)
    }

    /// The resources that it lists; none means that it knows every scope.
    pub fn resources(&self) -> Vec<Resource> {
        static RESOURCES: Query = Query::new(
            "SELECT resource, actions FROM token_auth.profile_resource WHERE profile = $1 ORDER BY resource",
        );
        RESOURCES.rows(&[self.name.as_str().into()], |row| Resource {
            name: row.get_not_null(c"resource"),
            actions: row.get_not_null::<Vec<Option<String>>>(c"actions").into_iter().flatten().collect(),
        })
    }

    /// Whether a scope is among the resources that it lists.
    pub fn check_knows(&self, text: &str, scope: &Scope<'_>, resources: &[Resource]) -> Result<(), Error> {
        if catalog::knows(resources, scope) {
            return Ok(());
        }
        let scopes =
            || resources.iter().flat_map(|resource| resource.actions.iter().map(|action| (&resource.name, action)));
        let listed = scopes().take(MOST_LISTED).map(|(resource, action)| format!("{resource}:{action}")).collect();
        let known = KnownScopes { listed, more: scopes().skip(MOST_LISTED).count() };
        let near = catalog::near(resources, scope);
        Err(Error::UnknownScope { scope: text.to_string(), profile: self.name.clone(), known, near })
    }

    fn check(&self, allowed: bool, rule: &'static str, what: &'static str, instead: &'static str) -> Result<(), Error> {
        if allowed { Ok(()) } else { Err(Error::Rule { profile: self.name.clone(), rule, what, instead }) }
    }
}
