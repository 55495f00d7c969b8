//! What a field of a `config` may hold: one declaration drives checking, the JSON Schema and the documentation.

use crate::cel::Scope;
use std::time::Duration;

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number from `min` to `max`.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number from `min` to `max`.
    Float {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// Plain text, in which `${}` means nothing. Numbers and booleans are taken as they are spelt.
    Text,
    /// Text with `${}` expressions in it, which see what the phase sees.
    Template,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A duration in Go's syntax, `1h30m` or `500ms`.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest; [`Duration::MAX`] for no limit.
        max: Duration,
    },
    /// A number of bytes: `1024`, `64KiB`, `32MiB`.
    Size {
        /// The least, in bytes.
        min: u64,
        /// The greatest, in bytes.
        max: u64,
    },
    /// One CEL expression.
    Cel(CelScope),
    /// A list.
    List {
        /// What each item may hold.
        item: &'static Shape,
        /// The fewest items.
        min: usize,
        /// The most items; [`usize::MAX`] for no limit.
        max: usize,
    },
    /// A mapping with keys of the author's choice.
    Map {
        /// What each value may hold.
        value: &'static Shape,
        /// The fewest entries.
        min: usize,
        /// The most entries; [`usize::MAX`] for no limit.
        max: usize,
        /// What the keys may be.
        keys: KeyRule,
    },
    /// A mapping with these keys.
    Object(&'static [Field]),
    /// Any of these. Of those that fit the value's kind (scalar, list, mapping) the first decides what is reported.
    OneOf(&'static [Shape]),
    /// Any value; text nested in it is a template.
    Json,
    /// Any value, as it is written: `${}` in it means nothing.
    Data,
    /// An HTTP status from `min` to `max`.
    StatusCode {
        /// The least.
        min: u16,
        /// The greatest.
        max: u16,
    },
    /// The name of a header field (RFC 9110 section 5.1).
    HeaderName,
}

/// What an expression in a field can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CelScope {
    /// What the rules of the same phase see.
    Phase,
    /// The candidates of a model strategy: `ai.models` and so on.
    ModelStrategy,
    /// The candidates of a key strategy: `ai.keys`.
    KeyStrategy,
    /// What the rules of the same phase see, and the attempts of `http-request`: `attempts` and `last_attempt`.
    Retry,
}

impl CelScope {
    /// The names an expression here can use, in a phase that sees `phase`.
    #[must_use]
    pub fn within(self, phase: Scope) -> Scope {
        match self {
            Self::Phase => phase,
            Self::ModelStrategy => Scope::ModelStrategy,
            Self::KeyStrategy => Scope::KeyStrategy,
            Self::Retry if phase == Scope::Response => Scope::ResponseRetry,
            Self::Retry => Scope::Retry,
        }
    }
}

/// What the keys of a [`Shape::Map`] may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRule {
    /// Any text that is not empty.
    Any,
    /// Names of header fields.
    HeaderName,
    /// Names that an expression can read: letters, digits and `_`, not beginning with a digit.
    Identifier,
}

/// A field of a `config` or of a mapping inside one.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it may hold.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What its absence means, as it would be written; for documentation and schema.
    pub default: Option<&'static str>,
    /// What it does: one or two sentences of Markdown.
    pub doc: &'static str,
    /// Whether it is this project's own and not part of ngrok's language.
    pub extension: bool,
}

impl Field {
    /// A field that must be there.
    #[must_use]
    pub const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, required: true, default: None, doc, extension: false }
    }

    /// A field that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, required: false, default: None, doc, extension: false }
    }

    /// The same field with a default.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same field, marked as not being part of ngrok's language.
    #[must_use]
    pub const fn ours(self) -> Self {
        Self { extension: true, ..self }
    }
}

impl Shape {
    /// Any whole number that is not negative.
    pub const COUNT: Self = Self::Int { min: 0, max: i64::MAX };
    /// A duration without limits.
    pub const ANY_DURATION: Self = Self::Duration { min: Duration::ZERO, max: Duration::MAX };
    /// Header fields with templates as values, at most ten.
    pub const HEADERS: Self =
        Self::Map { value: &Self::Template, min: 0, max: 10, keys: KeyRule::HeaderName };

    /// What belongs here, as a noun: `a whole number from 1 to 10`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Int { min, max } => {
                format!("a whole number{}", range(*min > i64::MIN, *max < i64::MAX, min, max))
            }
            Self::Float { min, max } => {
                format!("a number{}", range(min.is_finite(), max.is_finite(), min, max))
            }
            Self::Text | Self::Template => "text".into(),
            Self::Enum(words) => alternatives(words),
            Self::Duration { min, max } => {
                let write = |d: &Duration| crate::format_duration(*d);
                let bounds = range(!min.is_zero(), *max < Duration::MAX, write(min), write(max));
                format!("a duration such as \"30s\"{bounds}")
            }
            Self::Size { .. } => "a size such as 64KiB".into(),
            Self::Cel(_) => "a CEL expression".into(),
            Self::List { item, .. } => format!("a list of {}", item.describe_many()),
            Self::Map { .. } | Self::Object(_) => "a mapping".into(),
            Self::OneOf(shapes) => {
                let all: Vec<String> = shapes.iter().map(Shape::describe).collect();
                all.join(", or ")
            }
            Self::Json | Self::Data => "any value".into(),
            Self::StatusCode { min, max } => format!("a status from {min} to {max}"),
            Self::HeaderName => "the name of a header".into(),
        }
    }
}

impl Shape {
    /// The same in the plural, for the items of a list.
    fn describe_many(&self) -> &'static str {
        match self {
            Self::Map { .. } | Self::Object(_) => "mappings",
            Self::Cel(_) => "CEL expressions",
            Self::HeaderName => "header names",
            Self::Text | Self::Template => "texts",
            Self::Enum(_) => "words",
            Self::List { .. } => "lists",
            Self::Int { .. } | Self::Float { .. } | Self::StatusCode { .. } => "numbers",
            _ => "values",
        }
    }
}

/// ` from a to b`, ` of at least a`, ` of at most b`, or nothing.
fn range<T: std::fmt::Display>(from: bool, to: bool, min: T, max: T) -> String {
    match (from, to) {
        (true, true) => format!(" from {min} to {max}"),
        (true, false) => format!(" of at least {min}"),
        (false, true) => format!(" of at most {max}"),
        (false, false) => String::new(),
    }
}

/// `a`, `b` or `c`, each in back quotes.
pub(crate) fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "nothing".into(),
        [one] => format!("`{one}`"),
        [head @ .., last] => {
            let head: Vec<String> = head.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", head.join(", "))
        }
    }
}
