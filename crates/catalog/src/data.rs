//! The format of a data file, and how it becomes a [`Provider`].
//!
//! Decoding is strict: an unknown field is an error, so a misspelt one cannot be lost.

use crate::model::{
    Alias, AliasKind, ApiSurface, AuthStyle, Author, Datacenter, Model, PriceSource, Provider, Tokenizer,
};
use crate::params::Params;
use crate::price::Price;
use crate::pricing::Pricing;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use thiserror::Error;
use tollgate_dialect::{FieldPath, Format, Surface, Thinking};

/// A data file that cannot be used. The file's author is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("catalogue data `{file}`: {reason}")]
pub struct DataError {
    /// Which file, without folder and ending.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

/// Reads one provider file.
pub(crate) fn provider(file: &str, text: &str) -> Result<Provider, DataError> {
    let raw: ProviderFile = decode(file, text)?;
    let surfaces = raw.surfaces.iter().flat_map(|(format, named)| {
        named.iter().map(|surface| ApiSurface {
            format: *format,
            surface: Some(*surface),
            supported_params: Vec::new(),
        })
    });
    let models = raw.models.into_iter().map(|model| Arc::new(model.build(&raw.id, &raw.defaults))).collect();
    Ok(Provider {
        aliases: raw.aliases,
        display_name: raw.display_name,
        description: raw.description,
        website: raw.website,
        base_url: raw.base_url,
        format_base_urls: raw.format_base_urls.into_iter().collect(),
        auth: raw.auth,
        auth_forced: raw.auth_everywhere,
        surfaces: surfaces.collect(),
        surfaces_complete: true,
        models,
        key_env: raw.key_env,
        key_prefixes: raw.key_prefixes,
        params: raw.params,
        extensions: raw.extensions,
        translate_to: raw.translate_to,
        surface_gaps: raw.surface_gaps.into_iter().collect(),
        variants: raw.variants,
        thinking: raw.defaults.thinking,
        path_prefix: raw.path_prefix,
        paths: raw.paths.into_iter().collect(),
        stream_paths: raw.stream_paths.into_iter().collect(),
        query: raw.query.into_iter().collect(),
        settings: raw.settings,
        setting_exceptions: raw.setting_exceptions,
        setting_examples: raw.setting_examples,
        models_note: raw.models_note,
        prices: raw.prices,
        list_author: raw.list_author,
        prefix_required: raw.prefix_required,
        local: raw.local,
        id: raw.id,
        ..Provider::default()
    })
}

/// Reads the authors file.
pub(crate) fn authors(text: &str) -> Result<Vec<Author>, DataError> {
    decode("authors", text)
}

fn decode<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, DataError> {
    serde_saphyr::from_str(text)
        .map_err(|error| DataError { file: file.to_owned(), reason: error.to_string() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderFile {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    display_name: String,
    description: String,
    website: String,
    /// May hold `{name}` placeholders, as may the next ones; `settings` names them.
    base_url: String,
    #[serde(default)]
    format_base_urls: BTreeMap<Format, String>,
    #[serde(default)]
    path_prefix: Option<String>,
    #[serde(default)]
    paths: HashMap<Surface, String>,
    #[serde(default)]
    stream_paths: HashMap<Surface, String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// With their defaults; one without has to be set by the policy.
    #[serde(default)]
    settings: BTreeMap<String, Option<String>>,
    /// Other defaults while another setting has a certain value: `{host: {location: {global: a.test}}}`.
    #[serde(default)]
    setting_exceptions: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// What values look like, for messages.
    #[serde(default)]
    setting_examples: BTreeMap<String, String>,
    auth: AuthStyle,
    /// `auth` holds for every format.
    #[serde(default)]
    auth_everywhere: bool,
    #[serde(default)]
    key_env: Option<String>,
    #[serde(default)]
    key_prefixes: Vec<String>,
    /// Everything the provider serves, by format.
    surfaces: BTreeMap<Format, Vec<Surface>>,
    #[serde(default)]
    translate_to: Option<Surface>,
    #[serde(default)]
    surface_gaps: HashMap<Surface, Vec<FieldPath>>,
    #[serde(default)]
    extensions: Vec<String>,
    #[serde(default)]
    params: Params,
    #[serde(default)]
    variants: Vec<String>,
    /// What is to be known of its models' names, for people.
    #[serde(default)]
    models_note: Option<String>,
    #[serde(default)]
    prices: Option<PriceSource>,
    #[serde(default)]
    list_author: Option<String>,
    #[serde(default)]
    prefix_required: bool,
    #[serde(default)]
    local: bool,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    models: Vec<ModelFile>,
}

/// What a file's models have when they say nothing else.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Defaults {
    author: String,
    input: Vec<String>,
    output: Vec<String>,
    tokenizer: Tokenizer,
    datacenters: Vec<Datacenter>,
    /// Of models that reason.
    thinking: Thinking,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    id: String,
    #[serde(default)]
    upstream_id: Option<String>,
    #[serde(default)]
    author: Option<String>,
    name: String,
    #[serde(default)]
    description: String,
    /// Aliases that the provider itself takes.
    #[serde(default)]
    snapshots: Vec<String>,
    /// Aliases that stand for the id.
    #[serde(default)]
    nicknames: Vec<String>,
    #[serde(default)]
    context: u64,
    #[serde(default)]
    max_output: u64,
    #[serde(default)]
    input: Option<Vec<String>>,
    #[serde(default)]
    output: Option<Vec<String>>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    parameters: u64,
    #[serde(default)]
    quantization: String,
    #[serde(default)]
    price: Pricing,
    #[serde(default)]
    datacenters: Option<Vec<Datacenter>>,
    #[serde(default)]
    unsupported_params: Vec<String>,
    #[serde(default)]
    deprecated_at: Option<String>,
    #[serde(default)]
    tokenizer: Option<Tokenizer>,
    #[serde(default)]
    thinking: Option<Thinking>,
    #[serde(default)]
    surfaces: Vec<Surface>,
}

impl ModelFile {
    fn build(self, provider_id: &str, defaults: &Defaults) -> Model {
        let alias = |kind| move |name| Alias { name, kind };
        let snapshots = self.snapshots.into_iter().map(alias(AliasKind::Snapshot));
        let free = [self.price.input, self.price.output] == [Some(Price::ZERO); 2];
        let nicknames = self.nicknames.into_iter().map(alias(AliasKind::Nickname));
        let thinking = self.thinking.unwrap_or_else(|| thinking(&self.features, defaults.thinking));
        Model {
            provider_id: provider_id.to_owned(),
            aliases: snapshots.chain(nicknames).collect(),
            id: self.id,
            upstream_id: self.upstream_id,
            author_id: self.author.unwrap_or_else(|| defaults.author.clone()),
            display_name: self.name,
            description: self.description,
            input_modalities: self.input.unwrap_or_else(|| defaults.input.clone()),
            output_modalities: self.output.unwrap_or_else(|| defaults.output.clone()),
            supported_features: self.features,
            max_context_window: self.context,
            max_output_tokens: self.max_output,
            parameter_count: self.parameters,
            quantization: self.quantization,
            // Nothing of what costs nothing to read and to write costs anything.
            pricing: if free { self.price.or(&Pricing::free()) } else { self.price },
            datacenters: self.datacenters.unwrap_or_else(|| defaults.datacenters.clone()),
            unsupported_params: self.unsupported_params,
            deprecated_at: self.deprecated_at,
            tokenizer: self.tokenizer.unwrap_or(defaults.tokenizer),
            thinking,
            surfaces: self.surfaces,
            known: true,
            ..Model::default()
        }
    }
}

/// How a model with these features is told to think: not at all when it is known not to.
pub(crate) fn thinking(features: &[String], usual: Thinking) -> Thinking {
    let thinks = features.is_empty() || features.iter().any(|feature| feature == "reasoning");
    if thinks { usual } else { Thinking::None }
}

#[cfg(test)]
mod tests;
