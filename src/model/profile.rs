//! Profiles: the rules that the functions follow, and the error of each rule.
//!
//! Some rules are read elsewhere: `needs_verified_domain` by verification, `keeps_last_token` by the guard of a domain's
//! last token, `expired_retention` by the sweep, `admins_only` with the administrators (`account.rs`), and `can_reveal` also
//! by the triggers that erase sealed copies.

use pgrx::datum::Interval;
use token_auth_core::limits::MAX_EXPIRY;
use token_auth_core::scope::Scope;
use token_auth_core::scope::resource::{self, Resource};

use crate::error::{ArgumentError, Error, KnownScopes, NotFound, PermissionError, ProfileName, excerpt};
use crate::pg::clock;
use crate::pg::datum::Timestamp;
use crate::pg::spi::{Query, ResultRow};

/// The rules of a profile.
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
    default_lifetime: Option<Interval>,
    max_lifetime: Option<Interval>,
    /// The most live tokens of an account.
    pub max_tokens: Option<i32>,
}

/// The most scopes that a hint lists: about a screen.
const MAX_LISTED: usize = 30;

impl Profile {
    /// Reads a profile from a row with all columns of `token_auth.profile`, and the profile's name as `profile`.
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
            default_lifetime: row.get(c"default_lifetime"),
            max_lifetime: row.get(c"max_lifetime"),
            max_tokens: row.get(c"max_tokens"),
        }
    }

    /// Returns the expiry of a token that is created at `now` without a given one: by the default lifetime, or the longest.
    pub fn default_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let default = self.default_lifetime.map(|lifetime| end_of(now, lifetime));
        [default, self.latest_expiry(now)].into_iter().flatten().min()
    }

    /// Returns the latest expiry of a token whose life begins at `start`, or `None` if it may be never.
    pub fn latest_expiry(&self, start: Timestamp) -> Option<Timestamp> {
        self.max_lifetime.map(|lifetime| end_of(start, lifetime))
    }

    /// Returns an expiry that was not asked for, or the latest one that the profile allows if that is earlier.
    pub fn limit_expiry(&self, expires_at: Option<Timestamp>, start: Timestamp) -> Option<Timestamp> {
        [expires_at, self.latest_expiry(start)].into_iter().flatten().min()
    }

    /// Returns an error if a token whose life begins at `start` may not have this expiry, where `None` is never.
    pub fn check_lifetime(&self, expires_at: Option<Timestamp>, start: Timestamp) -> Result<(), Error> {
        match self.latest_expiry(start) {
            Some(latest) if expires_at.is_none_or(|expiry| expiry > latest) => Err(ArgumentError::BeyondMaxLifetime {
                profile: ProfileName(self.name.clone()),
                latest: clock::to_utc_text(latest),
            }
            .into()),
            _ => Ok(()),
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
        let instead = "Do it in a transaction that is not authenticated as a token.";
        self.check(self.tokens_manage_tokens, "tokens_manage_tokens", "managing tokens with a token", instead)
    }

    /// Returns the resources that the profile lists. None means that it knows every scope.
    pub fn resources(&self) -> Vec<Resource> {
        static RESOURCES: Query = Query::new(
            "SELECT resource, actions FROM token_auth.profile_resource WHERE profile = $1 ORDER BY resource",
        );
        RESOURCES.rows(&[self.name.as_str().into()], |row| Resource {
            name: row.get_not_null(c"resource"),
            actions: row.get_not_null::<Vec<Option<String>>>(c"actions").into_iter().flatten().collect(),
        })
    }

    /// Returns an error if the profile lists resources and the scope is not among them.
    pub fn check_knows(&self, text: &str, scope: &Scope<'_>, resources: &[Resource]) -> Result<(), Error> {
        if resource::knows(resources, scope) {
            return Ok(());
        }
        let scopes =
            || resources.iter().flat_map(|resource| resource.actions.iter().map(|action| (&resource.name, action)));
        let listed = scopes().take(MAX_LISTED).map(|(resource, action)| format!("{resource}:{action}")).collect();
        let known = KnownScopes { listed, more: scopes().skip(MAX_LISTED).count() };
        let near = resource::near(resources, scope);
        Err(ArgumentError::UnknownScope {
            scope: text.to_string(),
            profile: ProfileName(self.name.clone()),
            known,
            near,
        }
        .into())
    }

    fn check(
        &self,
        is_allowed: bool,
        rule: &'static str,
        action: &'static str,
        instead: &'static str,
    ) -> Result<(), Error> {
        if is_allowed {
            Ok(())
        } else {
            Err(PermissionError::Profile { profile: ProfileName(self.name.clone()), rule, action, instead }.into())
        }
    }
}

/// Returns the end of a lifetime. It is never after the last possible expiry.
fn end_of(start: Timestamp, lifetime: Interval) -> Timestamp {
    let last = Timestamp(MAX_EXPIRY - 1);
    clock::add(start, lifetime).map_or(last, |end| end.min(last))
}

/// Locks a profile FOR KEY SHARE, so that it is not deleted until the transaction ends.
pub fn lock(name: &str) -> Result<(), Error> {
    static LOCK: Query = Query::new("SELECT true FROM token_auth.profile WHERE name = $1 FOR KEY SHARE");
    LOCK.row(&[name.into()], |_| ()).ok_or_else(|| NotFound::Profile(excerpt(name)).into())
}
