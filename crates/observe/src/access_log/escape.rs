//! Quoting of text a client controls, so that a line stays one line and parses.

use std::borrow::Cow;
use std::fmt::Write;

/// Longest string of a client that is logged; the rest is cut.
pub(super) const MAX_TEXT: usize = 2048; // bytes

/// Query parameters whose values are credentials, compared without case, `-` and `_`.
const CREDENTIALS: [&str; 19] = [
    "key",
    "apikey",
    "xapikey",
    "xgoogapikey",
    "subscriptionkey",
    "token",
    "accesstoken",
    "authtoken",
    "idtoken",
    "auth",
    "authorization",
    "password",
    "secret",
    "clientsecret",
    // What a login's provider sends a browser back with (RFC 6749 section 4.1.2).
    "code",
    "state",
    "signature",
    "sig",
    "code",
];

/// Appends `text` as the inside of a JSON string (RFC 8259, section 7). Control characters beyond the ones JSON
/// requires (DEL, C1) are escaped too, because terminals act on them.
pub(super) fn json(out: &mut String, text: &str) {
    // Almost every value needs nothing.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.push_str(text);
        return;
    }
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            c if c.is_control() => "",
            _ => continue,
        };
        out.push_str(text.get(plain..at).unwrap_or_default());
        if short.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push_str(short);
        }
        plain = at + c.len_utf8();
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

/// Appends `text` as a logfmt value: bare when that is unambiguous, else quoted as in JSON.
pub(super) fn logfmt(out: &mut String, text: &str) {
    // Almost every value is such a word.
    let word = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !text.is_empty() && text.bytes().all(word) {
        out.push_str(text);
        return;
    }
    let bare = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(bare) {
        out.push_str(text);
    } else {
        out.push('"');
        json(out, text);
        out.push('"');
    }
}

/// The first [`MAX_TEXT`] bytes of `text`, cut between characters.
pub(super) fn cut(text: &str) -> &str {
    cut_to(text, MAX_TEXT)
}

/// The first `most` bytes of `text`, cut between characters.
pub(super) fn cut_to(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// `query` with the values of credentials replaced by `***`.
pub(super) fn mask_query(query: &str) -> Cow<'_, str> {
    let secret = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| is_credential(name));
    if !query.split('&').any(secret) {
        return Cow::Borrowed(query);
    }
    let mut masked = String::with_capacity(query.len());
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            masked.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_credential(name) => {
                masked.push_str(name);
                masked.push_str("=***");
            }
            _ => masked.push_str(pair),
        }
    }
    Cow::Owned(masked)
}

fn is_credential(name: &str) -> bool {
    // Percent-encoded names are decoded by servers; no honest client encodes a letter, so mask them all.
    name.contains('%') || CREDENTIALS.iter().any(|credential| same_name(name, credential))
}

fn same_name(name: &str, credential: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b'.'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(credential.bytes())
}
