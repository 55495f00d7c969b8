//! Values as the rest of Tollgate sees them: what variables hold, what expressions return.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A map with text keys, in key order (so that JSON output is deterministic).
pub type Map = BTreeMap<Arc<str>, Value>;

/// One value of the policy language.
///
/// Cheap to clone: every compound variant is behind an [`Arc`].
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `null`, and anything absent that was read softly.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// An unsigned 64-bit integer.
    UInt(u64),
    /// A double.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<[Value]>),
    /// The values of one header, query key or trailer: a list of strings that reads past its end as `""`
    /// and prints as its elements joined with `, `.
    Lines(Arc<[Arc<str>]>),
    /// A map.
    Map(Arc<Map>),
    /// A point in time, UTC.
    Timestamp(chrono::DateTime<chrono::FixedOffset>),
    /// A length of time.
    Duration(chrono::Duration),
    /// A record that computes its fields when they are read.
    Object(Arc<dyn Object>),
    /// A model, provider, author or key of an `ai-gateway`.
    Entity(Arc<dyn Entity>),
    /// A list of those, all of one kind.
    Entities(Arc<[Arc<dyn Entity>]>),
}

/// A record whose fields are computed when an expression reads them.
pub trait Object: fmt::Debug + Send + Sync + 'static {
    /// The value of a field, or `None` when there is no such field.
    fn field(&self, name: &str) -> Option<Value>;
    /// The names of all fields, in a stable order.
    fn fields(&self) -> Vec<Arc<str>>;
    /// The text a record stands for when it is used as a string (`conn.client_ip`, `req.url`), if it does.
    fn text(&self) -> Option<Arc<str>> {
        None
    }
    /// Reads a dotted path. Records with hot paths override this to skip the values in between.
    fn path(&self, path: &[&str]) -> Option<Value> {
        let (first, rest) = path.split_first()?;
        let value = self.field(first)?;
        if rest.is_empty() { Some(value) } else { value.path(rest) }
    }
    /// Whether `name in record` holds. A record whose [`Self::field`] answers for every name overrides this.
    fn contains(&self, name: &str) -> bool {
        self.field(name).is_some()
    }
    /// What a missing field reads as: `true` makes it `null` (engine data), `false` an error (user data).
    fn soft(&self) -> bool {
        false
    }
}

/// What an [`Entity`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityKind {
    /// A model at a provider: `ai.models`.
    Model,
    /// A provider: `ai.providers`.
    Provider,
    /// An author of models: `ai.authors`.
    Author,
    /// An API key of the provider at hand: `ai.keys`.
    Key,
}

impl EntityKind {
    /// The type's name in error messages (`AIModel`, ...).
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Model => "AIModel",
            Self::Provider => "AIProvider",
            Self::Author => "AIAuthor",
            Self::Key => "AIKey",
        }
    }
}

/// An element of `ai.models`, `ai.providers`, `ai.authors` or `ai.keys`.
///
/// Names are compared without regard to ASCII case, and match an id or any alias.
pub trait Entity: Object {
    /// What this is.
    fn kind(&self) -> EntityKind;
    /// Its id.
    fn id(&self) -> &str;
    /// Whether `name` is its id or an alias of it. For a model, `provider:model` matches too.
    fn named(&self, name: &str) -> bool;
    /// For a model: whether `name` is its provider's id or alias.
    fn provider_named(&self, _name: &str) -> bool {
        false
    }
    /// For a model: whether `name` is its author's id or alias.
    fn author_named(&self, _name: &str) -> bool {
        false
    }
    /// For a model: its price of a type such as `text.input`; `Err` when there is no such price type at all.
    fn price(&self, _kind: &str) -> Result<Option<f64>, UnknownPrice> {
        Ok(None)
    }
    /// For a model: the `(country_code, region)` pairs of its data centres.
    fn datacenters(&self) -> &[(String, String)] {
        &[]
    }
    /// The entity itself, for the crate that made it to take its own type back.
    fn as_any(&self) -> &dyn Any;
}

/// A price type that no model can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPrice;

impl Value {
    /// Text as a value.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// Reads a dotted path through maps and records.
    #[must_use]
    pub fn path(&self, path: &[&str]) -> Option<Value> {
        let Some((first, rest)) = path.split_first() else { return Some(self.clone()) };
        match self {
            Self::Map(map) => map.get(*first)?.path(rest),
            Self::Object(object) => object.path(path),
            Self::Entity(entity) => entity.path(path),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::UInt(value)
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}
