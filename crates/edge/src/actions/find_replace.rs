//! What the three find-and-replace actions share: patterns, replacements, and what is recorded of them.

use super::pattern::{self, Pattern};
use crate::answer::Fault;
use regex::Regex;
use std::borrow::Cow;
use std::sync::Arc;
use tollgate_expr::{Activation, Map, Template, Value};
use tollgate_policy::{Checker, Config, Field, Shape};

/// Bodies longer than this are not searched, in bytes; plain, that is: a compressed body counts as what is in it.
pub(super) const LONGEST: usize = crate::response::LONGEST_READ;

/// The field `from`.
pub(super) const FROM: Field = Field::required(
    "from",
    Shape::Template,
    "A regular expression with RE2's meaning (`\\d`, `\\w`, `\\s`, `\\b` are ASCII). Values of `${}` become part of it.",
);
/// The field `to`.
pub(super) const TO: Field = Field::optional(
    "to",
    Shape::Template,
    "What each match becomes. `$1` and `$name` are groups of the match, `$$` is a dollar; values of `${}` are text. Absent or empty: the match is deleted.",
)
.or("");

/// The field `replacements` of the actions that work on whole bodies.
pub(super) const REPLACEMENTS: Field = Field::required(
    "replacements",
    Shape::List { item: &Shape::Object(&[FROM, TO]), min: 1, max: 100 },
    "Applied one after the other, each to what the one before has left.",
);

/// One replacement.
pub(super) struct Replacement {
    from: Pattern,
    to: Template,
}

/// A replacement for one request.
pub(super) struct Ready<'a> {
    pub(super) from: Cow<'a, Regex>,
    pub(super) to: String,
}

/// Refuses patterns that are none.
pub(super) fn check(config: &Config<'_>, checker: &mut Checker) {
    let items = config.get("replacements").map(|list| list.as_list()).unwrap_or_default();
    for from in items.iter().filter_map(|item| item.get("from")) {
        pattern::check(&from, checker);
    }
}

/// The replacements of a configuration that [`check`] has seen.
pub(super) fn read(config: &Config<'_>) -> Vec<Replacement> {
    let items = config.get("replacements").map(|list| list.as_list()).unwrap_or_default();
    items.iter().map(one).collect()
}

/// One item of `replacements`.
pub(super) fn one(item: &Config<'_>) -> Replacement {
    let template = |name| item.get(name).and_then(|text| text.template());
    Replacement {
        from: Pattern::new(template("from")),
        to: template("to").unwrap_or_else(|| Template::literal("")),
    }
}

impl Replacement {
    /// Its pattern and its replacement for this request.
    ///
    /// # Errors
    /// 3900 when a `${}` fails, 3901 when the computed pattern is none.
    pub(super) fn ready(&self, activation: &Activation<'_>) -> Result<Ready<'_>, Fault> {
        let from = self.from.regex(activation, 3900, 3901)?;
        let to = self.to.render_escaped(activation, |value| value.replace('$', "$$"));
        let to = to.map_err(|error| Fault { code: 3900, ..Fault::interpolation("to", &error) })?;
        Ok(Ready { from, to })
    }
}

/// What came of searching a text: the text with all replacements done, when one was, and for each that matched its place
/// and its first match.
type Applied = (Option<String>, Vec<(usize, String)>);

/// The text with all replacements done, and for each that matched its place and its first match.
///
/// # Errors
/// As [`Replacement::ready`].
pub(super) fn apply(
    replacements: &[Replacement],
    activation: &Activation<'_>,
    text: &str,
) -> Result<Applied, Fault> {
    let mut now: Option<String> = None;
    let mut matched = Vec::new();
    for (index, replacement) in replacements.iter().enumerate() {
        let Ready { from, to } = replacement.ready(activation)?;
        let text = now.as_deref().unwrap_or(text);
        let Some(first) = from.find(text) else { continue };
        matched.push((index, first.as_str().to_owned()));
        let replaced = from.replace_all(text, to.as_str()).into_owned();
        if replaced.len() > 4 * LONGEST {
            return Err(Fault::policy(2249, "a body grew too long while it was changed"));
        }
        now = Some(replaced);
    }
    Ok((now, matched))
}

/// `actions.ngrok.<name>.replacements`
pub(super) fn result(matched: &[(usize, String)]) -> Value {
    let item = |(index, content): &(usize, String)| {
        Value::Map(Arc::new(Map::from([
            ("replacement_index".into(), Value::Int(i64::try_from(*index).unwrap_or(i64::MAX))),
            ("matched_content".into(), Value::from(content.as_str())),
        ])))
    };
    let list: Vec<Value> = matched.iter().map(item).collect();
    Value::Map(Arc::new(Map::from([("replacements".into(), Value::List(list.into()))])))
}
