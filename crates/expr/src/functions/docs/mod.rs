//! What each function takes and does, for the reference page. Every example is run by a test.

mod data;
mod lists;
mod models;
mod text;

use super::Style;
use crate::scope::Scope;

/// One function.
pub(crate) struct Doc {
    pub(crate) style: Style,
    /// How it is called; `?` marks what may be left out.
    pub(crate) form: &'static str,
    /// The type of its result.
    pub(crate) gives: &'static str,
    pub(crate) does: &'static str,
    /// When it ends in an error, besides arguments of wrong types; empty when it never does.
    pub(crate) fails: &'static str,
    pub(crate) example: &'static str,
    /// What the example is, as an expression.
    pub(crate) result: &'static str,
}

/// Functions that belong together.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// Where they exist, when that is not everywhere.
    pub(crate) note: &'static str,
    /// Where the examples run.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests run the examples"))]
    pub(crate) scope: Scope,
    pub(crate) docs: &'static [Doc],
}

impl Doc {
    /// The name without receiver and arguments.
    pub(crate) fn name(&self) -> &'static str {
        let head = self.form.split('(').next().unwrap_or_default();
        match self.style {
            Style::Function => head,
            Style::Method => head.split_once('.').map_or(head, |(_, name)| name),
        }
    }
}

const fn function(
    form: &'static str,
    gives: &'static str,
    does: &'static str,
    fails: &'static str,
    (example, result): (&'static str, &'static str),
) -> Doc {
    Doc { style: Style::Function, form, gives, does, fails, example, result }
}

const fn method(
    form: &'static str,
    gives: &'static str,
    does: &'static str,
    fails: &'static str,
    example: (&'static str, &'static str),
) -> Doc {
    Doc { style: Style::Method, ..function(form, gives, does, fails, example) }
}

/// Every section, in the order of the page.
pub(crate) static SECTIONS: &[Section] = &[
    Section {
        title: "Request and response",
        note: "Names of headers in any case. Those of the request exist in the HTTP phases, those of the response in \
               `on_http_response` and `on_event_stream_message`.",
        scope: Scope::Response,
        docs: data::HTTP,
    },
    Section { title: "Secrets", note: "", scope: Scope::Request, docs: data::SECRETS },
    Section { title: "Text", note: "Positions count code points.", scope: Scope::Request, docs: text::TEXT },
    Section { title: "Lists and maps", note: "", scope: Scope::Request, docs: lists::LISTS },
    Section { title: "JSON, URLs, encodings", note: "", scope: Scope::Request, docs: data::ENCODINGS },
    Section {
        title: "Hashes",
        note: "`format` is `'hex'`, which it is when left out, or `'base64'`. Another one is an error.",
        scope: Scope::Request,
        docs: data::HASHES,
    },
    Section { title: "Addresses", note: "", scope: Scope::Request, docs: data::ADDRESSES },
    Section {
        title: "Times and lengths of time",
        note: "`zone` is an IANA name or an offset such as `'+05:30'`; without it the zone is UTC. A zone that does not \
               exist is an error.",
        scope: Scope::Request,
        docs: text::TIMES,
    },
    Section { title: "Conversions", note: "", scope: Scope::Request, docs: text::CONVERSIONS },
    Section { title: "Chance", note: "", scope: Scope::Request, docs: data::CHANCE },
    Section {
        title: "Models, providers, authors, keys",
        note: "In strategies of `ai-gateway`. Names compare without regard to case and match an id or an alias.",
        scope: Scope::ModelStrategy,
        docs: models::MODELS,
    },
];
