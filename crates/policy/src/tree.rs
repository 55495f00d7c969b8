//! The decoded document: values that know where they stand.

use crate::source::Location;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A value of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it is written. A value reached through an alias stands where its anchor is.
    pub at: Location,
    /// What it is.
    pub value: NodeValue,
    /// The bytes of the source it is written in, quotes included; for a list or a map where it begins.
    pub raw: Range<usize>,
    /// For null, booleans and numbers: how they are spelt (`1.10` is not `1.1` where text is expected).
    pub literal: Option<Arc<str>>,
}

/// What a [`Node`] holds.
#[derive(Clone, PartialEq)]
pub enum NodeValue {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the document, without duplicate keys.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its text; numbers and booleans as they are spelt.
    pub text: Arc<str>,
    /// Where it is written.
    pub at: Location,
}

impl Node {
    /// An empty mapping, standing at a place: a `config` that is not there.
    #[must_use]
    pub fn empty_map(at: Location) -> Self {
        Self { at, value: NodeValue::Map(Vec::new()), raw: 0..0, literal: None }
    }

    /// The value of a key, when this is a mapping that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, value)| value)
    }

    /// A key and its value.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<(&Key, &Node)> {
        self.entries().iter().find(|(key, _)| &*key.text == name).map(|(key, value)| (key, value))
    }

    /// The entries of a mapping; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            NodeValue::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a scalar: numbers and booleans as they are spelt, nothing for null, lists and maps.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            NodeValue::Bool(_) | NodeValue::Int(_) | NodeValue::Float(_) => self.literal.as_deref(),
            NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => None,
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == NodeValue::Null
    }

    /// The same data without positions. A number JSON cannot hold becomes null.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            NodeValue::Null => serde_json::Value::Null,
            NodeValue::Bool(value) => (*value).into(),
            NodeValue::Int(value) => (*value).into(),
            NodeValue::Float(value) => (*value).into(),
            NodeValue::Text(text) => text.as_str().into(),
            NodeValue::List(items) => items.iter().map(Node::to_json).collect(),
            NodeValue::Map(entries) => {
                entries.iter().map(|(key, value)| (key.text.to_string(), value.to_json())).collect()
            }
        }
    }

    /// What this is, for messages: `text`, `a list`.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "a boolean",
            NodeValue::Int(_) => "a whole number",
            NodeValue::Float(_) => "a number",
            NodeValue::Text(_) => "text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }
}

impl fmt::Debug for NodeValue {
    /// Without the text of scalars: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(value) => write!(f, "Bool({value})"),
            Self::Int(_) => f.write_str("Int(..)"),
            Self::Float(_) => f.write_str("Float(..)"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(entries) => f.debug_map().entries(entries.iter().map(|(k, v)| (&k.text, v))).finish(),
        }
    }
}
