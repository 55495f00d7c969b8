//! What a provider says was used.

use crate::loose::{Charge, Flag, Label, List, Number, Obj};
use serde::Deserialize;

/// What xAI counts costs in: 10¹⁰ to a US dollar (docs.x.ai, "Cost Tracking").
const TICKS: f64 = 1e10;

/// Tokens and cost of one answer, as reported. Absent counts are 0; an absent cost is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// All tokens of the request, those read from or written to a prompt cache included.
    pub input_tokens: u64,
    /// All tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// Of the input, tokens read from a prompt cache.
    pub cached_tokens: u64,
    /// Of the input, tokens written to a prompt cache.
    pub cache_write_tokens: u64,
    /// Of these, tokens written to a cache that lasts an hour (Anthropic's and OpenRouter's
    /// `cache_creation.ephemeral_1h_input_tokens`, Bedrock's `cacheDetails`).
    pub cache_write_1h_tokens: u64,
    /// Of the output, tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Of the input, tokens of sound.
    pub input_audio_tokens: u64,
    /// Of the output, tokens of sound.
    pub output_audio_tokens: u64,
    /// Of the input, tokens of pictures, where the provider counts them apart.
    pub input_image_tokens: u64,
    /// Of the output, tokens of pictures.
    pub output_image_tokens: u64,
    /// Searches of the web that the provider made (`server_tool_use.web_search_requests` of Anthropic and OpenRouter,
    /// `tool_usage.web_search.num_requests` of OpenAI's responses).
    pub web_searches: u64,
    /// What the provider charged, in US dollars (OpenRouter `usage.cost`, Perplexity `usage.cost.total_cost`, xAI
    /// `usage.cost_in_usd_ticks`).
    pub cost: Option<f64>,
    /// What the provider behind the provider charged, in US dollars (OpenRouter
    /// `cost_details.upstream_inference_cost`): the real expense with one's own key there, beside [`Usage::cost`].
    /// Without such a key it is part of the cost, and `None` here.
    pub upstream_cost: Option<f64>,
}

impl Usage {
    /// Keeps the larger of each figure. Frames of a stream report running totals, not always all of them, and
    /// a later one may have less than an earlier one.
    pub fn merge_max(&mut self, other: &Self) {
        self.input_tokens = self.input_tokens.max(other.input_tokens);
        self.output_tokens = self.output_tokens.max(other.output_tokens);
        self.cached_tokens = self.cached_tokens.max(other.cached_tokens);
        self.cache_write_tokens = self.cache_write_tokens.max(other.cache_write_tokens);
        self.cache_write_1h_tokens = self.cache_write_1h_tokens.max(other.cache_write_1h_tokens);
        self.reasoning_tokens = self.reasoning_tokens.max(other.reasoning_tokens);
        self.input_audio_tokens = self.input_audio_tokens.max(other.input_audio_tokens);
        self.output_audio_tokens = self.output_audio_tokens.max(other.output_audio_tokens);
        self.input_image_tokens = self.input_image_tokens.max(other.input_image_tokens);
        self.output_image_tokens = self.output_image_tokens.max(other.output_image_tokens);
        self.web_searches = self.web_searches.max(other.web_searches);
        self.cost = larger(self.cost, other.cost);
        self.upstream_cost = larger(self.upstream_cost, other.upstream_cost);
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (one, other) => one.or(other),
    }
}

/// Every spelling of a `usage` object seen at providers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct RawUsage {
    prompt_tokens: Number,
    completion_tokens: Number,
    input_tokens: Number,
    output_tokens: Number,
    prompt_tokens_details: Obj<InputDetails>,
    input_tokens_details: Obj<InputDetails>,
    completion_tokens_details: Obj<OutputDetails>,
    output_tokens_details: Obj<OutputDetails>,
    cache_read_input_tokens: Number,
    cache_creation_input_tokens: Number,
    cache_creation: Obj<CacheCreation>,
    server_tool_use: Obj<ServerToolUse>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Number,
    /// Moonshot.
    cached_tokens: Number,
    cost: Charge,
    /// xAI.
    cost_in_usd_ticks: Number,
    is_byok: Flag,
    cost_details: Obj<CostDetails>,
    /// Gemini's, in camel case.
    #[serde(rename = "promptTokenCount")]
    gemini_input: Number,
    #[serde(rename = "toolUsePromptTokenCount")]
    gemini_tool_input: Number,
    #[serde(rename = "candidatesTokenCount")]
    gemini_output: Number,
    #[serde(rename = "thoughtsTokenCount")]
    gemini_thoughts: Number,
    #[serde(rename = "cachedContentTokenCount")]
    gemini_cached: Number,
    #[serde(rename = "promptTokensDetails")]
    gemini_input_kinds: List<Modality>,
    #[serde(rename = "candidatesTokensDetails")]
    gemini_output_kinds: List<Modality>,
    /// Converse's, in camel case.
    #[serde(rename = "inputTokens")]
    converse_input: Number,
    #[serde(rename = "outputTokens")]
    converse_output: Number,
    #[serde(rename = "cacheReadInputTokens")]
    converse_cache_read: Number,
    #[serde(rename = "cacheWriteInputTokens")]
    converse_cache_write: Number,
    #[serde(rename = "cacheDetails")]
    converse_cache_details: List<CacheDetail>,
}

/// Anthropic's counts of cache writes by how long they last.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Number,
    ephemeral_1h_input_tokens: Number,
}

/// The same of Converse (`CacheDetail`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
struct CacheDetail {
    ttl: Label,
    input_tokens: Number,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: Number,
}

/// What OpenAI's responses say beside `usage` of the tools that the provider ran.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct ToolUsage {
    web_search: Obj<WebSearch>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct WebSearch {
    num_requests: Number,
}

impl ToolUsage {
    /// Adds what it says to the figures it stands beside.
    pub(crate) fn complete(&self, usage: &mut Usage) {
        let searches = self.web_search.0.as_ref().map_or(0, |search| search.num_requests.count());
        usage.web_searches = usage.web_searches.max(searches);
    }
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Number,
    cache_write_tokens: Number,
    audio_tokens: Number,
    image_tokens: Number,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Number,
    /// Anthropic's name for them.
    thinking_tokens: Number,
    audio_tokens: Number,
    image_tokens: Number,
}

/// Gemini's counts of one kind of content (`ModalityTokenCount`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
struct Modality {
    modality: Label,
    token_count: Number,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct CostDetails {
    upstream_inference_cost: Number,
}

impl RawUsage {
    pub(crate) fn usage(&self) -> Usage {
        let input = self.input_tokens_details.0.as_ref().or(self.prompt_tokens_details.0.as_ref());
        let output = self.output_tokens_details.0.as_ref().or(self.completion_tokens_details.0.as_ref());
        let read = self.cache_read_input_tokens.count().max(self.converse_cache_read.count());
        let hour = self.hour_writes();
        let written = self
            .cache_creation_input_tokens
            .count()
            .max(self.converse_cache_write.count())
            .max(self.cache_creation.0.as_ref().map_or(0, CacheCreation::all));
        // Anthropic and Bedrock count cached tokens beside the input, everybody else within it.
        let own = self.input_tokens.count().max(self.converse_input.count());
        let beside = own.saturating_add(read).saturating_add(written);
        let gemini_input = self.gemini_input.count().saturating_add(self.gemini_tool_input.count());
        // Google counts thoughts beside the candidates.
        let gemini_output = self.gemini_output.count().saturating_add(self.gemini_thoughts.count());
        let kind = |list: &List<Modality>, name: &str| {
            let mut found = list.0.iter().filter(|m| m.modality.0.as_deref() == Some(name));
            found.next().map_or(0, |m| m.token_count.count())
        };
        Usage {
            input_tokens: self.prompt_tokens.count().max(beside).max(gemini_input),
            output_tokens: self
                .completion_tokens
                .count()
                .max(self.output_tokens.count())
                .max(self.converse_output.count())
                .max(gemini_output),
            cached_tokens: input
                .map_or(0, |details| details.cached_tokens.count())
                .max(read)
                .max(self.prompt_cache_hit_tokens.count())
                .max(self.cached_tokens.count())
                .max(self.gemini_cached.count()),
            cache_write_tokens: input.map_or(0, |details| details.cache_write_tokens.count()).max(written),
            cache_write_1h_tokens: hour,
            reasoning_tokens: output
                .map_or(0, |details| details.reasoning_tokens.count().max(details.thinking_tokens.count()))
                .max(self.gemini_thoughts.count()),
            input_audio_tokens: input
                .map_or(0, |details| details.audio_tokens.count())
                .max(kind(&self.gemini_input_kinds, "AUDIO")),
            output_audio_tokens: output
                .map_or(0, |details| details.audio_tokens.count())
                .max(kind(&self.gemini_output_kinds, "AUDIO")),
            input_image_tokens: input
                .map_or(0, |details| details.image_tokens.count())
                .max(kind(&self.gemini_input_kinds, "IMAGE")),
            output_image_tokens: output
                .map_or(0, |details| details.image_tokens.count())
                .max(kind(&self.gemini_output_kinds, "IMAGE")),
            web_searches: self.server_tool_use.0.as_ref().map_or(0, |used| used.web_search_requests.count()),
            cost: money(self.cost.0).or_else(|| money(self.cost_in_usd_ticks.0).map(|ticks| ticks / TICKS)),
            upstream_cost: self
                .cost_details
                .0
                .as_ref()
                .filter(|_| self.is_byok.0 != Some(false))
                .and_then(|details| money(details.upstream_inference_cost.0)),
        }
    }

    /// Tokens written to caches that last an hour.
    fn hour_writes(&self) -> u64 {
        let details = self.converse_cache_details.0.iter();
        let hours = details.filter(|detail| detail.ttl.0.as_deref() == Some("1h"));
        let converse = hours.map(|detail| detail.input_tokens.count()).fold(0, u64::saturating_add);
        let created = self.cache_creation.0.as_ref();
        created.map_or(0, |created| created.ephemeral_1h_input_tokens.count()).max(converse)
    }
}

impl CacheCreation {
    fn all(&self) -> u64 {
        self.ephemeral_5m_input_tokens.count().saturating_add(self.ephemeral_1h_input_tokens.count())
    }
}

/// A price that can be one.
fn money(number: Option<f64>) -> Option<f64> {
    number.filter(|cost| cost.is_finite() && *cost >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Usage {
        serde_json::from_str::<RawUsage>(json).unwrap().usage()
    }

    #[test]
    fn spellings() {
        let base = Usage { input_tokens: 100, output_tokens: 20, ..Usage::default() };
        for (json, want) in [
            (
                r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,
                "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":7}}"#,
                Usage { cached_tokens: 60, reasoning_tokens: 7, ..base },
            ),
            (
                r#"{"input_tokens":100,"output_tokens":20,"input_tokens_details":{"cached_tokens":60},
                "output_tokens_details":{"reasoning_tokens":7}}"#,
                Usage { cached_tokens: 60, reasoning_tokens: 7, ..base },
            ),
            (
                r#"{"input_tokens":30,"cache_read_input_tokens":60,"cache_creation_input_tokens":10,"output_tokens":20}"#,
                Usage { cached_tokens: 60, cache_write_tokens: 10, ..base },
            ),
            (
                r#"{"input_tokens":100,"output_tokens":20,"output_tokens_details":{"thinking_tokens":7}}"#,
                Usage { reasoning_tokens: 7, ..base },
            ),
            (
                r#"{"prompt_tokens":100,"completion_tokens":20,"prompt_cache_hit_tokens":5}"#,
                Usage { cached_tokens: 5, ..base },
            ),
            (
                r#"{"prompt_tokens":100,"completion_tokens":20,"cost":0.0125,"is_byok":true,
                "prompt_tokens_details":{"cached_tokens":1,"cache_write_tokens":2},"cost_details":{"upstream_inference_cost":0.2}}"#,
                Usage {
                    cached_tokens: 1,
                    cache_write_tokens: 2,
                    cost: Some(0.0125),
                    upstream_cost: Some(0.2),
                    ..base
                },
            ),
            (
                r#"{"prompt_tokens":100,"completion_tokens":20,"cost":0.2,"is_byok":false,
                "cost_details":{"upstream_inference_cost":0.2}}"#,
                Usage { cost: Some(0.2), ..base },
            ),
            (r#"{"prompt_tokens":100.0,"completion_tokens":"20","cost":null}"#, base),
            (r#"{"prompt_tokens":100,"completion_tokens":20,"cost":-1,"cost_details":null}"#, base),
            (
                r#"{"prompt_tokens":null,"prompt_tokens_details":null,"input_tokens_details":[]}"#,
                Usage::default(),
            ),
            ("{}", Usage::default()),
        ] {
            assert_eq!(read(json), want, "{json}");
        }
    }

    #[test]
    fn durations_searches_and_other_costs() {
        let base = Usage { input_tokens: 100, output_tokens: 20, ..Usage::default() };
        for (json, want) in [
            (
                r#"{"input_tokens":30,"cache_read_input_tokens":60,"cache_creation_input_tokens":10,"output_tokens":20,
                "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6},"server_tool_use":{"web_search_requests":3}}"#,
                Usage {
                    cached_tokens: 60,
                    cache_write_tokens: 10,
                    cache_write_1h_tokens: 6,
                    web_searches: 3,
                    ..base
                },
            ),
            (
                r#"{"inputTokens":90,"outputTokens":20,"cacheWriteInputTokens":10,
                "cacheDetails":[{"ttl":"1h","inputTokens":7},{"ttl":"5m","inputTokens":3}]}"#,
                Usage { cache_write_tokens: 10, cache_write_1h_tokens: 7, ..base },
            ),
            (
                r#"{"prompt_tokens":100,"completion_tokens":20,"cost":{"input_tokens_cost":0.1,"total_cost":0.25}}"#,
                Usage { cost: Some(0.25), ..base },
            ),
            (
                r#"{"input_tokens":100,"output_tokens":20,"cost_in_usd_ticks":37756000}"#,
                Usage { cost: Some(0.003_775_6), ..base },
            ),
            (
                r#"{"prompt_tokens":100,"completion_tokens":20,"cost":[1],"cache_creation":[],"server_tool_use":"x"}"#,
                base,
            ),
        ] {
            assert_eq!(read(json), want, "{json}");
        }
    }

    #[test]
    fn larger_wins_field_by_field() {
        let mut usage = Usage { input_tokens: 10, output_tokens: 1, cost: Some(0.5), ..Usage::default() };
        usage.merge_max(&Usage {
            input_tokens: 0,
            output_tokens: 9,
            cached_tokens: 4,
            cost: None,
            ..Usage::default()
        });
        assert_eq!(
            usage,
            Usage {
                input_tokens: 10,
                output_tokens: 9,
                cached_tokens: 4,
                cost: Some(0.5),
                ..Usage::default()
            }
        );
        usage.merge_max(&Usage { cost: Some(0.7), upstream_cost: Some(0.0), ..Usage::default() });
        assert_eq!((usage.cost, usage.upstream_cost), (Some(0.7), Some(0.0)));
    }
}
