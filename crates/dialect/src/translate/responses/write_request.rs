//! Requests for providers that speak Responses.

use super::super::error::Unsupported;
use super::super::request::{Part, Request};
use super::super::writer::Writer;
use super::super::{Target, Thinking, Translated};
use super::write_input::{Items, plain_text};
use super::{ENCRYPTED, settings};
use crate::{Format, Surface};

/// The smallest `max_output_tokens` the API takes.
const LEAST_OUTPUT_TOKENS: u64 = 16;

/// Fields beside that chat completions and Responses know by the same name and meaning.
const SHARED: [&str; 9] = [
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
    "moderation",
    "truncation",
];

/// A field, whose name differs from dialect to dialect.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Stop,
    TopK,
    Seed,
    FrequencyPenalty,
    PresencePenalty,
    MaxTokens,
    Reasoning,
    Cache,
}

pub(in super::super) fn write_request(
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
) -> Result<Translated, Unsupported> {
    if request.candidates.is_some_and(|count| count > 1) {
        return Err(Unsupported("several answers to one request do not exist in the Responses API".into()));
    }
    let mut lost = Vec::new();
    let mut result = Ok(());
    let mut w = Writer::with_capacity(1024);
    w.object(|w| {
        w.member("model", target.model);
        let system = instructions(w, request);
        w.key("input").array(|w| {
            result = Items::new(request, from, target, &mut lost).write(w, system);
        });
        settings::write_tools(w, request, from, &mut lost);
        settings::write_choice(w, request);
        settings::write_text(w, request, from);
        reasoning(w, request, from, target, &mut lost);
        sampling(w, request, from, target, &mut lost);
        aside(w, request, from, target, &mut lost);
        if request.stream {
            w.member("stream", &true);
        }
    });
    result?;
    Ok(Translated { body: w.finish(), lost })
}

/// The name of a field in the client's dialect.
pub(super) fn name(from: Surface, field: Field) -> &'static str {
    let [chat, responses, messages, gemini, converse] = match field {
        Field::Stop => [
            "stop",
            "stop",
            "stop_sequences",
            "generationConfig.stopSequences",
            "inferenceConfig.stopSequences",
        ],
        Field::TopK => {
            ["top_k", "top_k", "top_k", "generationConfig.topK", "additionalModelRequestFields.top_k"]
        }
        Field::Seed => ["seed", "seed", "seed", "generationConfig.seed", "seed"],
        Field::FrequencyPenalty => {
            let name = "frequency_penalty";
            [name, name, name, "generationConfig.frequencyPenalty", name]
        }
        Field::PresencePenalty => {
            let name = "presence_penalty";
            [name, name, name, "generationConfig.presencePenalty", name]
        }
        Field::MaxTokens => {
            let gemini = "generationConfig.maxOutputTokens";
            ["max_completion_tokens", "max_output_tokens", "max_tokens", gemini, "inferenceConfig.maxTokens"]
        }
        Field::Reasoning => {
            let converse = "additionalModelRequestFields.thinking";
            ["reasoning_effort", "reasoning", "thinking", "generationConfig.thinkingConfig", converse]
        }
        Field::Cache => {
            ["cache_control", "prompt_cache_breakpoint", "cache_control", "cachedContent", "cachePoint"]
        }
    };
    match from {
        Surface::Responses => responses,
        Surface::Messages | Surface::CountTokens => messages,
        Surface::GenerateContent => gemini,
        Surface::Converse => converse,
        _ => chat,
    }
}

/// The first instruction goes where the API has a place for it; how many parts were written so.
fn instructions(w: &mut Writer, request: &Request<'_>) -> usize {
    match request.system.first().and_then(plain_text) {
        Some(text) => {
            w.member("instructions", text);
            1
        }
        None => 0,
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
    if target.thinking == Thinking::None {
        lost.push(name(from, Field::Reasoning).to_owned());
        return;
    }
    let limit = request.max_output_tokens.or(target.max_output_tokens);
    settings::write_reasoning(w, reasoning, limit);
}

fn sampling(
    w: &mut Writer,
    request: &Request<'_>,
    from: Surface,
    target: &Target<'_>,
    lost: &mut Vec<String>,
) {
    if let Some(limit) = request.max_output_tokens {
        if limit < LEAST_OUTPUT_TOKENS {
            lost.push(name(from, Field::MaxTokens).to_owned());
        }
        w.member("max_output_tokens", &limit.max(LEAST_OUTPUT_TOKENS));
    }
    w.optional("temperature", request.temperature);
    w.optional("top_p", request.top_p);
    w.optional("parallel_tool_calls", request.parallel_tool_calls);
    // `safety_identifier` is the newer name, but only OpenAI knows it.
    w.optional("user", request.user.as_deref());
    // OpenAI takes none of these; other providers of its API do.
    let known =
        |name: &str| from == Surface::Responses || target.extensions.iter().any(|other| other == name);
    let numbers = [
        ("top_k", Field::TopK, request.top_k.map(serde_json::Number::from)),
        ("seed", Field::Seed, request.seed.map(serde_json::Number::from)),
        ("frequency_penalty", Field::FrequencyPenalty, request.frequency_penalty.and_then(float)),
        ("presence_penalty", Field::PresencePenalty, request.presence_penalty.and_then(float)),
    ];
    for (own, field, number) in numbers {
        match number {
            Some(number) if known(own) => w.member(own, &number),
            Some(_) => lost.push(name(from, field).to_owned()),
            None => {}
        }
    }
    if !request.stop.is_empty() {
        if target.extensions.iter().any(|name| name == "stop") {
            w.member("stop", &request.stop);
        } else {
            lost.push(name(from, Field::Stop).to_owned());
        }
    }
}

fn float(number: f64) -> Option<serde_json::Number> {
    serde_json::Number::from_f64(number)
}

/// What travelled beside. State is to come back to the client and not to stay with the provider, unless the client
/// speaks this dialect itself and chose.
fn aside(w: &mut Writer, request: &Request<'_>, from: Surface, target: &Target<'_>, lost: &mut Vec<String>) {
    let own = from == Surface::Responses;
    let shared = from.format() == Format::OpenAi;
    let mut stored = false;
    for (name, value) in &request.aside {
        let extension = target.extensions.iter().any(|other| other == name);
        if own || extension || shared && SHARED.contains(&&**name) {
            stored |= name == "store";
            w.member(name, value);
        } else {
            lost.push(name.clone().into_owned());
        }
    }
    if !own {
        if !stored {
            w.member("store", &false);
        }
        w.member("include", &[ENCRYPTED]);
    }
}

/// Whether a part is a message's, and not an item of its own.
pub(super) fn is_content(part: &Part<'_>) -> bool {
    !matches!(part, Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_))
}
