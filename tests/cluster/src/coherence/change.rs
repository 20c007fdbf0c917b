//! The kinds of change: the SQL of each, and its effect on the world.

use super::{
    history::AnswerHistory,
    random::Random,
    world::{Domain, Token, World},
};
use postgres::{SimpleQueryMessage, SimpleQueryRow};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    PauseToken,
    ResumeToken,
    PauseAccount,
    ResumeAccount,
    RenameAccount,
    GrantAccess,
    RevokeAccess,
    RenameToken,
    SetExpiry,
    ExpireByHand,
    RedateByHand,
    SetMetadata,
    SetOwner,
    SetNetworks,
    MoveHome,
    RenameDomain,
    VerifyDomain,
    ChangeProfile,
    SetAccountProfile,
    Reset,
    CreateToken,
    DeleteToken,
    CreateDomain,
    DeleteDomain,
}

impl Kind {
    pub const ALL: [Kind; 24] = [
        Kind::PauseToken,
        Kind::ResumeToken,
        Kind::PauseAccount,
        Kind::ResumeAccount,
        Kind::RenameAccount,
        Kind::GrantAccess,
        Kind::RevokeAccess,
        Kind::RenameToken,
        Kind::SetExpiry,
        Kind::ExpireByHand,
        Kind::RedateByHand,
        Kind::SetMetadata,
        Kind::SetOwner,
        Kind::SetNetworks,
        Kind::MoveHome,
        Kind::RenameDomain,
        Kind::VerifyDomain,
        Kind::ChangeProfile,
        Kind::SetAccountProfile,
        Kind::Reset,
        Kind::CreateToken,
        Kind::DeleteToken,
        Kind::CreateDomain,
        Kind::DeleteDomain,
    ];

    /// Returns true if its effect is known only after it is made.
    pub fn returns_a_row(self) -> bool {
        matches!(self, Kind::Reset | Kind::CreateToken | Kind::CreateDomain)
    }
}

/// A change.
pub struct Change {
    pub kind: Kind,
    pub sql: String,
    /// The world after it, without the values that it returns.
    next: World,
}

/// The most tokens of an account.
const TOKENS: usize = 5;
const SCOPES: [&str; 4] = ["{email:send}", "{email:read}", "{email:send,email:read}", "{*}"];
const NAMES: [&str; 2] = ["a.example", "b.example"];

impl Change {
    /// Returns a change of this kind, if the world allows one. `number` is unique.
    pub fn of(kind: Kind, world: &World, number: usize, random: &mut Random) -> Option<Change> {
        let mut next = world.clone();
        let sql = next.change(kind, number, random)?;
        Some(Change { kind, sql, next })
    }

    /// Returns true if one of these questions has another answer after it, whatever it returns.
    pub fn shows<'a>(&self, world: &World, mut asked: impl Iterator<Item = &'a AnswerHistory>) -> bool {
        self.kind.returns_a_row()
            || asked.any(|history| {
                world.answer(&history.secret, &history.question) != self.next.answer(&history.secret, &history.question)
            })
    }

    /// Returns the world after the change, which returned this row.
    pub fn done(mut self, returned: &[SimpleQueryMessage]) -> World {
        let row = returned.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        if self.kind.returns_a_row() {
            self.next.complete(self.kind, row.expect("it returns a row"));
        }
        self.next
    }
}

impl World {
    fn change(&mut self, kind: Kind, number: usize, random: &mut Random) -> Option<String> {
        let account = self.account;
        match kind {
            Kind::PauseAccount | Kind::ResumeAccount => {
                let pause = kind == Kind::PauseAccount;
                (self.account_paused != pause).then(|| ())?;
                self.account_paused = pause;
                let function = if pause { "pause_account" } else { "resume_account" };
                Some(format!("SELECT token_auth.{function}({account})"))
            }
            Kind::RenameAccount => {
                self.account_name = format!("account {account} {number}");
                Some(format!("SELECT token_auth.rename_account({account}, '{}')", self.account_name))
            }
            Kind::SetAccountProfile => {
                self.profile = 1 - self.profile;
                let name = &self.profiles[self.profile].name;
                Some(format!("SELECT token_auth.set_account_profile({account}, '{name}')"))
            }
            Kind::ChangeProfile => {
                let profile = &mut self.profiles[self.profile];
                profile.needs_verified_domain = !profile.needs_verified_domain;
                let (name, needs) = (&profile.name, profile.needs_verified_domain);
                let sql =
                    format!("UPDATE token_auth.profile SET needs_verified_domain = {needs} WHERE name = '{name}'");
                Some(sql)
            }
            Kind::CreateDomain => {
                let name = NAMES.into_iter().find(|name| self.domains.iter().all(|domain| domain.name != *name))?;
                (self.domains.len() < 2).then(|| ())?;
                self.domains.push(Domain { id: 0, name: name.to_owned(), verified: false });
                Some(format!("SELECT domain_id FROM token_auth.create_domain({account}, '{name}')"))
            }
            Kind::RenameDomain | Kind::VerifyDomain | Kind::DeleteDomain => self.change_domain(kind, number, random),
            Kind::CreateToken => {
                (self.tokens.len() < TOKENS).then(|| ())?;
                let scopes = random.one_of(&SCOPES);
                let domain = random.place(&self.domains, |_| true).map(|place| self.domains[place].clone());
                let token = Token {
                    id: 0,
                    secret: String::new(),
                    name: format!("n{number}"),
                    owner: None,
                    has_networks: false,
                    metadata: metadata(number),
                    paused: false,
                    expires_at: None,
                    expired: false,
                    replaced: false,
                    home: domain.as_ref().map(|domain| domain.id),
                    access: BTreeMap::from([(domain.as_ref().map(|domain| domain.id), scopes)]),
                };
                self.tokens.push(token);
                let place = domain_argument(domain.as_ref());
                Some(format!(
                    "SELECT token_id, secret
                     FROM token_auth.create_token({account}, 'n{number}', '{scopes}', {place}, metadata => '{}')",
                    metadata(number)
                ))
            }
            _ => self.change_token(kind, number, random),
        }
    }

    fn change_domain(&mut self, kind: Kind, number: usize, random: &mut Random) -> Option<String> {
        let place = random.place(&self.domains, |_| true)?;
        let others: Vec<String> = self.domains.iter().map(|domain| domain.name.clone()).collect();
        let domain = &mut self.domains[place];
        let id = domain.id;
        match kind {
            Kind::RenameDomain => {
                let back = NAMES.into_iter().find(|name| others.iter().all(|other| other != name));
                domain.name = match back {
                    Some(name) if !NAMES.contains(&domain.name.as_str()) => name.to_owned(),
                    _ => format!("away{number}.example"),
                };
                Some(format!("SELECT token_auth.rename_domain({id}, '{}')", domain.name))
            }
            Kind::VerifyDomain => {
                domain.verified = !domain.verified;
                Some(format!("SELECT token_auth.set_domain_verified({id}, {})", domain.verified))
            }
            _ => {
                (self.domains.len() > 1).then(|| ())?;
                self.domains.remove(place);
                self.tokens.retain(|token| token.home != Some(id));
                self.tokens.iter_mut().for_each(|token| token.access.retain(|place, _| *place != Some(id)));
                Some(format!("SELECT token_auth.delete_domain({id})"))
            }
        }
    }

    fn change_token(&mut self, kind: Kind, number: usize, random: &mut Random) -> Option<String> {
        let fit = |token: &Token| match kind {
            Kind::DeleteToken => true,
            Kind::PauseToken => !token.paused && !token.replaced,
            Kind::ResumeToken => token.paused,
            Kind::RedateByHand => token.expired && !token.replaced,
            Kind::Reset | Kind::SetExpiry | Kind::ExpireByHand => !token.expired,
            Kind::RevokeAccess => !token.access.is_empty(),
            _ => !token.replaced,
        };
        let place = random.place(&self.tokens, fit)?;
        let domain = random.place(&self.domains, |_| true).filter(|_| random.below(3) > 0);
        let domain = domain.map(|place| self.domains[place].clone());
        let domain_id = domain.as_ref().map(|domain| domain.id);
        let token = &mut self.tokens[place];
        let id = token.id;
        let moment = format!("{}-01-01 00:00:00+00", 2100 + number % 100);
        let by_hand =
            |column: &str, value: &str| Some(format!("UPDATE token_auth.token SET {column} = {value} WHERE id = {id}"));
        match kind {
            Kind::PauseToken => {
                token.paused = true;
                Some(format!("SELECT token_auth.pause_token({id})"))
            }
            Kind::ResumeToken => {
                token.paused = false;
                Some(format!("SELECT token_auth.resume_token({id})"))
            }
            Kind::RenameToken => {
                token.name = format!("n{number}");
                Some(format!("SELECT token_auth.rename_token({id}, '{}')", token.name))
            }
            Kind::SetMetadata => {
                token.metadata = metadata(number);
                Some(format!("SELECT token_auth.set_token_metadata({id}, '{}')", token.metadata))
            }
            Kind::SetOwner => {
                token.owner = Some(format!("o{number}"));
                Some(format!("SELECT token_auth.set_token_owner({id}, 'o{number}')"))
            }
            Kind::SetNetworks => {
                token.has_networks = !token.has_networks;
                let networks = if token.has_networks { "{192.0.2.0/24}" } else { "{0.0.0.0/0,::/0}" };
                Some(format!("SELECT token_auth.set_token_networks({id}, '{networks}')"))
            }
            Kind::SetExpiry => {
                token.expires_at = Some(moment.clone());
                Some(format!("SELECT token_auth.set_token_expiry({id}, '{moment}')"))
            }
            Kind::ExpireByHand => {
                token.expired = true;
                token.expires_at = Some("2020-01-01 00:00:00+00".to_owned());
                by_hand("expires_at", "'2020-01-01 00:00:00+00'")
            }
            Kind::RedateByHand => {
                token.expired = false;
                token.expires_at = Some(moment.clone());
                by_hand("expires_at", &format!("'{moment}'"))
            }
            Kind::MoveHome => {
                (token.home != domain_id).then(|| ())?;
                token.home = domain_id;
                by_hand("domain_id", &domain_id.map_or("NULL".to_owned(), |id| id.to_string()))
            }
            Kind::GrantAccess => {
                let scopes = random.one_of(&SCOPES);
                token.access.insert(domain_id, scopes);
                Some(format!("SELECT token_auth.grant_access({id}, '{scopes}', {})", domain_argument(domain.as_ref())))
            }
            Kind::RevokeAccess => {
                let places: Vec<Option<i64>> = token.access.keys().copied().collect();
                let place = random.one_of(&places);
                token.access.remove(&place);
                let domain = self.domains.iter().find(|domain| Some(domain.id) == place);
                Some(format!("SELECT token_auth.revoke_access({id}, {})", domain_argument(domain)))
            }
            Kind::DeleteToken => {
                self.tokens.remove(place);
                Some(format!("SELECT token_auth.delete_token({id})"))
            }
            Kind::Reset => {
                (self.tokens.len() < TOKENS + 2).then(|| ())?;
                let mut old = self.tokens.remove(place);
                self.tokens.push(old.clone());
                (old.replaced, old.expired) = (true, true);
                self.tokens.push(old);
                Some(format!(
                    "SELECT token_id, name, secret, expires_at, previous_expires_at
                     FROM token_auth.reset_token({id}, grace => '0', expires_at => 'infinity')"
                ))
            }
            _ => unreachable!("{kind:?} is no change of a token"),
        }
    }

    fn complete(&mut self, kind: Kind, row: &SimpleQueryRow) {
        let text = |column: &str| row.get(column).map(str::to_owned);
        let id = |column: &str| row.get(column).and_then(|id| id.parse().ok()).expect("an id");
        let mut tokens = self.tokens.iter_mut().rev();
        if kind == Kind::CreateDomain {
            self.domains.last_mut().expect("a new domain").id = id("domain_id");
            return;
        }
        if kind == Kind::Reset {
            tokens.next().expect("the old token").expires_at = text("previous_expires_at");
        }
        let token = tokens.next().expect("a new token");
        (token.id, token.secret) = (id("token_id"), text("secret").expect("a secret"));
        if kind == Kind::Reset {
            (token.name, token.expires_at) = (text("name").expect("a name"), text("expires_at"));
        }
    }
}

fn domain_argument(domain: Option<&Domain>) -> String {
    domain.map_or("all_domains => true".to_owned(), |domain| format!("domain => '{}'", domain.name))
}

/// Returns metadata that no other change has set, in PostgreSQL's text form.
fn metadata(number: usize) -> String {
    format!(r#"{{"number": {number}}}"#)
}
