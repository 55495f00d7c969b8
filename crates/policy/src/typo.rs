//! Slips of YAML that people make when they write expressions, and what to write instead.

use crate::source::LineIndex;

/// What is probably wrong with the YAML on a line or on the one before it.
pub(crate) fn hint(lines: &LineIndex, line: usize) -> Option<String> {
    let above = (1..line).rev().find(|number| !lines.line(*number).trim().is_empty());
    hint_for(lines.line(line)).or_else(|| {
        let above = lines.line(above?);
        hint_for(above).or_else(|| without_colon(above))
    })
}

/// A lone word above the line that could not be read is a key whose colon was forgotten.
fn without_colon(line: &str) -> Option<String> {
    let word = line.trim().trim_start_matches("- ");
    let is_word =
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    is_word.then(|| format!("write `{word}:`, with a colon"))
}

/// Text in the quotes that fit it, for a help line.
pub(crate) fn quoted(text: &str) -> String {
    let text = text.trim();
    if !text.contains('"') && !text.contains('\\') {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn hint_for(line: &str) -> Option<String> {
    let indentation: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    if indentation.contains('\t') {
        return Some("indent with spaces; YAML does not allow tabs".into());
    }
    let value = value_of(line.trim());
    let quote = || Some(format!("quote it: {}", quoted(value)));
    match value.chars().next()? {
        '!' | '&' | '*' | '%' | '@' | '`' => quote(),
        '{' | '[' => (!balanced_to_the_end(value)).then(quote).flatten(),
        first @ ('"' | '\'') => {
            let mut rest = value.get(1..)?.split(first).skip(1);
            let tail = rest.next()?.trim();
            (!tail.is_empty() && !tail.starts_with([',', '}', ']', ':', '#'])).then(quote).flatten()
        }
        _ if value.contains(": ") => quote(),
        _ => None,
    }
}

/// What follows the dashes and the key of a line.
fn value_of(line: &str) -> &str {
    let mut rest = line;
    while let Some(after) = rest.strip_prefix("- ") {
        rest = after.trim_start();
    }
    let is_key = |key: &str| {
        !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"'))
    };
    match rest.split_once(": ") {
        Some((key, value)) if is_key(key) => value.trim_start(),
        _ => rest,
    }
}

/// Whether the bracket that opens a text is closed by its last character.
fn balanced_to_the_end(text: &str) -> bool {
    let mut depth = 0usize;
    let mut ends = text.chars().filter(|c| !c.is_whitespace()).peekable();
    while let Some(c) = ends.next() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return matches!(ends.peek(), None | Some('#' | ','));
        }
    }
    // It goes on below: an ordinary flow collection over several lines.
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_named_and_ordinary_lines_are_not() {
        for (line, help) in [
            ("\t- type: deny", Some("indent with spaces; YAML does not allow tabs")),
            ("  - !req.tls", Some("quote it: \"!req.tls\"")),
            ("  - [1, 2].size() == 2", Some("quote it: \"[1, 2].size() == 2\"")),
            ("  - {'a': 1}.a == 1", Some("quote it: \"{'a': 1}.a == 1\"")),
            ("    - 'a' in req.headers", Some("quote it: \"'a' in req.headers\"")),
            ("    - \"a\" in req.headers", Some("quote it: '\"a\" in req.headers'")),
            ("    - req.x == 'a: b'", Some("quote it: \"req.x == 'a: b'\"")),
            ("  config: {a: 1}", None),
            ("  headers: [a, b] # why", None),
            ("  - 'quoted text'", None),
            ("  \"key\": \"value\",", None),
            ("  key: plain", None),
            ("", None),
        ] {
            assert_eq!(hint_for(line).as_deref(), help, "{line}");
        }
    }
}
