//! The result of a verification: a row of the type `token_auth.verification`.

use token_auth_core::decision::{Code, DomainQuery};

use super::catalog::Catalog;
use super::state::{AccountState, COLUMNS, CachedToken, TokenRow};
use crate::pg::datum::{Jsonb, Timestamp};
use crate::pg::tuple::{Composite, RowTemplate};
use crate::pg::varlena::ShortText;

/// A row of `token_auth.verification`.
pub type Verification = Composite;

/// The columns that depend on the question, counted from 0.
const VALID: usize = 0;
const CODE: usize = 1;
const DOMAIN_ID: usize = 5;

/// Forms the verification of a token without a scope and a domain, as it is if the code is ok.
pub fn template(token: &TokenRow, account: &AccountState) -> RowTemplate<COLUMNS> {
    RowTemplate::new(
        Catalog::current().verification,
        [
            true.into(),
            text_of(Code::Ok).as_datum(),
            token.id.into(),
            token.account_id.into(),
            account.name.as_datum(),
            token.home.into(),
            token.name.as_datum(),
            token.owner.as_ref().map_or(None::<String>.into(), |owner| owner.as_datum()),
            token.expires_at.into(),
            token.metadata.as_datum(),
        ],
    )
}

/// Returns the verification of a token with this code.
pub fn of_token(cached: &CachedToken, code: Code, domain: DomainQuery) -> Verification {
    if code == Code::Ok && domain == DomainQuery::AccountWide {
        return cached.template.to_datum();
    }
    let changes = [
        (VALID, (code == Code::Ok).into()),
        (CODE, text_of(code).as_datum()),
        // Without a domain in the question, the column is the token's home, as in the template.
        (DOMAIN_ID, domain.id().into()),
    ];
    let changes = if domain == DomainQuery::AccountWide { &changes[..2] } else { &changes };
    cached.template.with_columns(Catalog::current().verification, changes)
}

/// Returns the verification of a secret that no token has.
pub fn without_token(code: Code) -> Verification {
    let catalog = Catalog::current();
    let template = if code == Code::Malformed { &catalog.malformed } else { &catalog.not_found };
    let form = || {
        let null = None::<i64>;
        RowTemplate::new(
            catalog.verification,
            [
                false.into(),
                text_of(code).as_datum(),
                null.into(),
                null.into(),
                None::<String>.into(),
                null.into(),
                None::<String>.into(),
                None::<String>.into(),
                None::<Timestamp>.into(),
                None::<Jsonb>.into(),
            ],
        )
    };
    template.get_or_init(form).to_datum()
}

fn text_of(code: Code) -> &'static ShortText {
    static TEXTS: [ShortText; Code::ALL.len()] = {
        let mut texts = [const { ShortText::new("") }; Code::ALL.len()];
        let mut index = 0;
        while index < texts.len() {
            texts[index] = ShortText::new(Code::ALL[index].as_str());
            index += 1;
        }
        texts
    };
    &TEXTS[code as usize]
}
