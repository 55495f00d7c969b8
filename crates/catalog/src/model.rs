//! The records of the catalogue.

use crate::params::Params;
use crate::pricing::Pricing;
use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value as Json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tollgate_dialect::{FieldPath, Format, Surface, Thinking};

/// A provider: built in, configured by a policy, or both.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    /// The canonical id, as configured or as in the embedded data.
    pub id: String,
    /// Other names clients and policies may use before the colon.
    pub aliases: Vec<String>,
    /// Name for people.
    pub display_name: String,
    /// What it is, for people.
    pub description: String,
    /// Its web site.
    pub website: String,
    /// Where requests go. May hold a query, which every call keeps.
    pub base_url: String,
    /// Whether a path `/v1` is put between an empty base path and the surface's path.
    pub path_prefix: Option<String>,
    /// Base URL for a format whose URL differs from `base_url` (OpenRouter's Anthropic skin, for one).
    pub format_base_urls: Vec<(Format, String)>,
    /// How the key is sent on OpenAI-format surfaces. Anthropic-format surfaces default to `x-api-key`.
    pub auth: AuthStyle,
    /// `auth` was set by a policy, or the data say so: it holds for every format.
    pub auth_forced: bool,
    /// Surfaces it serves.
    pub surfaces: Vec<ApiSurface>,
    /// `surfaces` names all it serves. A policy's list does not: policies have no word for embeddings.
    pub surfaces_complete: bool,
    /// Its models.
    pub models: Vec<Arc<Model>>,
    /// Its models are found only by names that carry the provider's prefix. OpenRouter's ids look like
    /// `openai/gpt-4o`, a spelling that must not name a model by itself.
    pub prefix_required: bool,
    /// The environment variable that usually holds its key.
    pub key_env: Option<String>,
    /// What its keys begin with, longest first (`sk-ant-`).
    pub key_prefixes: Vec<String>,
    /// What is done to a request's parameters before it goes to this provider.
    pub params: Params,
    /// Top-level body fields it takes beyond its dialect, such as OpenRouter's `provider` and `plugins`. A translated
    /// request keeps them.
    pub extensions: Vec<String>,
    /// The surface a request is translated to when the provider does not speak the client's dialect.
    pub translate_to: Option<Surface>,
    /// Fields of a body, by surface, that this provider ignores or refuses there although the surface has them. A
    /// request with one of them is translated to another dialect the provider speaks.
    pub surface_gaps: Vec<(Surface, Vec<FieldPath>)>,
    /// Endings of model names with a meaning of their own, after a colon (OpenRouter's `free`, `nitro`).
    pub variants: Vec<String>,
    /// How models think of which nothing else is known.
    pub thinking: Thinking,
    /// Paths that differ from [`Surface::path`], and those of streams that differ from [`Surface::stream_path`].
    /// `{model}` stands for the model's name.
    pub paths: Vec<(Surface, String)>,
    /// See `paths`.
    pub stream_paths: Vec<(Surface, String)>,
    /// Query parameters of every request.
    pub query: Vec<(String, String)>,
    /// Values of the `{name}` placeholders in addresses (`region`); a name without one is still to be set.
    pub settings: BTreeMap<String, Option<String>>,
    /// Values of settings that hold while another setting has a certain value, in place of the default: setting, the
    /// other setting, its value, the value. A policy that sets the setting itself is not overruled.
    pub setting_exceptions: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// What the value of a setting looks like, for messages.
    pub setting_examples: BTreeMap<String, String>,
    /// What is to be known of its models' names, for people.
    pub models_note: Option<String>,
    /// Where its prices are from.
    pub prices: Option<PriceSource>,
    /// The author in OpenRouter's list whose own prices this provider's are, when it is an author itself.
    pub list_author: Option<String>,
    /// Free data of the operator; models inherit it for strategies.
    pub metadata: JsonMap<String, Json>,
    /// A server people run themselves, with a usual address.
    pub local: bool,
    /// Not in the embedded data: made by a policy.
    pub custom: bool,
    /// Listed in the policy's `providers`.
    pub configured: bool,
    /// Hidden, with all its models.
    pub disabled: bool,
    /// Position in the policy's `providers`.
    pub order: Option<usize>,
}

/// How a key is sent upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthStyle {
    /// `Authorization: Bearer KEY`
    #[default]
    Bearer,
    /// `x-api-key: KEY`
    XApiKey,
    /// `api-key: KEY` (Azure)
    ApiKey,
    /// A header of this name holds the key.
    Header(String),
    /// A query parameter of this name holds the key.
    Query(String),
    /// The request is signed with AWS Signature Version 4; the key is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with
    /// `:SESSION_TOKEN` for temporary credentials.
    #[serde(rename = "aws-sigv4")]
    AwsSigV4,
    /// The key is the JSON of a Google service account, which is exchanged for an access token.
    GoogleServiceAccount,
    /// No key is sent.
    None,
}

/// Where a provider's prices are from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSource {
    /// Pages, data sets or lists, by name.
    pub source: String,
    /// The day they were read, as `YYYY-MM-DD`; empty for those that a policy states.
    pub as_of: String,
}

/// One API a provider serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSurface {
    /// Its format.
    pub format: Format,
    /// Its operation; `None` means every operation of the format.
    pub surface: Option<Surface>,
    /// When not empty, the only top-level body keys that are sent.
    pub supported_params: Vec<String>,
}

/// A model at one provider.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The id clients use. May contain `/` and `:`.
    pub id: String,
    /// What the provider calls it, when that differs from `id`.
    pub upstream_id: Option<String>,
    /// The provider's canonical id.
    pub provider_id: String,
    /// Who made the model (`anthropic`, `meta`), may be empty.
    pub author_id: String,
    /// Other names of the model.
    pub aliases: Vec<Alias>,
    /// Name for people.
    pub display_name: String,
    /// What it is, for people.
    pub description: String,
    /// Vocabulary: `text`, `image`, `audio`, `video`, `file`.
    pub input_modalities: Vec<String>,
    /// Vocabulary: `text`, `image`, `audio`, `embedding`.
    pub output_modalities: Vec<String>,
    /// Vocabulary: `tool-calling`, `structured-output`, `vision`, `reasoning`, `coding`, `prompt-caching`.
    pub supported_features: Vec<String>,
    /// Tokens of prompt and answer together; 0 when unknown.
    pub max_context_window: u64,
    /// Tokens of an answer; 0 when unknown.
    pub max_output_tokens: u64,
    /// Billions are written out; 0 when unknown.
    pub parameter_count: u64,
    /// `fp8`, ...; empty when unknown.
    pub quantization: String,
    /// What the provider does with prompts; empty when unknown.
    pub data_training_policy: String,
    /// Empty when unknown.
    pub data_retention_policy: String,
    /// 0 when unknown.
    pub data_retention_days: u64,
    /// Prices; `None` fields are unknown.
    pub pricing: Pricing,
    /// Where these are from, when that is not where the provider's are ([`Provider::prices`]).
    pub price_source: Option<PriceSource>,
    /// Where it runs.
    pub datacenters: Vec<Datacenter>,
    /// Top-level body keys this model does not take.
    pub unsupported_params: Vec<String>,
    /// Retired on, as `YYYY-MM-DD`. Still routable: the provider decides.
    pub deprecated_at: Option<String>,
    /// Encoding for token estimates: `o200k_base` or `cl100k_base`.
    pub tokenizer: Tokenizer,
    /// How it is told to think.
    pub thinking: Thinking,
    /// Surfaces the model is limited to (embedding models); empty means all of the provider's.
    pub surfaces: Vec<Surface>,
    /// Free data: the provider's, overlaid by the model's.
    pub metadata: JsonMap<String, Json>,
    /// In the embedded data, or configured. `false` only for names passed through.
    pub known: bool,
    /// Configured by a policy and not in the embedded data.
    pub custom: bool,
    /// Listed under a provider in the policy.
    pub configured: bool,
    /// Hidden.
    pub disabled: bool,
}

/// Another name of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// What is sent upstream when a client uses it.
    #[serde(default)]
    pub kind: AliasKind,
}

/// What an alias stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AliasKind {
    /// A nickname: the model's own upstream id is sent.
    #[default]
    Nickname,
    /// A real upstream id (a dated snapshot): sent as the client wrote it.
    Snapshot,
    /// From a policy's `id_aliases`: the configured id is sent.
    Configured,
}

/// Which byte-pair encoding estimates a model's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// Older OpenAI models; also the estimate for other vendors.
    #[default]
    Cl100kBase,
    /// GPT-4o and later.
    O200kBase,
}

/// Where a model runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Datacenter {
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    /// The provider's name of the region.
    #[serde(default)]
    pub region: String,
}

/// Who makes models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// Canonical id.
    pub id: String,
    /// Other names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Name for people.
    pub display_name: String,
}
