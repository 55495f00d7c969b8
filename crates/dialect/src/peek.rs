//! What the gateway must know of a request body, read without parsing it into values.

use crate::json::{self, Object};
use serde::Deserialize;
use std::fmt;
use thiserror::Error;

/// What was seen in a request body, and where its members stand. Holds positions, not contents.
#[derive(Clone, Default)]
pub struct Peek {
    /// The `model` as sent; `None` when absent or `null`. May be empty or `ngrok/auto`.
    pub model: Option<String>,
    /// The `models` as sent; empty when absent or `null`.
    pub models: Vec<String>,
    /// Whether `stream` is `true`.
    pub stream: bool,
    /// Whether the client itself asked for `stream_options.include_usage`.
    pub include_usage: bool,
    pub(crate) object: Object,
}

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek")
            .field("has_model", &self.model.is_some())
            .field("models", &self.models.len())
            .field("stream", &self.stream)
            .field("include_usage", &self.include_usage)
            .field("members", &self.object.members.len())
            .finish()
    }
}

impl Peek {
    /// The raw JSON of a top-level member of the body this was made from. Of duplicates, the last.
    #[must_use]
    pub fn raw<'b>(&self, body: &'b [u8], name: &str) -> Option<&'b [u8]> {
        let found = self
            .object
            .members
            .iter()
            .rev()
            .find(|member| body.get(member.key.clone()).is_some_and(|key| json::is_key(key, name)))?;
        body.get(found.value.clone())
    }
}

/// Why a body cannot be served: the caller's fault, status 400. The text is the `ERR` of `ERR_NGROK_3801`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeekError {
    /// There is no body.
    #[error("the request body is empty")]
    Empty,
    /// The body is JSON, but no object.
    #[error("the request body must be a JSON object, not {0}")]
    NotObject(&'static str),
    /// The body is no JSON; where it stops being it.
    #[error("the request body is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1.
        column: usize,
    },
    /// `model` is neither a string nor null.
    #[error("'model' must be a string, not {0}")]
    Model(&'static str),
    /// `models` is neither a list nor null.
    #[error("'models' must be an array of strings, not {0}")]
    Models(&'static str),
    /// An item of `models` is no string.
    #[error("'models' must be an array of strings, but item {index} is {found}")]
    ModelsItem {
        /// Position of the item, counted from 0.
        index: usize,
        /// What it is.
        found: &'static str,
    },
}

/// Reads a request body once, checks that it is a JSON object, and notes where its members are.
///
/// Where a key occurs more than once the last one counts, as with most JSON readers.
///
/// # Errors
/// See [`PeekError`]; none of them holds any of the body.
pub fn peek(body: &[u8]) -> Result<Peek, PeekError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace()).ok_or(PeekError::Empty)?;
    let object = json::members(body).map_err(|error| syntax(body, *first, &error))?;
    let mut peek = Peek { object, ..Peek::default() };
    for member in &peek.object.members {
        let key = body.get(member.key.clone()).and_then(json::string);
        let value = body.get(member.value.clone()).unwrap_or_default();
        match key.as_deref() {
            Some("model") => peek.model = model(value)?,
            Some("models") => peek.models = models(value)?,
            Some("stream") => peek.stream = value == b"true",
            Some("stream_options") => peek.include_usage = include_usage(value),
            _ => {}
        }
    }
    Ok(peek)
}

/// The kind of a JSON value, by its first byte.
fn kind(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

fn syntax(body: &[u8], first: u8, error: &serde_json::Error) -> PeekError {
    let whole: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(body);
    if first != b'{' && whole.is_ok() {
        return PeekError::NotObject(kind(&[first]));
    }
    PeekError::Syntax { line: error.line(), column: error.column() }
}

fn model(value: &[u8]) -> Result<Option<String>, PeekError> {
    if value == b"null" {
        return Ok(None);
    }
    json::string(value).map(|name| Some(name.into_owned())).ok_or(PeekError::Model(kind(value)))
}

fn models(value: &[u8]) -> Result<Vec<String>, PeekError> {
    if value == b"null" {
        return Ok(Vec::new());
    }
    let items: Vec<&serde_json::value::RawValue> =
        serde_json::from_slice(value).map_err(|_| PeekError::Models(kind(value)))?;
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let raw = item.get().as_bytes();
            json::string(raw)
                .map(std::borrow::Cow::into_owned)
                .ok_or(PeekError::ModelsItem { index, found: kind(raw) })
        })
        .collect()
}

fn include_usage(value: &[u8]) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct StreamOptions {
        include_usage: crate::loose::Filled,
    }
    value.first() == Some(&b'{')
        && serde_json::from_slice::<StreamOptions>(value).is_ok_and(|options| options.include_usage.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ok(body: &str) -> Peek {
        peek(body.as_bytes()).unwrap()
    }

    #[test]
    fn names() {
        for (body, model, models) in [
            (r"{}", None, &[][..]),
            (r#"{"model":null,"models":null}"#, None, &[]),
            (r#"{"model":"","models":[]}"#, Some(""), &[]),
            (r#"{"model":"ngrok/auto"}"#, Some("ngrok/auto"), &[]),
            (r#"{"models":["a","b\u0020c"]}"#, None, &["a", "b c"]),
            (r#" { "model" : "gpt-4o" , "x":[1,{"model":"no"}] } "#, Some("gpt-4o"), &[]),
            (r#"{"m\u006fdel":"x"}"#, Some("x"), &[]),
            (r#"{"model":"a","model":"b","models":["x"],"models":[]}"#, Some("b"), &[]),
            (r#"{"model":"a","model":null}"#, None, &[]),
        ] {
            let peek = ok(body);
            assert_eq!(peek.model.as_deref(), model, "{body}");
            assert_eq!(peek.models, models, "{body}");
        }
    }

    #[test]
    fn stream_flags() {
        for (body, stream, usage) in [
            (r#"{"stream":true}"#, true, false),
            (r#"{"stream":false}"#, false, false),
            (r#"{"stream":"true"}"#, false, false),
            (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, true, true),
            (r#"{"stream_options":{"include_usage":false}}"#, false, false),
            (r#"{"stream_options":null}"#, false, false),
            (r#"{"stream_options":[true]}"#, false, false),
        ] {
            let peek = ok(body);
            assert_eq!((peek.stream, peek.include_usage), (stream, usage), "{body}");
        }
    }

    #[test]
    fn refusals() {
        for (body, text) in [
            ("", "the request body is empty"),
            (" \n", "the request body is empty"),
            ("[]", "the request body must be a JSON object, not an array"),
            ("\"x\"", "the request body must be a JSON object, not a string"),
            ("5", "the request body must be a JSON object, not a number"),
            ("null", "the request body must be a JSON object, not null"),
            ("{\"a\":\n1,}", "the request body is not valid JSON (line 2, column 3)"),
            ("{\"a\":1", "the request body is not valid JSON (line 1, column 6)"),
            ("hello", "the request body is not valid JSON (line 1, column 1)"),
            (r#"{"model":5}"#, "'model' must be a string, not a number"),
            (r#"{"model":["a"]}"#, "'model' must be a string, not an array"),
            (r#"{"models":"x"}"#, "'models' must be an array of strings, not a string"),
            (r#"{"models":{}}"#, "'models' must be an array of strings, not an object"),
            (r#"{"models":["a",1]}"#, "'models' must be an array of strings, but item 1 is a number"),
        ] {
            assert_eq!(peek(body.as_bytes()).unwrap_err().to_string(), text, "{body}");
        }
    }

    #[test]
    fn debug_shows_no_contents() {
        let shown = format!("{:?}", ok(r#"{"model":"secret-model","models":["hidden"],"x":"private"}"#));
        assert!(
            !shown.contains("secret") && !shown.contains("hidden") && !shown.contains("private"),
            "{shown}"
        );
    }

    #[test]
    fn raw_members() {
        let body = br#"{"a":1,"b":[2],"a":3}"#;
        let peek = peek(body).unwrap();
        assert_eq!(peek.raw(body, "a"), Some(&b"3"[..]));
        assert_eq!(peek.raw(body, "b"), Some(&b"[2]"[..]));
        assert_eq!(peek.raw(body, "c"), None);
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = peek(&body);
        }

        #[test]
        fn never_panics_on_json_like_text(body in r#"[\{\}\[\]":,modelstrea 1tnu\\]{0,60}"#) {
            let _ = peek(body.as_bytes());
        }
    }
}
