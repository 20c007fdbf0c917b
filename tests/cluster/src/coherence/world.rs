//! The contents of the tables of one account, and the expected verifications: the rules in a second, simple form.

use super::history::Question;
use std::collections::BTreeMap;

/// The account of a changer, with everything that belongs to it.
#[derive(Clone)]
pub struct World {
    pub account: i64,
    pub account_name: String,
    pub account_paused: bool,
    /// Two profiles, one of which is the account's.
    pub profiles: [Profile; 2],
    pub profile: usize,
    pub domains: Vec<Domain>,
    pub tokens: Vec<Token>,
}

#[derive(Clone)]
pub struct Profile {
    pub name: String,
    pub needs_verified_domain: bool,
}

#[derive(Clone)]
pub struct Domain {
    pub id: i64,
    pub name: String,
    pub verified: bool,
}

#[derive(Clone)]
pub struct Token {
    pub id: i64,
    pub secret: String,
    pub name: String,
    pub owner: Option<String>,
    /// It has networks. The questions name no client.
    pub has_networks: bool,
    pub metadata: String,
    pub paused: bool,
    /// In PostgreSQL's text form.
    pub expires_at: Option<String>,
    pub expired: bool,
    /// It was reset.
    pub replaced: bool,
    pub home: Option<i64>,
    /// By domain. `None` is every domain.
    pub access: BTreeMap<Option<i64>, &'static str>,
}

/// The questions about each token. The domains of an account have these names, unless they were renamed.
pub const QUESTIONS: [Question; 4] = [
    Question { scope: Some("email:send"), domain: Some("a.example") },
    Question { scope: None, domain: None },
    Question { scope: Some("email:read"), domain: Some("B.Example") },
    Question { scope: Some("email:send"), domain: None },
];

/// No token has this secret.
pub const NOT_FOUND: &str = "(f,not_found,,,,,,,,)";

impl World {
    /// Returns the expected verification in PostgreSQL's text form.
    pub fn answer(&self, secret: &str, question: &Question) -> String {
        let Some(token) = self.tokens.iter().find(|token| token.secret == secret) else {
            return NOT_FOUND.to_owned();
        };
        let domain = question.domain.map(|name| self.usable_domain(name));
        let code = self.code(token, question.scope, domain);
        let domain_id = domain.unwrap_or(token.home);
        let fields = [
            if code == "ok" { "t" } else { "f" }.to_owned(),
            code.to_owned(),
            token.id.to_string(),
            self.account.to_string(),
            quoted(&self.account_name),
            domain_id.map(|id| id.to_string()).unwrap_or_default(),
            quoted(&token.name),
            quoted(token.owner.as_deref().unwrap_or_default()),
            quoted(token.expires_at.as_deref().unwrap_or_default()),
            quoted(&token.metadata),
        ];
        format!("({})", fields.join(","))
    }

    /// `domain` is the domain of the question: `None` without one, and `Some(None)` if it cannot be used.
    fn code(&self, token: &Token, scope: Option<&str>, domain: Option<Option<i64>>) -> &'static str {
        if token.paused || self.account_paused {
            return "paused";
        }
        if token.expired {
            return "expired";
        }
        if token.has_networks {
            return "network_not_allowed";
        }
        let rows: Vec<&str> = match (scope, domain) {
            (None, None) => return "ok",
            (_, Some(None)) => Vec::new(),
            (_, Some(id)) => {
                token.access.iter().filter(|(place, _)| place.is_none() || **place == id).map(|(_, row)| *row).collect()
            }
            (_, None) => token.access.get(&None).copied().into_iter().collect(),
        };
        if rows.is_empty() {
            return "domain_not_allowed";
        }
        let grants = |row: &&str| scope.is_none_or(|scope| row.contains('*') || row.contains(scope));
        if rows.iter().any(grants) { "ok" } else { "insufficient_scope" }
    }

    fn usable_domain(&self, name: &str) -> Option<i64> {
        let domain = self.domains.iter().find(|domain| domain.name.eq_ignore_ascii_case(name))?;
        (domain.verified || !self.profiles[self.profile].needs_verified_domain).then(|| domain.id)
    }
}

/// Returns a field of a row in text form. No field contains quotes.
fn quoted(field: &str) -> String {
    if field.contains(' ') { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}
