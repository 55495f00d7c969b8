//! `ai`: the root record of strategies.

use super::fields::{count, map, texts};
use crate::resolve::Ask;
use std::sync::Arc;
use tollgate_expr::{Object, Value};

/// `ai.*`. Model strategies have no `keys`, key strategies have nothing but `keys` and `request`.
#[derive(Debug, Default)]
pub(crate) struct AiScope {
    pub(crate) models: Option<Value>,
    pub(crate) providers: Option<Value>,
    pub(crate) authors: Option<Value>,
    pub(crate) keys: Option<Value>,
    pub(crate) request: Option<Value>,
}

impl AiScope {
    fn get(&self, name: &str) -> Option<&Value> {
        match name {
            "models" => self.models.as_ref(),
            "providers" => self.providers.as_ref(),
            "authors" => self.authors.as_ref(),
            "keys" => self.keys.as_ref(),
            "request" => self.request.as_ref(),
            _ => None,
        }
    }

    /// The record as a value.
    pub(crate) fn value(self) -> Value {
        Value::Object(Arc::new(self))
    }
}

impl Object for AiScope {
    fn field(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }

    fn fields(&self) -> Vec<Arc<str>> {
        let names = ["models", "providers", "authors", "keys", "request"];
        names.into_iter().filter(|name| self.get(name).is_some()).map(Arc::from).collect()
    }

    fn path(&self, path: &[&str]) -> Option<Value> {
        let (first, rest) = path.split_first()?;
        self.get(first)?.path(rest)
    }
}

/// `ai.request`. Tokens are counted only for an expression that may read them, because counting reads the prompt.
pub(crate) fn request_value(ask: &Ask<'_>, tokens: bool) -> Value {
    let tokens = if tokens { count((ask.input_tokens)()) } else { Value::Null };
    map([
        ("path", Value::text(ask.path)),
        ("format", Value::text(ask.format.name())),
        ("surface", Value::text(ask.surface.name())),
        ("stream", Value::Bool(ask.stream)),
        ("model", ask.model.map_or(Value::Null, Value::text)),
        ("models", texts(ask.models)),
        ("input_tokens", tokens),
        ("user_agent", Value::text(ask.user_agent)),
    ])
}
