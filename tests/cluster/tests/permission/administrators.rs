//! Who may manage: a table of every management function, every kind of caller, and every kind of
//! profile.

use cluster::scene::{PermissionScene, authenticated_as, refusal_of};
use cluster::{Client, NewToken, Refusal, Sql, TokenAuth};
use std::collections::BTreeSet;

/// A cell is the result of a function for a caller: `ok`, or why not.
///
/// | column | caller |
/// |---|---|
/// | nobody | a role without EXECUTE on the function |
/// | actor | a role with EXECUTE, under a profile without admins_only |
/// | other | a role with EXECUTE that is no administrator, under a profile with admins_only |
/// | admin | an administrator, under both profiles |
/// | less | a token with tokens:full and domains:full and less access than the managed token |
/// | equal | a token with the same access |
/// | more | a token with full access |
/// | plain | a token with more access than the managed token, but not tokens:full |
/// | alien | a token with full access to another account |
/// | ended | a token with full access that was deleted or paused, or has expired, since it authenticated |
const RULE: &str = "
                     | people                   | tokens, where profile   | tokens, where profile   | tokens under
                     |                          | lets none manage tokens | lets them manage tokens | any profile
                     | nobody actor other admin | less  equal more  plain | less  equal more  plain | alien ended
create_account       | 42501  ok    ok    ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
pause_account        | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
resume_account       | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
rename_account       | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
set_account_profile  | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
delete_account       | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
add_account_admin    | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
remove_account_admin | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501

create_domain        | 42501  ok    42501 ok    | 42501 42501 ok    42501 | 42501 42501 ok    42501 | P0002 42501
rename_domain        | 42501  ok    42501 ok    | ok    ok    ok    ok    | ok    ok    ok    ok    | P0002 42501
set_domain_verified  | 42501  ok    42501 ok    | ok    ok    ok    ok    | ok    ok    ok    ok    | P0002 42501
delete_domain        | 42501  ok    42501 ok    | 42501 ok    ok    ok    | 42501 ok    ok    ok    | P0002 42501

create_token         | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
grant_access         | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
revoke_access        | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
reset_token          | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
pause_token          | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
resume_token         | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
rename_token         | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
set_token_expiry     | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
set_token_metadata   | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | P0002 42501
merge_token_metadata | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | P0002 42501
set_token_owner      | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | P0002 42501
set_token_networks   | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | P0002 42501
import_token         | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
revoke_tokens        | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
delete_token         | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501
reveal_token         | 42501  ok    42501 ok    | 42501 42501 42501 42501 | 42501 ok    ok    42501 | P0002 42501

report_leaked_secret | 42501  ok    ok    ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
sweep                | 42501  ok    ok    ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
reseal_tokens        | 42501  ok    ok    ok    | 42501 42501 42501 42501 | 42501 42501 42501 42501 | 42501 42501
";

/// The same for the ids in a call: `own` are those of an account and its objects, `alien`
/// those of another account, `absent` do not exist, and `wrong` are `own` ones with another account's account_id. The actor
/// may manage both accounts. The token has full access to the first.
const IDS: &str = "
                     | the actor                | a token
                     | own   alien absent wrong | own   alien absent wrong
pause_account        | ok    ok    P0002  P0002 | 42501 42501 42501  42501
resume_account       | ok    ok    P0002  P0002 | 42501 42501 42501  42501
rename_account       | ok    ok    P0002  P0002 | 42501 42501 42501  42501
set_account_profile  | ok    ok    P0002  P0002 | 42501 42501 42501  42501
delete_account       | ok    ok    P0002  P0002 | 42501 42501 42501  42501
add_account_admin    | ok    ok    P0002  P0002 | 42501 42501 42501  42501
remove_account_admin | ok    ok    P0002  P0002 | 42501 42501 42501  42501

create_domain        | ok    ok    P0002  -     | ok    P0002 P0002  -
rename_domain        | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
set_domain_verified  | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
delete_domain        | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002

create_token         | ok    ok    P0002  -     | ok    P0002 P0002  -
grant_access         | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
revoke_access        | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
reset_token          | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
pause_token          | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
resume_token         | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
rename_token         | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
set_token_expiry     | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
set_token_metadata   | ok    ok    P0002  P0002 | 42501 P0002 P0002  P0002
merge_token_metadata | ok    ok    P0002  P0002 | 42501 P0002 P0002  P0002
set_token_owner      | ok    ok    P0002  P0002 | 42501 P0002 P0002  P0002
set_token_networks   | ok    ok    P0002  P0002 | 42501 P0002 P0002  P0002
import_token         | ok    ok    P0002  -     | 42501 42501 42501  -
revoke_tokens        | ok    ok    P0002  -     | 42501 42501 42501  -
delete_token         | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
reveal_token         | ok    ok    P0002  P0002 | ok    P0002 P0002  P0002
";

/// The arguments of each function.
const CALLS: &[(&str, &str)] = &[
    ("create_account", "'new'"),
    ("pause_account", "$account, account_id => $of"),
    ("resume_account", "$account, account_id => $of"),
    ("rename_account", "$account, 'new', account_id => $of"),
    ("set_account_profile", "$account, 'default', account_id => $of"),
    ("delete_account", "$account, '$name', account_id => $of"),
    ("add_account_admin", "$account, 'carol', account_id => $of"),
    ("remove_account_admin", "$account, 'alice', account_id => $of"),
    ("create_domain", "$account, 'new.example'"),
    ("rename_domain", "$domain, 'new.example', account_id => $of"),
    ("set_domain_verified", "$domain, true, account_id => $of"),
    ("delete_domain", "$domain, account_id => $of"),
    ("create_token", "$account, 'new', '{email:full}', all_domains => true"),
    ("grant_access", "$token, '{email:full}', all_domains => true, account_id => $of"),
    ("revoke_access", "$token, all_domains => true, account_id => $of"),
    ("reset_token", "$token, account_id => $of"),
    ("pause_token", "$token, account_id => $of"),
    ("resume_token", "$token, account_id => $of"),
    ("rename_token", "$token, 'new', account_id => $of"),
    ("set_token_expiry", "$token, now() + interval '1 day', account_id => $of"),
    ("set_token_metadata", "$token, '{\"new\": true}', account_id => $of"),
    ("merge_token_metadata", "$token, '{\"new\": true}', account_id => $of"),
    ("set_token_owner", "$token, 'new', account_id => $of"),
    ("set_token_networks", "$token, '{192.0.2.0/24}', account_id => $of"),
    ("import_token", "$account, 'new', '{email:full}', all_domains => true, secret => 'an old secret of a customer'"),
    ("revoke_tokens", "$account, action => 'pause'"),
    ("report_leaked_secret", "'a secret that nobody has', 'a test'"),
    ("delete_token", "$token, account_id => $of"),
    ("reveal_token", "$token, account_id => $of"),
    ("sweep", ""),
    ("reseal_tokens", ""),
];

/// The functions that manage nothing: they verify, return the session token, or are called by constraints and
/// triggers. A new function is added here or to the table.
const NOT_MANAGING: &[&str] = &[
    "verify_token",
    "verify_token_digest",
    "token_is_valid",
    "describe_token",
    "authenticate",
    "authenticate_digest",
    "deauthenticate",
    "current_token_id",
    "allows",
    "allowed_domains",
    "allowed_domain_ids",
    "current_account_id",
    "health",
    "any_account",
    "any_text",
    "refuse_expansion",
    "is_name",
    "are_scopes",
    "are_actions",
    "is_not_negative",
    "refuse_change",
    "protect_presets",
    "skip_replicated_presets",
    "keep_last_token",
    "keep_last_tokens_on_truncate",
    "erase_sealed_of_profile",
    "erase_sealed_of_account",
    "lock_profile_first",
    "lock_account_first",
    "invalidate_account_cache",
    "invalidate_token_cache",
    "invalidate_whole_cache",
    "announce_imported_scheme",
];

/// The ways in which a session token ends.
const ENDS: &[&str] = &[
    "UPDATE token_auth.token SET paused_at = clock_timestamp() WHERE id = $1",
    "UPDATE token_auth.token SET expires_at = clock_timestamp() WHERE id = $1",
    "DELETE FROM token_auth.token WHERE id = $1",
];

#[test]
fn every_function_answers_every_caller_as_the_table_says() {
    let rule = cells(RULE);
    let (mut asked, mut wrong) = (BTreeSet::new(), Vec::new());
    for (admins_only, tokens_manage_tokens) in [(false, false), (true, false), (false, true), (true, true)] {
        let profile = format!(
            r#"{{"admins_only": {admins_only}, "tokens_manage_tokens": {tokens_manage_tokens},
                 "can_reveal": true, "keeps_last_token": false}}"#
        );
        let mut scene = PermissionScene::under(&profile);
        let callers = Caller::all(&mut scene, admins_only, tokens_manage_tokens);
        let mut sessions = ["alice", "bob", "nobody"].map(|role| (role, scene.session(role)));
        for Cell { function, column, answer } in &rule {
            for caller in callers.iter().filter(|caller| caller.column == *column) {
                asked.insert((function, column));
                let call = caller.about.call(function);
                for (role, session) in sessions.iter_mut().filter(|(role, _)| caller.roles.contains(role)) {
                    let answers = caller.ask(&mut scene.superuser, session, &call);
                    let others = answers.iter().filter(|answered| code(answered) != *answer);
                    wrong.extend(others.map(|got| format!("{profile}, {column:?} as {role}: {call}: {got:?}")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not as the rule says:\n{}", wrong.join("\n"));
    assert_eq!(asked.len(), rule.len(), "cells that were asked");
}

#[test]
fn ids_of_another_account_are_unknown_to_a_token() {
    let mut scene =
        PermissionScene::under(r#"{"tokens_manage_tokens": true, "can_reveal": true, "keeps_last_token": false}"#);
    let own = About::own(&mut scene, "mail.example", &["email:full"]);
    let alien = About::alien(&mut scene);
    let absent = About { account: -1, domain: -1, token: -1, of: None, ..own.clone() };
    let wrong = About { of: Some(alien.account), ..own.clone() };
    let token = scene.superuser.account_token(own.account, "full access", &["*"]);

    let ids = cells(IDS);
    let mut bob = scene.session("bob");
    for Cell { function, column: (group, column), answer: expected } in &ids {
        let about = match *column {
            "own" => &own,
            "alien" => &alien,
            "absent" => &absent,
            _ => &wrong,
        };
        let call = about.call(function);
        let mut work = if *group == 0 {
            bob.transaction().expect("a transaction begins")
        } else {
            authenticated_as(&token, &mut bob)
        };
        let answered = refusal_of(&call, &mut work);
        assert_eq!(code(&answered), *expected, "{column} {call}: {answered:?}");
    }
    let by_id: BTreeSet<_> = ids.iter().map(|cell| cell.function).collect();
    let by_none = BTreeSet::from(["create_account", "report_leaked_secret", "sweep", "reseal_tokens"]);
    let all: BTreeSet<_> = cells(RULE).iter().map(|cell| cell.function).collect();
    assert_eq!(by_id.union(&by_none).copied().collect::<BTreeSet<_>>(), all);

    // Names of domains are unique within the account.
    let mut work = authenticated_as(&token, &mut bob);
    for call in [
        format!("create_token({}, 'new', '{{email:full}}', 'alien.example')", own.account),
        format!("grant_access({}, '{{email:full}}', 'alien.example')", own.token),
        format!("revoke_access({}, 'alien.example')", own.token),
    ] {
        assert_eq!(code(&refusal_of(&call, &mut work)), "P0002", "{call}");
    }
}

#[test]
fn every_function_is_in_the_table_or_manages_nothing() {
    let mut scene = PermissionScene::under("{}");
    let all: Vec<String> = scene.superuser.list(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'token_auth'::regnamespace ORDER BY proname::text",
        &[],
    );
    let managing = CALLS.iter().map(|(function, _)| *function);
    let mut known: Vec<_> = managing.clone().chain(NOT_MANAGING.iter().copied()).collect();
    let forgotten: Vec<_> = all.iter().filter(|function| !known.contains(&function.as_str())).collect();
    assert!(forgotten.is_empty(), "who may call {forgotten:?}?");
    known.sort_unstable();
    assert_eq!(all, known, "functions that are gone, or that have one more of the same name");
    let in_the_rule: BTreeSet<_> = cells(RULE).iter().map(|cell| cell.function).collect();
    assert_eq!(in_the_rule, managing.collect());
}

#[test]
fn a_token_manages_domains_with_domains_full_for_every_domain() {
    for tokens_manage_tokens in [false, true] {
        let mut scene = PermissionScene::under(&format!(r#"{{"tokens_manage_tokens": {tokens_manage_tokens}}}"#));
        let about = About::own(&mut scene, "mail.example", &["email:full"]);
        let mut bob = scene.session("bob");
        let PermissionScene { superuser, account, name, .. } = &mut scene;
        let keeper = superuser.account_token(*account, "domains, and email", &["domains:full", "email:full"]);
        let reader = superuser.account_token(*account, "may see domains", &["domains:read", "email:full"]);
        let full = superuser.account_token(*account, "full access", &["*:full"]);
        let elsewhere = superuser.domain(*account, "spare.example").token;
        let each = superuser.token(*account, "full access to each domain", &["*"], "mail.example");
        superuser.run("SELECT token_auth.grant_access($1, '{*}', 'spare.example')", &[&each.id]);
        let mut asked = |token: &NewToken, function: &str| {
            code(&refusal_of(&about.call(function), &mut authenticated_as(token, &mut bob))).to_owned()
        };

        for function in ["create_domain", "rename_domain", "set_domain_verified", "delete_domain"] {
            assert_eq!(asked(&each, function), "42501", "{function}");
            assert_eq!(asked(&reader, function), "42501", "{function}");
            assert_eq!(asked(&full, function), "ok", "{function}");
        }
        assert_eq!(asked(&keeper, "rename_domain"), "ok");
        assert_eq!(asked(&keeper, "set_domain_verified"), "ok");

        // A deleted domain takes the tokens whose home it is. Others lose their access to it.
        assert_eq!(asked(&keeper, "delete_domain"), "42501");
        superuser.run("SELECT token_auth.delete_token($1)", &[&each.id]);
        superuser.run("SELECT token_auth.grant_access($1, '{*}', 'mail.example')", &[&elsewhere.id]);
        assert_eq!(asked(&keeper, "delete_domain"), "ok");

        // Only full access to every domain covers full access to a new domain.
        assert_eq!(asked(&keeper, "create_domain"), "42501");
        superuser.run("UPDATE token_auth.profile SET creates_domain_token = false WHERE name = $1", &[name]);
        assert_eq!(asked(&keeper, "create_domain"), "ok");
        assert_eq!(asked(&reader, "create_domain"), "42501");
    }
}

/// The objects of a call.
#[derive(Clone)]
struct About {
    account: i64,
    name: String,
    domain: i64,
    /// Its home is the domain.
    token: i64,
    /// The account_id that is passed.
    of: Option<i64>,
}

impl About {
    /// Creates a domain in the scene's account, and a token with these scopes for every domain.
    fn own(scene: &mut PermissionScene, domain: &str, scopes: &[&str]) -> About {
        let PermissionScene { superuser, account, name, .. } = scene;
        About::new(superuser, *account, name, domain, scopes)
    }

    /// Creates the same in another account under the same profile.
    fn alien(scene: &mut PermissionScene) -> About {
        let name = format!("beside {}", scene.name);
        let account = scene.superuser.account_under(&name, &scene.name);
        scene.superuser.run("SELECT token_auth.add_account_admin($1, 'alice')", &[&account]);
        let about = About::new(&mut scene.superuser, account, &name, "alien.example", &["email:full"]);
        About { of: None, ..about }
    }

    fn new(superuser: &mut Client, account: i64, name: &str, domain: &str, scopes: &[&str]) -> About {
        let create_domain = "INSERT INTO token_auth.domain (account_id, name) VALUES ($1, $2) RETURNING id";
        let create_token = "SELECT token_id FROM token_auth.create_token($1, 'it', $2, $3, all_domains => true)";
        About {
            account,
            name: name.to_owned(),
            domain: superuser.get(create_domain, &[&account, &domain]),
            token: superuser.get(create_token, &[&account, &scopes, &domain]),
            of: Some(account),
        }
    }

    fn call(&self, function: &str) -> String {
        let (_, arguments) = CALLS.iter().find(|(name, _)| *name == function).expect(function);
        let arguments = arguments
            .replace("$account", &self.account.to_string())
            .replace("$name", &self.name)
            .replace("$domain", &self.domain.to_string())
            .replace("$token", &self.token.to_string())
            .replace("$of", &self.of.map_or("token_auth.any_account()".to_owned(), |of| of.to_string()));
        format!("{function}({arguments})")
    }
}

/// A caller.
struct Caller {
    /// The column of the table, and its group.
    column: (usize, &'static str),
    roles: &'static [&'static str],
    acts: Acts,
    about: About,
}

enum Acts {
    AsItself,
    As(NewToken),
    AsOneThatEnds,
}

impl Caller {
    /// Returns all callers under the scene's profile. The results for a token do not depend on the role of the session.
    fn all(scene: &mut PermissionScene, admins_only: bool, tokens_manage_tokens: bool) -> Vec<Caller> {
        let anybody: &[_] = &["alice", "bob"];
        let held = ["tokens:full", "domains:full", "email:full"];
        let it = About::own(scene, "mail.example", &held);
        let weak = About::own(scene, "spare.example", &["email:full"]);
        let alien = About::alien(scene).account;
        let mut token = |account, scopes: &[_]| Acts::As(scene.superuser.account_token(account, "caller", scopes));
        let own = it.account;
        let by_access = if tokens_manage_tokens { 2 } else { 1 };
        let callers = [
            (0, "nobody", &["nobody"] as &[_], Acts::AsItself),
            (0, if admins_only { "other" } else { "actor" }, &["bob"], Acts::AsItself),
            (0, "admin", &["alice"], Acts::AsItself),
            (by_access, "less", anybody, token(own, &["tokens:full", "domains:full", "email:send"])),
            (by_access, "equal", anybody, token(own, &held)),
            (by_access, "more", anybody, token(own, &["*"])),
            (by_access, "plain", anybody, token(own, &["domains:full", "email:full", "tokens:read"])),
            (3, "alien", anybody, token(alien, &["*"])),
            // The role may do everything, in case that the call falls back to it.
            (3, "ended", &["alice"], Acts::AsOneThatEnds),
        ];
        let about = |column| if column == "plain" { weak.clone() } else { it.clone() };
        let caller =
            |(group, column, roles, acts)| Caller { column: (group, column), roles, acts, about: about(column) };
        callers.into_iter().map(caller).collect()
    }

    /// Makes the call in a transaction that is rolled back: once, or once for each way in which the token ends.
    fn ask(&self, superuser: &mut Client, session: &mut Client, call: &str) -> Vec<Option<Refusal>> {
        match &self.acts {
            Acts::AsItself => vec![refusal_of(call, &mut session.transaction().expect("a transaction begins"))],
            Acts::As(token) => vec![refusal_of(call, &mut authenticated_as(token, session))],
            Acts::AsOneThatEnds => {
                let mut ask = |end| {
                    let token = superuser.account_token(self.about.account, "to end", &["*"]);
                    let mut work = authenticated_as(&token, session);
                    superuser.run(end, &[&token.id]);
                    refusal_of(call, &mut work)
                };
                ENDS.iter().map(|end| ask(end)).collect()
            }
        }
    }
}

/// A cell of a table above.
struct Cell {
    function: &'static str,
    /// Returns the name of the column and its group.
    column: (usize, &'static str),
    answer: &'static str,
}

/// Returns the cells of a table that are not empty.
fn cells(table: &'static str) -> Vec<Cell> {
    let groups = |line: &'static str| line.split('|').skip(1).map(str::split_whitespace).enumerate();
    let is_row = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let head = table.lines().take_while(|line| !is_row(line)).last().expect("the names of the columns");
    let mut cells = Vec::new();
    for line in table.lines().filter(is_row) {
        let function = line.split_whitespace().next().expect("the name of a function");
        for ((group, names), (_, answers)) in groups(head).zip(groups(line)) {
            let named = names.zip(answers).filter(|(_, answer)| *answer != "-");
            cells.extend(named.map(|(name, answer)| Cell { function, column: (group, name), answer }));
        }
    }
    cells
}

fn code(refusal: &Option<Refusal>) -> &str {
    refusal.as_ref().map_or("ok", |refusal| &refusal.code)
}
