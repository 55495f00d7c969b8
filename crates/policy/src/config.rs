//! Typed reading of a checked `config`.

use crate::cel::{Program, Scope, Template};
use crate::json_template::JsonTemplate;
use crate::quantity::{parse_duration, parse_size};
use crate::shape::CelScope;
use crate::source::Location;
use crate::tree::{Node, NodeValue};
use std::time::Duration;

/// A value of a `config`, and what expressions in it can see.
///
/// After [`crate::load`] has found no error the readers that fit a field's shape cannot fail; what is absent
/// reads as `None`, so that a default is the caller's `unwrap_or`.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    node: &'a Node,
    scope: Scope,
}

impl<'a> Config<'a> {
    /// A value to be read, with the scope of its phase.
    #[must_use]
    pub fn new(node: &'a Node, scope: Scope) -> Self {
        Self { node, scope }
    }

    /// The value of a key. `None` when there is no such key or this is no mapping.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Config<'a>> {
        self.node.get(name).map(|node| Self { node, scope: self.scope })
    }

    /// The tree behind it.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Where it is written.
    #[must_use]
    pub fn location(&self) -> Location {
        self.node.at
    }

    /// What its templates can see.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Text; numbers and booleans as they are spelt.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        self.node.text()
    }

    /// A boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.node.value {
            NodeValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.node.value {
            NodeValue::Int(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_i64().and_then(|value| value.try_into().ok())
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.node.value {
            NodeValue::Float(value) => Some(value),
            NodeValue::Int(value) => Some(value as f64),
            _ => None,
        }
    }

    /// A duration.
    #[must_use]
    pub fn as_duration(&self) -> Option<Duration> {
        match &self.node.value {
            NodeValue::Text(text) => parse_duration(text).ok(),
            _ => None,
        }
    }

    /// A size, in bytes.
    #[must_use]
    pub fn as_size(&self) -> Option<u64> {
        parse_size(self.node.text()?).ok()
    }

    /// The items of a list. A scalar or a mapping counts as a list of one (fields that take either), null and
    /// nothing as an empty one.
    #[must_use]
    pub fn as_list(&self) -> Vec<Config<'a>> {
        match &self.node.value {
            NodeValue::List(items) => items.iter().map(|node| Self { node, scope: self.scope }).collect(),
            NodeValue::Null => Vec::new(),
            _ => vec![*self],
        }
    }

    /// The entries of a mapping, in the order of the document.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'a str, Config<'a>)> {
        let of = |node| Self { node, scope: self.scope };
        self.node.entries().iter().map(|(key, value)| (&*key.text, of(value))).collect()
    }

    /// Whether this is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.node.value, NodeValue::List(_))
    }

    /// Whether this is a mapping.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.node.value, NodeValue::Map(_))
    }

    /// Text as a template of the phase.
    #[must_use]
    pub fn template(&self) -> Option<Template> {
        Template::compile(self.as_str()?, self.scope).ok()
    }

    /// Text as an expression of the phase.
    #[must_use]
    pub fn program(&self) -> Option<Program> {
        self.program_in(self.scope)
    }

    /// Text as an expression with another scope: a model or key strategy.
    #[must_use]
    pub fn program_in(&self, scope: Scope) -> Option<Program> {
        Program::compile(self.as_str()?, scope).ok()
    }

    /// Text of a field of [`crate::Shape::Cel`].
    #[must_use]
    pub fn cel(&self, reads: CelScope) -> Option<Program> {
        self.program_in(reads.within(self.scope))
    }

    /// Any value, with the text in it as templates.
    #[must_use]
    pub fn json_template(&self) -> Option<JsonTemplate> {
        JsonTemplate::compile(self.node, self.scope)
    }

    /// Any value as plain JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.node.to_json()
    }
}
