//! The key file: no token is created that could not be revealed, and a file that cannot be used or that others could read is an
//! error with a reason. No message contains a part of it. Who may see and set the setting, and when a change counts.

use cluster::{Client, Cluster, NewToken, Refusal, Sql, TokenAuth, readme, refusal, seconds, wait_until};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown, symlink},
    path::Path,
    process::Command,
};

const KEY: &str = "7f3a1c05d2e84b96a0c7f1529be6438d0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6";
const OTHER_KEY: &str = "e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff10";
/// The largest file that is read, in bytes.
const LARGEST: usize = 65_536;

const REVEAL: &str = "SELECT token_auth.reveal_token($1)";
const CREATE_TOKEN: &str = "SELECT token_auth.create_token((SELECT account_id FROM token_auth.token WHERE id = $1),
                                                           'new', '{*}', all_domains => true)";
const CREATE_DOMAIN: &str =
    "SELECT token_auth.create_domain((SELECT account_id FROM token_auth.token WHERE id = $1), 'new.example')";
const RESET: &str = "SELECT token_auth.reset_token($1)";
const RESEAL: &str = "SELECT token_auth.reseal_tokens() WHERE $1::bigint IS NOT NULL";

#[test]
fn without_a_key_file_no_revealable_token_is_created() {
    let cluster = Cluster::builder().preload("token_auth").start();
    let mut db = cluster.create_database_with_token_auth("app");
    db.own_profile("vault", "{}");
    let account = db.account_under("acme", "vault");
    let token = db.domain(account, "mail.example").token;
    db.run("UPDATE token_auth.profile SET can_reveal = true WHERE name = 'vault'", &[]);

    let before = everything(&mut db);
    for sql in [CREATE_TOKEN, CREATE_DOMAIN, RESET] {
        let refusal = db.refused(sql, &[&token.id]);
        assert_eq!(refusal.code, "55000", "{sql}: {refusal:?}");
        assert!(refusal.message.contains("\"vault\"") && refusal.message.contains("can_reveal"), "{refusal:?}");
        assert!(refusal.hint.contains("token_auth.sealing_key_file"), "{refusal:?}");
        assert_eq!(everything(&mut db), before, "{sql}");
    }
    assert_eq!(db.refused(RESEAL, &[&token.id]).code, "55000");
    assert!(db.is_good(&token.secret));

    db.own_profile("bare", r#"{"can_reveal": true, "creates_domain_token": false}"#);
    let bare = db.account_under("bare", "bare");
    db.run("SELECT token_auth.create_domain($1, 'no token, no key')", &[&bare]);
}

#[test]
fn a_key_file_that_cannot_be_used_is_an_error_and_nothing_is_created() {
    let desk = &mut Desk::start();
    let (one, two) = (KEY, OTHER_KEY);
    for (what, text, message) in [
        ("empty", String::new(), "no key"),
        ("a comment only", "# not yet\n\n".into(), "no key"),
        ("a key cut short", one[1..].into(), "line 1 "),
        ("a digit too many", format!("{one}0\n"), "line 1 "),
        ("a letter that is no digit", format!("# keys\n\n{one}\n{}g\n", &two[1..]), "line 4 "),
        ("two keys on a line", format!("{one}\n{two} {two}\n"), "line 2 "),
        ("a comment after a key", format!("{one} # mine\r\n"), "line 1 "),
        ("words", format!("{one}\n{two}\nswordfish\n"), "line 3 "),
        ("no text at all", format!("{one}\n\u{1}\u{2}swordfish\n"), "line 2 "),
        ("a key twice", format!("{one}\n{two}\n{}\n", one.to_uppercase()), "line 3 "),
        ("a byte more than 64 kB", padded(LARGEST + 1), "too large"),
        ("far more than 64 kB", padded(10_000_000), "too large"),
    ] {
        desk.write(&text, 0o600);
        desk.assert_unusable(what, message);
    }

    desk.clear();
    desk.assert_unusable("no file", "cannot be read: No such file");
    fs::create_dir(desk.file()).expect("a directory");
    desk.assert_unusable("a directory", "not a regular file");
    desk.clear();
    symlink("/dev/zero", desk.file()).expect("a link");
    desk.assert_unusable("a device", "not a regular file");
    desk.clear();

    desk.write(KEY, 0o600);
    assert_eq!(desk.db.get::<String>(REVEAL, &[&desk.token.id]), desk.token.secret);
}

/// Opening a named pipe would wait for a writer, even after a cancellation.
#[test]
fn a_key_file_that_is_a_named_pipe_is_an_error_at_once() {
    let desk = Desk::start();
    desk.clear();
    assert!(Command::new("mkfifo").arg(desk.file()).status().expect("mkfifo").success());
    let (mut session, id) = (desk.cluster.connect("app", "postgres"), desk.token.id);
    let call = std::thread::spawn(move || session.refused(REVEAL, &[&id]));
    wait_until("an answer", seconds(20), || call.is_finished());
    let refusal = call.join().expect("a refusal");
    assert_eq!(refusal.code, "F0000");
    assert!(refusal.message.contains("not a regular file"), "{refusal:?}");
}

#[test]
fn a_key_file_that_others_could_read_or_write_is_an_error() {
    let desk = &mut Desk::start();
    for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o660, 0o666, 0o440, 0o777] {
        desk.write(KEY, mode);
        desk.assert_unusable(&format!("{mode:o}"), "group or world access");
    }
    if !is_root(desk) {
        println!("not run as root, which alone can give files away");
        return;
    }
    let server = desk.server_group();
    let nobody = 65_534;
    for (what, mode, owner, message) in [
        ("another user's, for all to read", 0o644, nobody, "owned neither"),
        ("another user's, for the server's group to read", 0o640, nobody, "owned neither"),
        ("another user's own", 0o600, nobody, "cannot be read: Permission denied"),
        ("root's, for all to read", 0o644, 0, "group or world access"),
        ("root's, for the server's group to write", 0o660, 0, "group or world access"),
        ("root's, for the server's group to execute", 0o650, 0, "group or world access"),
        ("root's own", 0o600, 0, "cannot be read: Permission denied"),
    ] {
        desk.write(KEY, mode);
        chown(desk.file(), Some(owner), Some(server)).expect("root may");
        desk.assert_unusable(what, message);
    }
}

#[test]
fn a_key_file_is_read_however_it_was_written() {
    let desk = &mut Desk::start();
    let (one, two) = (KEY, OTHER_KEY);
    for (what, text, mode) in [
        ("no end of line", one.to_owned(), 0o600),
        ("from Windows, with comments", format!("# the key\r\n\r\n{one}\r\n# the old one\r\n{two}\r\n"), 0o600),
        ("capitals", one.to_uppercase(), 0o600),
        ("with spaces around", format!("\n \t{one} \n"), 0o600),
        ("behind another key", format!("{two}\n{one}\n"), 0o600),
        ("exactly 64 kB", padded(LARGEST), 0o600),
        ("read-only", one.to_owned(), 0o400),
    ] {
        desk.write(&text, mode);
        desk.assert_reveals(what);
    }

    let elsewhere = desk.cluster.file("elsewhere.keys");
    fs::rename(desk.file(), &elsewhere).expect("a file of ours");
    symlink(&elsewhere, desk.file()).expect("a link");
    desk.assert_reveals("a link to the file");
    desk.clear();

    if is_root(desk) {
        for mode in [0o640, 0o440] {
            desk.write(KEY, mode);
            chown(desk.file(), Some(0), Some(desk.server_group())).expect("root may");
            desk.assert_reveals("root's, for the server's group to read");
        }
    }
}

#[test]
fn only_superusers_see_the_key_file_setting_and_no_session_sets_it() {
    let desk = &mut Desk::start();
    desk.db.batch_execute(&readme::grants()).expect("the GRANTs of docs/privileges.md");
    desk.db.run("CREATE ROLE manager LOGIN IN ROLE token_manager", &[]);
    let mut manager = desk.cluster.connect("app", "manager");
    let listed = "SELECT count(*) FROM pg_settings WHERE name = 'token_auth.sealing_key_file'";
    assert_eq!(manager.refused("SHOW token_auth.sealing_key_file", &[]).code, "42501");
    assert_eq!(manager.refused("SELECT current_setting('token_auth.sealing_key_file')", &[]).code, "42501");
    assert_eq!(manager.get::<i64>(listed, &[]), 0);
    assert_eq!(desk.db.get::<i64>(listed, &[]), 1);
    assert_eq!(desk.db.get::<String>("SHOW token_auth.sealing_key_file", &[]), "sealing.keys");

    desk.db.run("GRANT SET ON PARAMETER token_auth.sealing_key_file TO manager", &[]);
    for sql in [
        "SET token_auth.sealing_key_file = 'mine'",
        "SET LOCAL token_auth.sealing_key_file = 'mine'",
        "SELECT set_config('token_auth.sealing_key_file', 'mine', true)",
        "SET token_auth.sealing_key_file = ''",
        "ALTER ROLE manager SET token_auth.sealing_key_file = 'mine'",
    ] {
        assert_eq!(desk.db.refused(sql, &[]).code, "55P02", "{sql}");
        assert_eq!(manager.refused(sql, &[]).code, "55P02", "{sql}");
    }
    assert_eq!(desk.db.refused("ALTER DATABASE app SET token_auth.sealing_key_file = 'mine'", &[]).code, "55P02");
    desk.assert_reveals("after all this");
}

/// Without preload every user can set a setting of that name in a session that has not used the extension yet.
#[test]
fn a_setting_from_before_the_library_was_loaded_is_dropped() {
    let desk = Desk::start_on(Cluster::builder());
    let theirs = desk.cluster.file("their.keys");
    fs::write(&theirs, OTHER_KEY).expect("a file");
    chown(&theirs, Some(desk.server_user()), Some(desk.server_group())).expect("as the other files");
    fs::set_permissions(&theirs, fs::metadata(desk.file()).expect("the key file").permissions())
        .expect("a file of ours");

    let mut session = desk.cluster.connect("app", "postgres");
    session.batch_execute(&format!("SET token_auth.sealing_key_file = '{}'", theirs.display())).expect("a placeholder");
    let made = session.account_token(desk.account, "made since", &["*"]);
    let marks: Vec<Vec<u8>> = session.list("SELECT DISTINCT substr(sealed, 1, 9) FROM token_auth.token", &[]);
    assert_eq!(marks.len(), 1, "sealed under another key");
    assert_eq!(session.get::<String>(REVEAL, &[&made.id]), made.secret);
    assert_eq!(session.get::<String>("SHOW token_auth.sealing_key_file", &[]), "sealing.keys");
}

#[test]
fn the_setting_counts_from_a_reload_and_the_file_from_the_next_call() {
    let desk = &mut Desk::start();
    desk.write(OTHER_KEY, 0o600);
    assert_eq!(desk.db.refused(REVEAL, &[&desk.token.id]).code, "55000", "another file counts at once");
    let moved = desk.cluster.file("moved.keys");
    fs::rename(desk.file(), &moved).expect("a file of ours");
    assert_eq!(desk.db.refused(REVEAL, &[&desk.token.id]).code, "F0000", "a file that is gone counts at once");
    desk.write(KEY, 0o600);
    desk.assert_reveals("the file again");

    let name = moved.display().to_string();
    desk.db.run(&format!("ALTER SYSTEM SET token_auth.sealing_key_file = '{name}'"), &[]);
    desk.assert_reveals("before the reload");
    let mut newcomer = desk.cluster.connect("app", "postgres");
    assert_eq!(newcomer.get::<String>(REVEAL, &[&desk.token.id]), desk.token.secret, "before the reload");
    desk.db.run("SELECT pg_reload_conf()", &[]);
    wait_until("the new file", seconds(20), || refused(&mut desk.db, &desk.token).is_some_and(|no| no.code == "55000"));
    assert_eq!(desk.db.get::<String>("SHOW token_auth.sealing_key_file", &[]), name);

    desk.cluster.reload_with("token_auth.sealing_key_file", "");
    let no_key = |refusal: Refusal| refusal.code == "55000" && refusal.message.contains("there is no key");
    wait_until("no file", seconds(20), || refused(&mut desk.db, &desk.token).is_some_and(no_key));
    desk.cluster.reload_without("token_auth.sealing_key_file");
    wait_until("the first file", seconds(20), || refused(&mut desk.db, &desk.token).is_none());
}

/// A cluster with a key file, and a token sealed under its key.
struct Desk {
    cluster: Cluster,
    db: Client,
    account: i64,
    token: NewToken,
}

impl Desk {
    fn start() -> Desk {
        Desk::start_on(Cluster::builder().preload("token_auth"))
    }

    fn start_on(builder: cluster::Builder) -> Desk {
        let cluster = builder.sealing_keys(KEY).start();
        let mut db = cluster.create_database_with_token_auth("app");
        db.own_profile("vault", r#"{"can_reveal": true}"#);
        let account = db.account_under("acme", "vault");
        let token = db.account_token(account, "sealed", &["*"]);
        Desk { cluster, db, account, token }
    }

    fn file(&self) -> std::path::PathBuf {
        self.cluster.sealing_key_file()
    }

    fn write(&self, text: &str, mode: u32) {
        self.cluster.write_sealing_keys(text, mode);
    }

    fn clear(&self) {
        let file = self.file();
        if file.is_dir() { fs::remove_dir(&file) } else { fs::remove_file(&file) }.expect("the key file goes");
    }

    fn server_user(&self) -> u32 {
        self.data_directory().uid()
    }

    fn server_group(&self) -> u32 {
        self.data_directory().gid()
    }

    fn data_directory(&self) -> fs::Metadata {
        self.file().parent().and_then(|data| data.metadata().ok()).expect("the data directory")
    }

    /// Asserts that every call that needs a key fails with the reason, without a part of the file or its path.
    fn assert_unusable(&mut self, what: &str, message: &str) {
        let before = everything(&mut self.db);
        for sql in [CREATE_TOKEN, CREATE_DOMAIN, RESET, REVEAL, RESEAL] {
            let refusal = self.db.refused(sql, &[&self.token.id]);
            assert_eq!(refusal.code, "F0000", "{what}: {sql}: {refusal:?}");
            assert!(refusal.message.contains(message), "{what}: {refusal:?}");
            assert!(!refusal.hint.is_empty(), "{what}: {refusal:?}");
            let text = refusal.text().to_lowercase();
            for content in [&KEY[1..17], &KEY[48..], &OTHER_KEY[1..17], &OTHER_KEY[48..], "swordfish", "sealing.keys"] {
                assert!(!text.contains(content), "{what}: {refusal:?}");
            }
        }
        assert_eq!(everything(&mut self.db), before, "{what}");
    }

    fn assert_reveals(&mut self, what: &str) {
        match refused(&mut self.db, &self.token) {
            Some(refusal) => panic!("{what}: {refusal:?}"),
            None => assert_eq!(self.db.get::<String>(REVEAL, &[&self.token.id]), self.token.secret, "{what}"),
        }
    }
}

fn refused(db: &mut Client, token: &NewToken) -> Option<Refusal> {
    db.query(REVEAL, &[&token.id]).err().map(|error| refusal(&error))
}

/// Returns every domain, token and access as text.
fn everything(db: &mut Client) -> Vec<String> {
    db.list(
        "SELECT d::text FROM token_auth.domain d
         UNION ALL SELECT t::text FROM token_auth.token t
         UNION ALL SELECT a::text FROM token_auth.token_access a
         ORDER BY 1",
        &[],
    )
}

/// Returns a file of `length` bytes with the key at its end.
fn padded(length: usize) -> String {
    let comment = "#".repeat(length - KEY.len() - 1);
    format!("{comment}\n{KEY}")
}

fn is_root(desk: &Desk) -> bool {
    let mine = desk.cluster.file("mine");
    fs::write(&mine, "").expect("a file of ours");
    Path::new(&mine).metadata().expect("a file of ours").uid() == 0
}
