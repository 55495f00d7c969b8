//! `ai.providers[i]`.

use super::fields::{Fields, metadata, texts};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tollgate_catalog::Provider;
use tollgate_expr::{Entity, EntityKind, Object, Value};

/// A provider with its models.
pub(crate) struct ProviderEntity {
    provider: Arc<Provider>,
    fields: Fields,
}

impl ProviderEntity {
    /// `models` are the provider's enabled models.
    pub(crate) fn new(provider: &Arc<Provider>, models: Vec<Arc<dyn Entity>>) -> Self {
        let mut fields = Fields::default();
        fields.set("id", provider.id.as_str());
        fields.set("id_aliases", texts(&provider.aliases));
        fields.set("display_name", provider.display_name.as_str());
        fields.set("description", provider.description.as_str());
        fields.set("website", provider.website.as_str());
        fields.set("metadata", metadata(&provider.metadata));
        fields.set("custom", provider.custom);
        fields.set("models", Value::Entities(models.into()));
        Self { provider: Arc::clone(provider), fields }
    }
}

impl fmt::Debug for ProviderEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AIProvider({})", self.provider.id)
    }
}

impl Object for ProviderEntity {
    fn field(&self, name: &str) -> Option<Value> {
        self.fields.get(name).cloned()
    }
    fn fields(&self) -> Vec<Arc<str>> {
        self.fields.names().collect()
    }
    fn path(&self, path: &[&str]) -> Option<Value> {
        let (first, rest) = path.split_first()?;
        self.fields.get(first)?.path(rest)
    }
}

impl Entity for ProviderEntity {
    fn kind(&self) -> EntityKind {
        EntityKind::Provider
    }
    fn id(&self) -> &str {
        &self.provider.id
    }
    fn named(&self, name: &str) -> bool {
        self.provider.is_named(name)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
