//! The regular expressions in fields of actions: known at load, or computed from the request.

use crate::answer::Fault;
use regex::Regex;
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use tollgate_expr::{Activation, Template, compile_regex};
use tollgate_policy::{Checker, Config};

/// A regular expression with RE2's meaning.
pub(super) enum Pattern {
    Known(Regex),
    /// With the last one that it was: most requests compute the same.
    Computed(Template, Mutex<Option<(String, Regex)>>),
}

/// Reports a `from` that is no regular expression.
pub(super) fn check(from: &Config<'_>, checker: &mut Checker) {
    let template = from.template();
    if let Some(text) = template.as_ref().and_then(Template::as_literal)
        && let Err(wrong) = compile_regex(text)
    {
        let help = Some("the syntax is RE2's; a literal character is written with `\\` before it".into());
        checker.error(from, "ERR_NGROK_2261", format!("`from` is no regular expression: {wrong}"), help);
    }
}

impl Pattern {
    /// The pattern of a field that [`check`] has seen; without one, all of the text.
    pub(super) fn new(from: Option<Template>) -> Self {
        // Of these two, the first cannot fail, and the second has been tried.
        let known = |text: &str| compile_regex(text).ok().map(Self::Known);
        let pattern = match from {
            None => known("(?s)^.*$"),
            Some(template) => match template.as_literal() {
                Some(text) => known(text),
                None => Some(Self::Computed(template, Mutex::default())),
            },
        };
        pattern.unwrap_or_else(|| Self::Computed(Template::literal("("), Mutex::default()))
    }

    /// The pattern for one request. The error's code is `failed` when a `${}` fails, and `bad` when it computes no pattern.
    pub(super) fn regex(
        &self,
        activation: &Activation<'_>,
        failed: u16,
        bad: u16,
    ) -> Result<Cow<'_, Regex>, Fault> {
        let (template, last) = match self {
            Self::Known(regex) => return Ok(Cow::Borrowed(regex)),
            Self::Computed(template, last) => (template, last),
        };
        let text = template
            .render(activation)
            .map_err(|error| Fault { code: failed, ..Fault::interpolation("from", &error) })?;
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, regex)) = last.as_ref().filter(|(pattern, _)| *pattern == *text) {
            return Ok(Cow::Owned(regex.clone()));
        }
        let regex = compile_regex(&text)
            .map_err(|wrong| Fault::policy(bad, format!("`from` is no regular expression: {wrong}")))?;
        *last = Some((text.into_owned(), regex.clone()));
        Ok(Cow::Owned(regex))
    }
}
