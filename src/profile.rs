//! The rules of a profile, and the error that each of them causes: the one place that reads them.

use pgrx::datum::Interval;
use token_auth_rules::catalogue::{self, Resource};
use token_auth_rules::scope::Scope;

use crate::error::Error;
use crate::store::statement::{Row, Statement};

/// The columns that [`Profile::read`] reads, for a statement that has the profile as `p`.
#[macro_export]
macro_rules! profile_columns {
    () => {
        "p.name, p.secret_prefix, p.can_rename, p.can_edit_access, p.can_pause, p.can_reset, p.can_expire, \
         p.can_reveal, p.creates_domain_token, p.confirms_delete, p.admins_only, p.reset_grace"
    };
}
pub struct Profile {
    pub name: String,
    pub secret_prefix: String,
    can_rename: bool,
    can_edit_access: bool,
    can_pause: bool,
    can_reset: bool,
    can_expire: bool,
    can_reveal: bool,
    pub creates_domain_token: bool,
    pub confirms_delete: bool,
    pub admins_only: bool,
    pub reset_grace: Interval,
}

impl Profile {
    /// Reads the `profile_columns!()` that begin after the column `before`.
    pub fn read(row: &Row, before: usize) -> Self {
        Self {
            name: row.must(before + 1),
            secret_prefix: row.must(before + 2),
            can_rename: row.must(before + 3),
            can_edit_access: row.must(before + 4),
            can_pause: row.must(before + 5),
            can_reset: row.must(before + 6),
            can_expire: row.must(before + 7),
            can_reveal: row.must(before + 8),
            creates_domain_token: row.must(before + 9),
            confirms_delete: row.must(before + 10),
            admins_only: row.must(before + 11),
            reset_grace: row.must(before + 12),
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
        let instead = "Leave expires_at out: its tokens never expire.";
        self.check(self.can_expire, "can_expire", "a token that expires", instead)
    }

    /// A profile whose secrets can be revealed needs them sealed. Without that it makes no token, rather than one
    /// whose secret is kept in the open or cannot be revealed.
    pub fn check_can_seal(&self) -> Result<(), Error> {
        if self.can_reveal { Err(Error::CannotSeal { profile: self.name.clone() }) } else { Ok(()) }
    }

    /// Whether the profile's list of resources, if it has one, knows a scope.
    pub fn check_knows(&self, text: &str, scope: &Scope<'_>) -> Result<(), Error> {
        static RESOURCES: Statement = Statement::new(
            "SELECT resource, actions FROM token_auth.profile_resource WHERE profile = $1 ORDER BY resource",
        );
        let resources = RESOURCES.rows(&[self.name.as_str().into()], |row| Resource {
            name: row.must(1),
            actions: row.must::<Vec<Option<String>>>(2).into_iter().flatten().collect(),
        });
        if catalogue::knows(&resources, scope) {
            return Ok(());
        }
        let known = resources
            .iter()
            .flat_map(|resource| resource.actions.iter().map(|action| format!("{}:{action}", resource.name)))
            .collect();
        Err(Error::UnknownScope { scope: text.to_string(), profile: self.name.clone(), known })
    }

    fn check(&self, allowed: bool, rule: &'static str, what: &'static str, instead: &'static str) -> Result<(), Error> {
        if allowed { Ok(()) } else { Err(Error::Rule { profile: self.name.clone(), rule, what, instead }) }
    }
}
