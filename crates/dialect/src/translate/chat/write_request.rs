//! Writing a request for a provider.

use super::super::request::{Json, Output, Reasoning, Request};
use super::super::strict::strict;
use super::super::writer::Writer;
use super::super::{Target, Thinking, Translated, Unsupported};
use super::write_messages::Messages;
use super::{lose, write_tools};
use crate::Surface;
use crate::effort::{USUAL_LIMIT, effort_of_budget, nearest_effort};
use std::borrow::Cow;

/// Fields that only chat completions know by these names and meanings.
const OWN: [&str; 7] =
    ["audio", "logit_bias", "logprobs", "modalities", "prediction", "top_logprobs", "web_search_options"];
/// Fields that mean the same in OpenAI's two dialects.
const SHARED: [&str; 5] = ["metadata", "prompt_cache_key", "prompt_cache_retention", "service_tier", "store"];
/// Most texts in `stop` (`platform.openai.com/docs/api-reference/chat/create`).
const STOP_LIMIT: usize = 4;
/// Providers that have thought switched on and off by `thinking.type`; DeepSeek alone has words for how much
/// (`api-docs.deepseek.com/guides/thinking_mode`, `docs.z.ai/guides/capabilities/thinking-mode`,
/// `platform.moonshot.ai/docs/guide/kimi-k2-5-quickstart`).
const SWITCHES: [&str; 3] = ["deepseek", "moonshotai", "z-ai"];
/// The words for amounts of thought (`platform.openai.com/docs/api-reference/chat/create`).
const USUAL_WORDS: [&str; 5] = ["minimal", "low", "medium", "high", "xhigh"];
/// Providers that have others, which refuse the rest, or do nothing for it: the request types of the Python clients of
/// Groq, Cerebras, Fireworks and Perplexity; `docs.cohere.com/docs/compatibility-api`; `api-docs.deepseek.com/guides/thinking_mode`.
/// Moonshot's are Kimi K3's (`java.agentscope.io/v2/en/integration/model/kimi`).
const WORDS: [(&str, &[&str]); 7] = [
    ("groq", &["low", "medium", "high"]),
    ("cerebras", &["low", "medium", "high"]),
    ("fireworks", &["low", "medium", "high"]),
    ("perplexity", &["minimal", "low", "medium", "high"]),
    ("cohere", &["high"]),
    ("deepseek", &["low", "high", "max"]),
    ("moonshotai", &["low", "high", "max"]),
];
/// Most characters of `user` that OpenAI takes.
const USER_LIMIT: usize = 64;

pub(crate) fn write_request(
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
) -> Result<Translated, Unsupported> {
    let mut messages = Messages::new(request, from, target);
    let mut lost = Vec::new();
    let mut w = Writer::with_capacity(4096);
    let (mut conversation, mut tools) = (Ok(()), Ok(()));
    w.object(|w| {
        w.member("model", target.model);
        conversation = messages.write(w.key("messages"));
        lost = std::mem::take(&mut messages.lost);
        tools = write_tools::write(w, request, from, target, &mut lost);
        sampling(w, request, from, target, &mut lost);
        reasoning(w, request, from, target, &mut lost);
        output(w, &request.output, from);
        w.optional("verbosity", request.verbosity.as_ref());
        user(w, request, from, target, &mut lost);
        aside(w, request, from, target, &mut lost);
        if request.stream {
            w.member("stream", &true);
            w.member_object("stream_options", |w| w.member("include_usage", &true));
        }
    });
    conversation.and(tools)?;
    Ok(Translated { body: w.finish(), lost })
}

/// Whether OpenAI itself, or Azure with the same models, is spoken to.
pub(super) fn is_openai(target: &Target<'_>) -> bool {
    matches!(target.provider, "openai" | "azure")
}

/// Whether the target takes a field beyond the dialect.
pub(super) fn extends(target: &Target<'_>, field: &str) -> bool {
    target.extensions.iter().any(|known| known == field)
}

fn sampling(
    w: &mut Writer,
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
    lost: &mut Vec<String>,
) {
    // OpenAI's reasoning models refuse the old name, most others do not know the new one.
    let newer = is_openai(target) || target.completion_tokens;
    let limit = if newer { "max_completion_tokens" } else { "max_tokens" };
    w.optional(limit, request.max_output_tokens);
    w.optional("temperature", request.temperature);
    w.optional("top_p", request.top_p);
    if request.top_k.is_some() {
        if extends(target, "top_k") {
            w.optional("top_k", request.top_k);
        } else {
            lose(lost, name(from, Field::TopK));
        }
    }
    w.optional("frequency_penalty", request.frequency_penalty);
    w.optional("presence_penalty", request.presence_penalty);
    w.optional("seed", request.seed);
    w.optional("n", request.candidates.filter(|n| *n > 1));
    if request.stop.len() > STOP_LIMIT {
        lose(lost, format!("{}[{STOP_LIMIT}]", name(from, Field::Stop)));
    }
    if !request.stop.is_empty() {
        w.member_array("stop", |w| request.stop.iter().take(STOP_LIMIT).for_each(|text| w.text(text)));
    }
}

fn reasoning(
    w: &mut Writer,
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
    lost: &mut Vec<String>,
) {
    let Some(reasoning) = &request.reasoning else { return };
    match target.thinking {
        Thinking::None if is_off(reasoning) => {}
        Thinking::None => lose(lost, name(from, Field::Reasoning)),
        Thinking::Object => w.member_object("reasoning", |w| reasoning_object(w, reasoning)),
        _ => {
            let max = request.max_output_tokens.or(target.max_output_tokens);
            let effort = effort(reasoning, max);
            match (&effort, switches(target)) {
                (Some(word), true) => {
                    let switch = if word == "none" { "disabled" } else { "enabled" };
                    w.member_object("thinking", |w| w.member("type", switch));
                    if word != "none" && target.provider == "deepseek" {
                        w.member("reasoning_effort", spoken(word, target.provider));
                    } else if word != "none" && (reasoning.effort.is_some() || reasoning.budget.is_some()) {
                        lose(lost, name(from, Field::Reasoning));
                    }
                }
                _ => w.optional(
                    "reasoning_effort",
                    effort.as_deref().map(|word| spoken(word, target.provider)),
                ),
            }
            if reasoning.summary.is_some() {
                lose(lost, name(from, Field::Summary));
            }
        }
    }
}

/// OpenRouter's: an effort or a budget, not both.
fn reasoning_object(w: &mut Writer, reasoning: &Reasoning<'_>) {
    match (&reasoning.effort, reasoning.budget) {
        (Some(effort), _) => w.member("effort", effort),
        (None, _) if is_off(reasoning) => w.member("effort", "none"),
        (None, Some(budget)) => w.member("max_tokens", &budget),
        (None, None) if reasoning.enabled == Some(true) || reasoning.adaptive => {
            w.member("enabled", &true);
        }
        (None, None) => {}
    }
    if let Some(show) = reasoning.show {
        w.member("exclude", &!show);
    }
    w.optional("summary", reasoning.summary.as_ref());
}

fn is_off(reasoning: &Reasoning<'_>) -> bool {
    let word = reasoning.effort.as_deref() == Some("none");
    word || reasoning.enabled == Some(false) || reasoning.budget == Some(0)
}

/// The word for an amount of thought; `None`: the model decides.
fn effort<'r>(reasoning: &'r Reasoning<'_>, max: Option<u64>) -> Option<Cow<'r, str>> {
    if let Some(effort) = reasoning.effort.as_deref() {
        return Some(Cow::Borrowed(effort));
    }
    if reasoning.enabled == Some(false) {
        return Some(Cow::Borrowed("none"));
    }
    match reasoning.budget {
        Some(budget) => Some(Cow::Borrowed(effort_of_budget(budget, max.unwrap_or(USUAL_LIMIT)))),
        None if reasoning.enabled == Some(true) && !reasoning.adaptive => Some(Cow::Borrowed("medium")),
        None => None,
    }
}

/// Whether thought is switched on and off. Kimi K3 always thinks, and is told how much.
fn switches(target: &Target<'_>) -> bool {
    SWITCHES.contains(&target.provider) && !target.model.contains("kimi-k3")
}

/// The word of a provider that is nearest to one of ours. Words of nobody's are left as they are.
fn spoken<'w>(word: &'w str, provider: &str) -> &'w str {
    let own = WORDS.iter().find(|(id, _)| *id == provider);
    let known = own.map_or(&USUAL_WORDS[..], |(_, words)| words);
    nearest_effort(word, known)
}

fn user(w: &mut Writer, request: &Request<'_>, from: Surface, target: &Target<'_>, lost: &mut Vec<String>) {
    let Some(user) = &request.user else { return };
    if is_openai(target) && user.chars().count() > USER_LIMIT {
        lose(lost, name(from, Field::User));
    } else {
        w.member("user", user);
    }
}

fn output(w: &mut Writer, output: &Output<'_>, from: Surface) {
    match output {
        Output::Text => {}
        Output::Json => w.member_object("response_format", |w| w.member("type", "json_object")),
        Output::Schema { name, description, schema, strict: said } => {
            w.member_object("response_format", |w| {
                w.member("type", "json_schema");
                w.member_object("json_schema", |w| {
                    w.member("name", name.as_deref().unwrap_or("answer"));
                    w.optional("description", description.as_ref());
                    w.member("schema", schema);
                    w.optional("strict", strict(from, *said, schema));
                });
            });
        }
    }
}

fn aside(w: &mut Writer, request: &Request<'_>, from: Surface, target: &Target<'_>, lost: &mut Vec<String>) {
    for (field, value) in &request.aside {
        // Chat completions are not stored unless asked for, and only OpenAI knows the word.
        if from != Surface::ChatCompletions && field == "store" && matches!(value, Json::Bool(false)) {
            continue;
        }
        let own = from == Surface::ChatCompletions && OWN.contains(&&**field);
        let shared = matches!(from, Surface::ChatCompletions | Surface::Responses);
        let known = own || (shared && SHARED.contains(&&**field));
        if known || extends(target, field) {
            w.member(field, value);
        } else {
            lose(lost, &**field);
        }
    }
}

/// A field that cannot always be said.
#[derive(Clone, Copy)]
enum Field {
    TopK,
    Stop,
    Reasoning,
    Summary,
    User,
}

/// What the client calls it.
fn name(from: Surface, field: Field) -> &'static str {
    match (field, from) {
        (Field::TopK, Surface::GenerateContent) => "generationConfig.topK",
        (Field::TopK, _) => "top_k",
        (Field::Stop, Surface::GenerateContent) => "generationConfig.stopSequences",
        (Field::Stop, Surface::Messages) => "stop_sequences",
        (Field::Stop, _) => "stop",
        (Field::Reasoning, Surface::GenerateContent) => "generationConfig.thinkingConfig",
        (Field::Reasoning, Surface::Messages) => "thinking",
        (Field::Reasoning, _) => "reasoning",
        (Field::User, Surface::Messages) => "metadata.user_id",
        (Field::User, _) => "user",
        (Field::Summary, _) => "reasoning.summary",
    }
}
