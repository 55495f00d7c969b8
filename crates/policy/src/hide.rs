//! Blots secrets out of source lines that diagnostics show: a policy may have keys and passwords in it, and what is wrong
//! with it is printed in logs, by continuous integration too. Lines keep their length, so that carets stay in place.

/// What is in names whose values are secret wherever they stand. In parts, because a name may be what is wrong in the line.
const SECRET: [&str; 6] = ["secret", "password", "passphrase", "authorization", "api-key", "private-key"];
/// How names begin below which every value is secret: `- value: ...`, `- user:password`.
const SECRET_BELOW: [&str; 2] = ["api-key", "credential"];
/// Such a name has so many more characters at most: `api_key_selection` is another one.
const LONGER_BY: usize = 2;
/// How keys begin that can be told by it: of providers, of GitHub, of AWS, of webhooks; signed tokens.
const BEGINNINGS: [&str; 10] = ["sk-", "sk_", "gsk_", "xai-", "AIza", "ng-", "ghp_", "AKIA", "whsec_", "eyJ"];
/// A shorter text is a word, not a key.
const SHORTEST: usize = 12; // characters
/// So many lines before one are looked at for what it stands below.
const LINES_BEFORE: usize = 200;

/// A line as it may be shown. `before`: the lines before it, the nearest first.
pub(crate) fn secrets<'l>(line: &str, before: impl Iterator<Item = &'l str>) -> String {
    let mut below = parent(line, before.take(LINES_BEFORE)).is_some_and(is_above_secrets);
    let mut out = String::with_capacity(line.len());
    let mut name = "";
    let mut rest = line;
    while !rest.is_empty() {
        let length = rest.find(|c| !breaks(c)).unwrap_or(rest.len());
        let (gap, after) = rest.split_at(length);
        out.push_str(gap);
        if gap.contains(']') {
            below = false;
        }
        let word = after.split_at(end_of_word(after)).0;
        rest = after.get(word.len()..).unwrap_or_default();
        // In JSON the quote stands before the colon.
        let is_name = word.ends_with(':') || rest.trim_start_matches(['"', '\'']).starts_with(':');
        if word == ":" {
            out.push_str(word);
        } else if is_name {
            name = word.trim_end_matches(':');
            below |= is_above_secrets(name);
            out.push_str(word);
        } else if is_secret(word, name, below) {
            out.extend(word.chars().map(|_| '*'));
        } else {
            out.push_str(word);
        }
        if rest.starts_with([',', '}']) {
            name = "";
        }
    }
    out
}

fn breaks(c: char) -> bool {
    c.is_whitespace() || "\"'[]{},".contains(c)
}

/// A word goes to the next break; what is computed is a part of it, breaks and all.
fn end_of_word(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("${") {
            at += rest.find('}').map_or(rest.len(), |end| end + 1);
            continue;
        }
        let next = rest.chars().next().unwrap_or(' ');
        if breaks(next) {
            break;
        }
        at += next.len_utf8();
    }
    at
}

fn is_secret(word: &str, name: &str, below: bool) -> bool {
    // What is computed says where the secret is, not what it is.
    let computed = word.contains("${");
    let known = BEGINNINGS.iter().any(|start| word.starts_with(start)) && word.len() >= SHORTEST;
    let listed = below && (matches!(name, "" | "value") || is_above_secrets(name)) && word.len() > 2;
    !computed && (known || is_name_of_secret(name) || listed)
}

/// A name in one spelling.
fn spelt(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn is_name_of_secret(name: &str) -> bool {
    let name = spelt(name);
    // `secrets` of a configuration says where they are; `api_key_selection` which of them is used.
    let other = name == "secrets" || name.starts_with("api-key-");
    !other && (name == "cookie" || SECRET.iter().any(|part| name.contains(part)))
}

fn is_above_secrets(name: &str) -> bool {
    let name = spelt(name);
    let mut ends = SECRET_BELOW.iter().filter_map(|start| name.strip_prefix(start));
    ends.any(|end| end.len() <= LONGER_BY)
}

/// The name that a line stands below, by its indentation.
fn parent<'l>(line: &str, before: impl Iterator<Item = &'l str>) -> Option<&'l str> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let begins = |line: &str| line.len() - line.trim_start().len();
    let own = indent(line);
    for above in before {
        let text = above.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let is_item = text.starts_with("- ");
        if begins(above) < own && !is_item {
            return Some(text.trim_end_matches(':').trim_matches(['"', '\'']));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let (last, before) = lines.split_last().expect("a line");
        let out = secrets(last, before.iter().rev().copied());
        assert_eq!(out.chars().count(), last.chars().count(), "carets stay in place");
        out
    }

    #[test]
    fn secrets_are_blotted_out() {
        for text in [
            "client_secret: hidden-text",
            "config: {client_id: me, client_secret: 'hidden-text', x: y}",
            "{\"client_id\": \"me\", \"client_secret\": \"hidden-text\"}",
            "api_keys: [{value: hidden-text}], x: 1",
            "api_keys: [hidden-text, hidden-text]",
            "api_keys:\n  - value: hidden-text",
            "api_keys:\n  - id: a\n    value: hidden-text",
            "  credentials:\n  - me:hidden-text",
            "credentials: [\"me:hidden-text\"]",
            "headers: {Authorization: \"Bearer hidden-text\"}",
            "models: [sk-hidden-text-0123]",
            "- password: hidden-text # x",
            "client_secrets: hidden-text",
            "api_keyz: [{value: hidden-text}]",
            "credential: [\"me:hidden-text\"]",
            "{\"api_keys\":[{\"value\":\"hidden-text\"}],\"id\":\"a\"}",
            "{\"x-api-key\":[\"hidden-text\"]}",
        ] {
            let out = shown(text);
            assert!(!out.contains("hidden-text") && out.contains('*'), "{text}: {out}");
        }
    }

    #[test]
    fn everything_else_is_shown() {
        for text in [
            "models: [openai:gpt-4o-mini-2024, anthropic:claude]",
            "api_keys: [{value: \"${secrets.get('team', 'the-key-of-openai')}\"}], base_url: https://a",
            "client_secret: ${secrets.get('a', 'b')}",
            "url: https://auth.example.com/check?x=1",
            "- type: ai-gateway",
            "api_key_selection: {strategy: [ai.keys.filter(k-with-long-name)]}",
            "secrets: [{dir: /run/secrets-of-mine}]",
            "auth_cookie_domain: example.com",
            "value: https://issuer.example.com",
            "api_keys:\n  - {value: \"${secrets.get('a','b')}\"}\n    models: [gpt-4o-mini-long-name]",
            "expressions: [\"req.headers['x-api-key'][0] == secrets.get('a', 'b')\"]",
        ] {
            let last = text.lines().last().expect("a line");
            assert_eq!(shown(text), last);
        }
    }
}
