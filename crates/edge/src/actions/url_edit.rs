//! What `redirect` and `url-rewrite` share: search and replace in a request's URL.

use super::gate;
use super::pattern::{self, Pattern};
use crate::answer::Fault;
use tollgate_expr::{Activation, Program, Template, Value};
use tollgate_policy::{Checker, Config, Field, Shape};

/// The field `from`.
pub(super) const FROM: Field = Field::optional(
    "from",
    Shape::Template,
    "A regular expression (RE2), searched in the whole URL: `https://host/path?query`. Every match is replaced. Values of \
     expressions are part of the expression. Absent: the whole URL is replaced.",
);
/// Longest URL that a replacement may make, in bytes.
const LONGEST: usize = 64 << 10; // 64 KiB

/// A search and its replacement.
pub(super) struct UrlEdit {
    /// The whole URL, as rules see it.
    subject: Option<Program>,
    from: Pattern,
    to: Template,
}

/// A URL before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) before: String,
    /// Every text that matched.
    pub(super) matches: Vec<String>,
    pub(super) after: String,
}

/// Reports a `from` that is no regular expression.
pub(super) fn check_from(config: &Config<'_>, checker: &mut Checker) {
    if let Some(from) = config.get("from") {
        pattern::check(&from, checker);
    }
}

impl UrlEdit {
    /// The edit of a configuration that [`check_from`] has seen. Without `from`, the whole URL is replaced.
    pub(super) fn new(config: &Config<'_>, to: Template) -> Self {
        let from = Pattern::new(config.get("from").and_then(|from| from.template()));
        Self { subject: Program::compile("req.url", config.scope()).ok(), from, to }
    }

    /// Replaces every match.
    pub(super) fn apply(&self, activation: &Activation<'_>) -> Result<Edited, Fault> {
        let subject = self.subject.as_ref().map(|program| program.eval(activation));
        let before = match subject {
            Some(Ok(url)) => url.to_text(),
            Some(Err(error)) => return Err(Fault::interpolation("the URL", &error)),
            None => return Err(Fault::policy(2238, "there is no URL here")),
        };
        let from = self.from.regex(activation, 2238, 2261)?;
        // A value may hold `$1` by chance, or on somebody's purpose.
        let escape = |value: &str| value.replace('$', "$$");
        let to = self.to.render_escaped(activation, escape).map_err(|e| Fault::interpolation("to", &e))?;
        let matches = from.find_iter(&before).map(|found| found.as_str().to_owned()).collect();
        let after = from.replace_all(&before, &*to).into_owned();
        if after.len() > LONGEST {
            return Err(Fault::policy(2226, format!("the URL would be longer than {LONGEST} bytes")));
        }
        Ok(Edited { before, matches, after })
    }
}

/// The result variables: what matched, the URL it became, what went wrong.
pub(super) fn result(edited: &Result<(Vec<String>, String), Fault>) -> Value {
    let (matches, url, fault) = match edited {
        Ok((matches, url)) => (matches.as_slice(), url.as_str(), None),
        Err(fault) => (&[][..], "", Some(fault)),
    };
    let matches: Vec<Value> = matches.iter().map(|text| Value::from(text.as_str())).collect();
    gate::results([("matches", Value::List(matches.into())), ("url", url.into()), gate::error(fault)])
}

/// Percent-encodes what no URL may have (RFC 3986, section 2); what is encoded stays.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0..=b' ' | 0x7f.. | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                out.push_str(&format!("%{byte:02X}"));
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// Scheme and what is behind its colon (RFC 3986, section 3.1).
pub(super) fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(letters);
    is_scheme.then_some((scheme, rest))
}

/// What is before and from the first of `ends` on.
pub(super) fn split_before<'t>(text: &'t str, ends: &[char]) -> (&'t str, &'t str) {
    text.find(ends).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}
