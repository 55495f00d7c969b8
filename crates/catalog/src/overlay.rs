//! What a policy's `providers` list says about the catalogue, already decoded and free of templates.

use crate::model::{ApiSurface, AuthStyle};
use crate::params::{CacheControl, ReasoningParam, StreamUsage};
use crate::pricing::Pricing;
use serde_json::{Map as JsonMap, Value as Json};
use std::collections::BTreeMap;
use tollgate_dialect::{FieldPath, Surface, Thinking};

/// One entry of `providers`, without its keys.
#[derive(Clone, Debug, Default)]
pub struct ProviderOverlay {
    /// `id`
    pub id: String,
    /// `id_aliases`
    pub aliases: Vec<String>,
    /// `base_url`
    pub base_url: Option<String>,
    /// `path_prefix` (extension)
    pub path_prefix: Option<String>,
    /// `auth` (extension)
    pub auth: Option<AuthStyle>,
    /// `display_name`
    pub display_name: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `website`
    pub website: Option<String>,
    /// `disabled`
    pub disabled: bool,
    /// `metadata`
    pub metadata: JsonMap<String, Json>,
    /// `models`
    pub models: Vec<ModelOverlay>,
    /// `supported_api_surfaces`, when given.
    pub surfaces: Option<Vec<ApiSurface>>,
    /// `settings` (extension, as all that follow): values of the placeholders in a built-in address.
    pub settings: BTreeMap<String, String>,
    /// `extensions`, in place of the built-in ones.
    pub extensions: Option<Vec<String>>,
    /// `drop_params`, in place of the built-in ones.
    pub drop_params: Option<Vec<String>>,
    /// `reasoning`
    pub reasoning: Option<ReasoningParam>,
    /// `cache_control`
    pub cache_control: Option<CacheControl>,
    /// `stream_usage`
    pub stream_usage: Option<StreamUsage>,
    /// `translate_to`
    pub translate_to: Option<Surface>,
    /// `surface_gaps`; each surface's list in place of the built-in one.
    pub surface_gaps: Vec<(Surface, Vec<FieldPath>)>,
}

/// One entry of `providers[].models`.
#[derive(Clone, Debug, Default)]
pub struct ModelOverlay {
    /// `id`
    pub id: String,
    /// `id_aliases`
    pub aliases: Vec<String>,
    /// `author_id`
    pub author_id: Option<String>,
    /// `display_name`
    pub display_name: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `disabled`
    pub disabled: bool,
    /// `metadata`
    pub metadata: JsonMap<String, Json>,
    /// `input_modalities`
    pub input_modalities: Option<Vec<String>>,
    /// `output_modalities`
    pub output_modalities: Option<Vec<String>>,
    /// `max_context_window`
    pub max_context_window: Option<u64>,
    /// `max_output_tokens`
    pub max_output_tokens: Option<u64>,
    /// `supported_features`
    pub supported_features: Option<Vec<String>>,
    /// `unsupported_params`
    pub unsupported_params: Option<Vec<String>>,
    /// `pricing` (extension)
    pub pricing: Option<Pricing>,
    /// `thinking` (extension)
    pub thinking: Option<Thinking>,
}
