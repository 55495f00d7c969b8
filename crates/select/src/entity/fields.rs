//! Building field values once, so that reading one is a clone of a counted pointer.

use std::sync::Arc;
use tollgate_expr::{Map, Value};

/// Fields by name, made when the catalogue is loaded.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Adds a field.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    /// The value of a field. Records have some twenty fields: a scan is as fast as a hash.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The names, in the order they were added.
    pub(crate) fn names(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        self.0.iter().map(|(name, _)| Arc::from(*name))
    }
}

/// A list of texts.
pub(crate) fn texts<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Value {
    Value::List(texts.into_iter().map(|text| Value::text(text.as_ref())).collect())
}

/// A count as an integer of the language.
pub(crate) fn count(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A map from pairs.
pub(crate) fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let map: Map = pairs.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    Value::Map(Arc::new(map))
}

/// The free data of a provider or model.
pub(crate) fn metadata(metadata: &serde_json::Map<String, serde_json::Value>) -> Value {
    let map: Map = metadata.iter().map(|(name, json)| (Arc::from(name.as_str()), from_json(json))).collect();
    Value::Map(Arc::new(map))
}

fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(uint)) => Value::UInt(uint),
            (None, None) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(map) => metadata(map),
    }
}

/// Whether two names are the same: case does not count.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other.trim())
}
