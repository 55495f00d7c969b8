//! OpenRouter's list of models: `GET /api/v1/models`.
//!
//! Format: openrouter.ai/docs, "List all models and their properties" and "PricingOverride" (as of 2026-08).

use crate::list_prices::ListPrice;
use crate::model::{Alias, AliasKind, Model};
use crate::price::Price;
use crate::pricing::{Pricing, Tier};
use serde::Deserialize;
use serde_json::Value as Json;
use thiserror::Error;
use tollgate_dialect::{Surface, Thinking};

/// Most models of a list that are read; OpenRouter had about 400 in 2026.
pub const MAX_MODELS: usize = 20_000;
/// Parameters that a model whose `supported_parameters` lack them is better off without. Those that say what the answer
/// is to be (tools, formats, stop words) are not among them: OpenRouter has to refuse them, or find another endpoint.
const PARAMETERS: [&str; 14] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "prediction",
    "seed",
    "verbosity",
];
/// Inputs and outputs the catalogue has words for.
const INPUTS: [&str; 5] = ["text", "image", "audio", "video", "file"];
const OUTPUTS: [&str; 4] = ["text", "image", "audio", "embedding"];

/// A list that is none.
#[derive(Debug, Error)]
pub enum ListError {
    /// Not JSON, or no `data` with entries that have an `id`.
    #[error("this is not a list of models: {0}")]
    Format(#[source] serde_json::Error),
    /// More than [`MAX_MODELS`].
    #[error("the list has {0} models, at most {MAX_MODELS} are read")]
    TooMany(usize),
}

/// The list as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The models at OpenRouter.
    pub models: Vec<Model>,
    /// What those cost that only their authors serve: the authors' own prices.
    pub prices: Vec<ListPrice>,
}

/// Reads the list. What it says of a model and we have no word for is ignored.
///
/// # Errors
/// It is no such list, or too long.
pub fn parse(json: &[u8]) -> Result<Listing, ListError> {
    let list: List = serde_json::from_slice(json).map_err(ListError::Format)?;
    if list.data.len() > MAX_MODELS {
        return Err(ListError::TooMany(list.data.len()));
    }
    let prices = list.data.iter().filter_map(Entry::list_price).collect();
    Ok(Listing { models: list.data.into_iter().map(Entry::model).collect(), prices })
}

#[derive(Deserialize)]
struct List {
    data: Vec<Entry>,
}

/// Members that may be null or of another type one day are read loosely: one odd model is no reason to lose the list.
#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    canonical_slug: Json,
    #[serde(default)]
    name: Json,
    #[serde(default)]
    description: Json,
    #[serde(default)]
    context_length: Json,
    #[serde(default)]
    architecture: Json,
    #[serde(default)]
    pricing: Json,
    #[serde(default)]
    top_provider: Json,
    #[serde(default)]
    supported_parameters: Json,
    #[serde(default)]
    expiration_date: Json,
    #[serde(default)]
    hugging_face_id: Json,
}

impl Entry {
    /// What it costs at its author. Of open weights the list has the price of whoever serves them best, of a variant
    /// another one, and of a discount OpenRouter's.
    fn list_price(&self) -> Option<ListPrice> {
        let (author, name) = self.id.split_once('/')?;
        let plain = !author.starts_with('~') && !name.contains([':', '@']);
        let open = self.hugging_face_id.as_str().is_some_and(|id| !id.is_empty());
        let discount = self.pricing.get("discount").and_then(Json::as_f64).is_some_and(|share| share != 0.0);
        let outputs = self.architecture.get("output_modalities");
        if !plain || open || discount || is_media(outputs) {
            return None;
        }
        let dated =
            self.canonical_slug.as_str().and_then(|slug| slug.strip_prefix(author)?.strip_prefix('/'));
        let names = std::iter::once(name).chain(dated).map(str::to_owned).collect();
        let pricing = pricing(&self.pricing, false);
        (pricing != Pricing::default()).then(|| ListPrice { author: author.to_owned(), names, pricing })
    }

    fn model(self) -> Model {
        let inputs = words(self.architecture.get("input_modalities"), &INPUTS);
        let outputs = words(self.architecture.get("output_modalities"), &OUTPUTS);
        let supported = texts(&self.supported_parameters);
        let features = features(&supported, &inputs, &self.pricing);
        let embeds = outputs.iter().any(|word| word == "embedding");
        let slug = self.canonical_slug.as_str().filter(|slug| !slug.eq_ignore_ascii_case(&self.id));
        // An identifier of a variant shares the slug with its model.
        let slug = slug.filter(|_| !self.id.contains(':') && !self.id.starts_with('~'));
        let alias = |name: &str| Alias { name: name.to_owned(), kind: AliasKind::Snapshot };
        let limit = self.top_provider.get("max_completion_tokens").and_then(Json::as_u64);
        let author = self.id.trim_start_matches('~').split_once('/').map_or("", |(author, _)| author);
        let reasons = features.iter().any(|feature| feature == "reasoning");
        Model {
            author_id: author.to_owned(),
            aliases: slug.map(alias).into_iter().collect(),
            display_name: text(&self.name),
            description: text(&self.description),
            unsupported_params: if supported.is_empty() { Vec::new() } else { unsupported(&supported) },
            max_context_window: self.context_length.as_u64().unwrap_or(0),
            max_output_tokens: limit.unwrap_or(0),
            pricing: pricing(&self.pricing, is_media(self.architecture.get("output_modalities"))),
            deprecated_at: self.expiration_date.as_str().and_then(day),
            thinking: match (supported.is_empty(), reasons) {
                (true, _) => Thinking::Usual,
                (false, true) => Thinking::Object,
                (false, false) => Thinking::None,
            },
            surfaces: if embeds { vec![Surface::Embeddings] } else { Vec::new() },
            input_modalities: inputs,
            output_modalities: outputs,
            supported_features: features,
            known: true,
            id: self.id,
            ..Model::default()
        }
    }
}

/// The prices. `"-1"` means that the price is not known ahead, and a zero of a model that makes pictures, sound or video
/// that it is not charged by the token. A zero beside prices that are none means that there is no such charge or that it
/// is in another one, so it is left out too.
fn pricing(json: &Json, media: bool) -> Pricing {
    let price = |name: &str| json.get(name).and_then(decimal);
    let (input, output) = (price("prompt"), price("completion"));
    let free = input == Some(Price::ZERO) && output.is_none_or(|output| output == Price::ZERO);
    if free && !media {
        return Pricing::free();
    }
    let charged = |price: Option<Price>| price.filter(|price| *price != Price::ZERO);
    let pricing = Pricing {
        input: if free { None } else { input },
        output: if media { charged(output) } else { output },
        ..secondary(json)
    };
    let tiers = json.get("overrides").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let overrides: Option<Vec<Tier>> = tiers.iter().map(tier).collect();
    match overrides.map(|overrides| Pricing { overrides, ..pricing }) {
        Some(pricing) if pricing.fault().is_none() => pricing,
        // A condition nobody here understands: which price holds is not known.
        _ => Pricing::default(),
    }
}

fn secondary(json: &Json) -> Pricing {
    let charged = |name: &str| json.get(name).and_then(decimal).filter(|price| *price != Price::ZERO);
    Pricing {
        input_cache_read: charged("input_cache_read"),
        input_cache_write: charged("input_cache_write"),
        input_cache_write_1h: charged("input_cache_write_1h"),
        reasoning: charged("internal_reasoning"),
        input_audio: charged("audio"),
        output_audio: charged("audio_output"),
        input_image: charged("image_token"),
        image: charged("image"),
        request: charged("request"),
        web_search: charged("web_search"),
        ..Pricing::default()
    }
}

/// An override, with the conditions it has. `None` when it has one that is not known here.
fn tier(json: &Json) -> Option<Tier> {
    const PRICES: [&str; 14] = [
        "prompt",
        "completion",
        "input_cache_read",
        "input_cache_write",
        "input_cache_write_1h",
        "internal_reasoning",
        "audio",
        "audio_output",
        "input_audio_cache",
        "image_token",
        "image_output",
        "image",
        "request",
        "web_search",
    ];
    let members = json.as_object()?;
    let known = |name: &str| {
        PRICES.contains(&name) || matches!(name, "min_prompt_tokens" | "utc_start" | "utc_end" | "discount")
    };
    if !members.iter().all(|(name, value)| known(name) || value.is_null()) {
        return None;
    }
    let price = |name: &str| json.get(name).and_then(decimal);
    let time = |name: &str| match json.get(name) {
        None | Some(Json::Null) => Some(None),
        Some(value) => hhmm(value).map(Some),
    };
    Some(Tier {
        min_prompt_tokens: match json.get("min_prompt_tokens") {
            None | Some(Json::Null) => None,
            Some(count) => Some(count.as_u64()?),
        },
        utc_start: time("utc_start")?,
        utc_end: time("utc_end")?,
        price: Pricing { input: price("prompt"), output: price("completion"), ..secondary(json) },
    })
}

/// `HHMM` as a number or as text, `HH:MM` too.
fn hhmm(json: &Json) -> Option<u16> {
    let digits = match json {
        Json::Number(number) => number.as_u64()?.to_string(),
        Json::String(text) => text.replace(':', ""),
        _ => return None,
    };
    (digits.len() <= 4).then(|| digits.parse().ok()).flatten()
}

/// A price in decimal text, or a number.
fn decimal(json: &Json) -> Option<Price> {
    match json {
        Json::String(text) => Price::parse_per_unit(text),
        Json::Number(number) => Price::parse_per_unit(&number.to_string()),
        _ => None,
    }
}

fn features(supported: &[String], inputs: &[String], pricing: &Json) -> Vec<String> {
    let takes = |parameter: &str| supported.iter().any(|name| name == parameter);
    let caches = pricing.get("input_cache_read").and_then(decimal).is_some_and(|price| price != Price::ZERO);
    [
        ("tool-calling", takes("tools")),
        ("structured-output", takes("structured_outputs")),
        ("vision", inputs.iter().any(|word| word == "image")),
        ("reasoning", takes("reasoning") || takes("reasoning_effort") || takes("include_reasoning")),
        ("prompt-caching", caches),
    ]
    .into_iter()
    .filter(|(_, has)| *has)
    .map(|(feature, _)| feature.to_owned())
    .collect()
}

fn unsupported(supported: &[String]) -> Vec<String> {
    let lacks = |name: &&str| !supported.iter().any(|other| other == name);
    PARAMETERS.into_iter().filter(lacks).map(str::to_owned).collect()
}

/// Whether it makes something else than text and embeddings.
fn is_media(outputs: Option<&Json>) -> bool {
    let outputs = outputs.map(texts).unwrap_or_default();
    outputs.iter().any(|output| !matches!(output.as_str(), "text" | "embeddings" | "embedding" | "rerank"))
}

/// The day of a date or a point in time, `2026-10-01` or `2026-10-01T00:00:00Z`.
fn day(text: &str) -> Option<String> {
    let day = text.get(..10)?;
    let shape = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    shape.then(|| day.to_owned())
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn texts(json: &Json) -> Vec<String> {
    let list = json.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// Those of the list that are in the vocabulary. The plural, `embeddings`, is OpenRouter's.
fn words(json: Option<&Json>, vocabulary: &[&str]) -> Vec<String> {
    let mut list = json.map(texts).unwrap_or_default();
    for word in &mut list {
        if word == "embeddings" {
            "embedding".clone_into(word);
        }
    }
    list.retain(|word| vocabulary.contains(&word.as_str()));
    list
}

#[cfg(test)]
mod tests;
