//! `m`: a model at a provider.

use super::fields::{Fields, count, map, metadata, same_name, texts};
use crate::health::{MODEL_HEALTH, model_health};
use crate::metrics::ModelStats;
use crate::metrics::tree::{MetricsNode, record};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tollgate_catalog::{Author, Model, Price, Provider};
use tollgate_expr::{Entity, EntityKind, Object, UnknownPrice, Value};

/// What all pass-through models of a provider have in common, and what a known model has for itself.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    fields: Fields,
    author_names: Vec<String>,
    datacenters: Vec<(String, String)>,
}

/// A model at a provider, as strategies see it and as the plan refers to it.
pub(crate) struct ModelEntity {
    /// Position in the universe; pass-through models come after all others.
    pub(crate) index: usize,
    /// The order of the catalogue, in which lists are shown to strategies.
    pub(crate) rank: usize,
    pub(crate) provider: Arc<Provider>,
    pub(crate) model: Arc<Model>,
    pub(crate) stats: Arc<ModelStats>,
    /// Whether the restrictions of the policy allow it; else why not.
    pub(crate) denied: Option<crate::resolve::RejectKind>,
    /// Whether reports must name its provider, because the id alone is not clear.
    pub(crate) qualified: bool,
    pub(crate) id: Arc<str>,
    pub(crate) shared: Arc<Shared>,
}

impl Shared {
    /// The fields of a model. `id` and `display_name` are left to the entity.
    pub(crate) fn new(provider: &Provider, model: &Model, author: Option<&Author>) -> Self {
        let author_aliases = author.map_or(&[][..], |author| author.aliases.as_slice());
        let mut fields = Fields::default();
        fields.set("provider_id", provider.id.as_str());
        fields.set("author_id", model.author_id.as_str());
        fields.set("known", model.known);
        fields.set("custom", model.custom);
        fields.set("metadata", metadata(&model.metadata));
        fields.set("pricing", pricing(model));
        fields.set("supported_features", texts(&model.supported_features));
        fields.set("input_modalities", texts(&model.input_modalities));
        fields.set("output_modalities", texts(&model.output_modalities));
        fields.set("max_context_window", count(model.max_context_window));
        fields.set("max_output_tokens", count(model.max_output_tokens));
        fields.set("parameter_count", count(model.parameter_count));
        fields.set("id_aliases", texts(model.aliases.iter().map(|alias| &alias.name)));
        fields.set("provider_id_aliases", texts(&provider.aliases));
        fields.set("author_id_aliases", texts(author_aliases));
        fields.set("description", model.description.as_str());
        fields.set("quantization", model.quantization.as_str());
        fields.set("data_training_policy", model.data_training_policy.as_str());
        fields.set("data_retention_policy", model.data_retention_policy.as_str());
        fields.set("data_retention_days", count(model.data_retention_days));
        fields.set("datacenters", datacenters(model));
        let author_names =
            std::iter::once(&model.author_id).chain(author_aliases).filter(|name| !name.is_empty());
        Self {
            fields,
            author_names: author_names.cloned().collect(),
            datacenters: model
                .datacenters
                .iter()
                .map(|place| (place.country_code.clone(), place.region.clone()))
                .collect(),
        }
    }
}

impl ModelEntity {
    /// How reports name it: its id, or `provider:id` where that is not clear.
    pub(crate) fn label(&self) -> String {
        if self.qualified { format!("{}:{}", self.provider.id, self.id) } else { self.id.to_string() }
    }

    fn health(&self, name: &str) -> Option<Value> {
        model_health(self.stats.health(), name, self.stats.now_ms())
    }

    fn display_name(&self) -> Value {
        let name = self.model.display_name.as_str();
        if name.is_empty() { Value::String(Arc::clone(&self.id)) } else { Value::text(name) }
    }

    /// Whether `name` is the model's id, an alias, or the provider's own spelling.
    fn model_named(&self, name: &str) -> bool {
        same_name(&self.id, name)
            || self.model.aliases.iter().any(|alias| same_name(&alias.name, name))
            || same_name(self.model.upstream(), name)
    }
}

impl fmt::Debug for ModelEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AIModel({}:{})", self.provider.id, self.id)
    }
}

impl Object for ModelEntity {
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "id" => Some(Value::String(Arc::clone(&self.id))),
            "display_name" => Some(self.display_name()),
            "metrics" => MetricsNode::read(&self.stats, &[]),
            "health" => Some(record(&MODEL_HEALTH, |name| self.health(name))),
            name => self.shared.fields.get(name).cloned(),
        }
    }

    fn fields(&self) -> Vec<Arc<str>> {
        let own = ["id", "display_name"].into_iter().map(Arc::from);
        own.chain(self.shared.fields.names()).chain([Arc::from("metrics"), Arc::from("health")]).collect()
    }

    fn path(&self, path: &[&str]) -> Option<Value> {
        match path {
            ["metrics", rest @ ..] => MetricsNode::read(&self.stats, rest),
            ["health", name] => self.health(name),
            [name] => self.field(name),
            [name, rest @ ..] => self.shared.fields.get(name)?.path(rest),
            [] => None,
        }
    }
}

impl Entity for ModelEntity {
    fn kind(&self) -> EntityKind {
        EntityKind::Model
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn named(&self, name: &str) -> bool {
        self.model_named(name)
            || name
                .split_once(':')
                .is_some_and(|(provider, model)| self.provider_named(provider) && self.model_named(model))
    }

    fn provider_named(&self, name: &str) -> bool {
        self.provider.is_named(name)
    }

    fn author_named(&self, name: &str) -> bool {
        self.shared.author_names.iter().any(|author| same_name(author, name))
    }

    fn price(&self, kind: &str) -> Result<Option<f64>, UnknownPrice> {
        self.model.price(kind).map_err(|_| UnknownPrice)
    }

    fn datacenters(&self) -> &[(String, String)] {
        &self.shared.datacenters
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `m.pricing`. Every price is there: an unknown one is null, so that comparing it is false and sorting puts it last.
fn pricing(model: &Model) -> Value {
    let prices = &model.pricing;
    let number = |dollars: Option<f64>| dollars.map_or(Value::Null, Value::Double);
    let price = |price: Option<Price>| number(price.map(Price::dollars_per_million));
    let unit = |price: Option<Price>| number(price.map(Price::dollars));
    let text = map([
        ("input", price(prices.input)),
        ("output", price(prices.output)),
        ("input_cache_write", price(prices.input_cache_write)),
        ("input_cache_read", price(prices.input_cache_read)),
        ("input_batch", price(prices.input_batch)),
        ("output_batch", price(prices.output_batch)),
    ]);
    let tools = map([
        ("web_search", map([("per_search_call", unit(prices.web_search))])),
        ("code_interpreter", map([("per_execution_call", unit(prices.code_interpreter))])),
        ("file_search", map([("per_storage_gb", unit(prices.file_search_storage_gb))])),
        ("image_generation", map([("per_image_generation", unit(prices.image_generation))])),
    ]);
    map([("text", text), ("tools", tools), ("input", price(prices.input)), ("output", price(prices.output))])
}

fn datacenters(model: &Model) -> Value {
    let places = model.datacenters.iter().map(|place| {
        map([
            ("country_code", Value::text(place.country_code.as_str())),
            ("region", Value::text(place.region.as_str())),
        ])
    });
    Value::List(places.collect())
}
