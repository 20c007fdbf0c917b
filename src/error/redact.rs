//! Texts in messages: shortened, on one line, and without secrets.
//!
//! Arguments get mixed up, and triggers of applications may report what they saw. So a word that is a secret, a digest or
//! a key is never quoted, whatever surrounds it.

use std::borrow::Cow;

use token_auth_core::secret;

/// The most bytes of a text that an error keeps.
const MAX_EXCERPT: usize = 1024;

/// Returns the beginning of a text, for an error to keep: the text may have any length.
pub fn excerpt(text: &str) -> String {
    head(text).into_owned()
}

/// Returns the beginning of a long text, up to the end of a word: a part of a secret would not be recognized as one.
fn head(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_EXCERPT {
        return Cow::Borrowed(text);
    }
    let head = &text[..text.floor_char_boundary(MAX_EXCERPT)];
    let whole_words = head.rfind(char::is_whitespace).map_or(head, |end| &head[..end]);
    Cow::Owned(format!("{whole_words}…"))
}

/// Returns a text in quotation marks, for a message.
pub(super) fn quoted(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    format!("\"{}\"", without_secrets(text, MAX_CHARS))
}

/// Returns a message of an application's code, for the server's log.
pub fn redacted(message: &str) -> String {
    const MAX_CHARS: usize = 200;
    without_secrets(message, MAX_CHARS)
}

fn without_secrets(text: &str, max_chars: usize) -> String {
    let text = head(text);
    let mut redacted = String::new();
    for piece in text.split_inclusive(|c: char| !is_word_character(c)) {
        let word = piece.trim_end_matches(|c: char| !is_word_character(c));
        if secret::is_well_formed(word.as_bytes()) {
            redacted += &secret::hint(word);
        } else if may_be_secret(word) {
            redacted += &word[..4];
            redacted += "...";
        } else {
            redacted += word;
        }
        redacted += &piece[word.len()..];
    }
    let mut on_one_line: String = redacted
        .chars()
        .take(max_chars)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if redacted.chars().nth(max_chars).is_some() {
        on_one_line.push('…');
    }
    on_one_line
}

/// Returns true for the characters of secrets, and of digests in hexadecimal or base64.
fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '/' | '=')
}

/// Returns true if a word may be a digest, a sealed copy, a key, or a secret with a typo, as they are usually written.
fn may_be_secret(word: &str) -> bool {
    let digits = word.strip_prefix('x').unwrap_or(word);
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    digits.len() >= 48 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        || word.len() >= 40 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}
