//! Names of accounts, domains, tokens and actors, and the names of tokens that are created without one.

use unicode_width::UnicodeWidthChar as _;

/// The longest name, in characters.
pub const MAX_LENGTH: usize = 255;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No character of it is visible.
    Blank,
    /// It has more than [`MAX_LENGTH`] characters.
    TooLong,
    /// It contains a control character.
    ControlCharacter,
}

/// Returns an error if `text` is not a name: a name has at most [`MAX_LENGTH`] characters, a visible one among them, and no
/// control character.
pub fn check(text: &str) -> Result<(), NameError> {
    // A character is 4 bytes at most: no need to count the characters of a megabyte.
    if text.len() > 4 * MAX_LENGTH || text.chars().count() > MAX_LENGTH {
        Err(NameError::TooLong)
    } else if text.chars().all(is_invisible) {
        Err(NameError::Blank)
    } else if text.chars().any(char::is_control) {
        Err(NameError::ControlCharacter)
    } else {
        Ok(())
    }
}

/// Returns true for characters without ink: spaces, zero-width and bidirectional control characters, and marks that combine
/// with another character.
fn is_invisible(c: char) -> bool {
    // Two characters have a width and no ink: U+115F HANGUL CHOSEONG FILLER, U+2800 BRAILLE PATTERN BLANK.
    c.is_whitespace() || c.width() == Some(0) || matches!(c, '\u{115f}' | '\u{2800}')
}

/// Returns the folded form, under which domain names are compared: ASCII letters in lower case, as `lower(name COLLATE "C")`.
pub fn fold(domain: &str) -> String {
    domain.to_ascii_lowercase()
}

/// Returns true if a text is short enough for a name. An argument may have any length.
pub fn can_be(text: &[u8]) -> bool {
    text.len() <= 4 * MAX_LENGTH
}

/// Returns a text that may be a name, or `None` if it is too long or not UTF-8.
pub fn from_bytes(text: &[u8]) -> Option<&str> {
    if can_be(text) { str::from_utf8(text).ok() } else { None }
}

/// Returns the folded form of an argument, or `None` if it is too long or not UTF-8.
pub fn folded(domain: &[u8]) -> Option<String> {
    from_bytes(domain).map(fold)
}

/// The name of the token that a new domain brings: `<domain> token <id>`.
pub fn of_domain_token(domain: &str, id: i64) -> String {
    numbered(domain, &format!(" token {id}"))
}

/// The name of the token that takes over after a reset: that of the old one, with the new id at the end.
/// A number at the end goes only if it is the old token's own id.
pub fn after_reset(name: &str, old_id: i64, new_id: i64) -> String {
    let own_number = old_id.to_string();
    let base = match name.rsplit_once(' ') {
        Some((base, last)) if last == own_number => base,
        None if name == own_number => "",
        _ => name,
    };
    if base.trim().is_empty() { new_id.to_string() } else { numbered(base, &format!(" {new_id}")) }
}

/// `base` and then `end`, with `base` cut where the two together are too long for a name.
fn numbered(base: &str, end: &str) -> String {
    let room = MAX_LENGTH - end.chars().count();
    base.chars().take(room).chain(end.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_a_name_is_not_folded() {
        assert_eq!(folded(b"MAIL.Example"), Some("mail.example".to_string()));
        assert_eq!(folded("ÄB".as_bytes()), Some("Äb".to_string()));
        assert_eq!(folded(b"\xff"), None);
        assert_eq!(folded(&vec![b'a'; 4 * MAX_LENGTH + 1]), None);
        assert!(folded(&vec![b'a'; 4 * MAX_LENGTH]).is_some());
    }

    #[test]
    fn a_name_is_not_blank_and_has_no_control_character() {
        assert_eq!(check("Ünïcode ✓"), Ok(()));
        for blank in ["", " ", "\t", "\u{a0}\u{3000}"] {
            assert_eq!(check(blank), Err(NameError::Blank), "{blank:?}");
        }
        for invisible in [
            "\u{200b}",
            "\u{200c}\u{200d}",
            "\u{2060}",
            "\u{feff}",
            "\u{ad}",
            "\u{34f}",
            "\u{180e}",
            "\u{e0001}\u{e0020}",
            "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}",
            "\u{2066}\u{2067}\u{2068}\u{2069}",
            "\u{200e}\u{200f}\u{61c}",
            "\u{fe0f}",
            "\u{301}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}\u{1160}",
            "\u{2800}",
            " \u{200b}\u{a0}",
        ] {
            assert_eq!(check(invisible), Err(NameError::Blank), "{invisible:?}");
        }
        for visible in ["a\u{200b}", "\u{200f}שלום", "क्‍ष", "👩‍💻", "é", "e\u{301}"] {
            assert_eq!(check(visible), Ok(()), "{visible:?}");
        }
        for control in ["a\nb", "a\0", "a\u{7f}", "a\u{85}b", "\u{1b}[31mred"] {
            assert_eq!(check(control), Err(NameError::ControlCharacter), "{control:?}");
        }
        assert_eq!(check(&"ü".repeat(255)), Ok(()));
        assert_eq!(check(&"ü".repeat(256)), Err(NameError::TooLong));
        assert_eq!(check(&"a".repeat(1 << 20)), Err(NameError::TooLong));
    }

    #[test]
    fn folding_touches_ascii_only() {
        assert_eq!(fold("EXAMPLE.Com"), "example.com");
        assert_eq!(fold("ÄÉİ.COM"), "ÄÉİ.com");
    }

    #[test]
    fn a_domain_token_is_named_after_its_domain_and_id() {
        assert_eq!(of_domain_token("mailtrap.example", 17), "mailtrap.example token 17");
    }

    #[test]
    fn a_reset_replaces_the_own_number_and_no_other() {
        assert_eq!(after_reset("mailtrap.example token 17", 17, 4231), "mailtrap.example token 4231");
        assert_eq!(after_reset("backup 2024", 17, 18), "backup 2024 18");
        assert_eq!(after_reset("backup 2024 18", 18, 19), "backup 2024 19");
        assert_eq!(after_reset("CI", 5, 6), "CI 6");
        assert_eq!(after_reset("v17", 17, 18), "v17 18");
        assert_eq!(after_reset("17", 17, 18), "18");
        assert_eq!(after_reset(" 17", 17, 18), "18");
        assert_eq!(after_reset("build -17", 17, 18), "build -17 18");
    }

    proptest! {
        #[test]
        fn a_name_after_reset_is_a_name(name in "\\PC{1,300}", old in 1i64.., new in 1i64..) {
            prop_assume!(check(&name).is_ok());
            let next = after_reset(&name, old, new);
            prop_assert_eq!(check(&next), Ok(()));
            prop_assert!(next.ends_with(&new.to_string()));
        }

        #[test]
        fn a_second_reset_does_not_pile_up_numbers(name in "[a-z]{1,20}", ids in prop::collection::vec(1i64.., 3)) {
            let first = after_reset(&name, ids[0], ids[1]);
            prop_assert_eq!(after_reset(&first, ids[1], ids[2]), format!("{} {}", name, ids[2]));
        }

        #[test]
        fn a_domain_token_name_is_a_name(domain in "\\PC{1,300}", id in 1i64..) {
            prop_assume!(check(&domain).is_ok());
            prop_assert_eq!(check(&of_domain_token(&domain, id)), Ok(()));
        }
    }
}
