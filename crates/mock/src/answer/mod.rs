//! Answers in the providers' wire formats.

mod chat;
mod completions;
mod converse;
mod draft;
mod embeddings;
pub(crate) mod errors;
mod gemini;
mod messages;
mod models;
mod openrouter;
mod responses;

use crate::check;
use crate::google;
use crate::request::Facts;
use crate::script::{Behaviour, Fault, Flavour, RateLimit, Script, Surface};
use bytes::Bytes;
use draft::Draft;
use errors::Problem;
use http::Method;
use serde_json::Value;

/// A good answer, before anything goes wrong with it.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
    /// OpenRouter's record of the answer, under its identifier.
    pub(crate) generation: Option<(String, Value)>,
}

/// The body of an answer.
pub(crate) enum Content {
    /// Sent with its length.
    Whole(Bytes),
    /// Sent event by event.
    Events(Vec<Event>),
}

/// One frame of a stream, or several that always go together.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) text: Bytes,
    /// Whether it carries part of the answer itself.
    pub(crate) content: bool,
}

impl Event {
    /// `data: JSON`, as chat completions have it.
    fn data(json: &Value, content: bool) -> Self {
        Self { text: Bytes::from(format!("data: {json}\n\n")), content }
    }

    /// `event: TYPE` and `data: JSON`, where the type is the JSON's own.
    fn named(json: &Value, content: bool) -> Self {
        let name = json.get("type").and_then(Value::as_str).unwrap_or("message");
        Self { text: Bytes::from(format!("event: {name}\ndata: {json}\n\n")), content }
    }

    /// `data: JSON` with the line ends that Google sends.
    fn crlf(json: &Value, content: bool) -> Self {
        Self { text: Bytes::from(format!("data: {json}\r\n\r\n")), content }
    }

    fn verbatim(text: &'static str) -> Self {
        Self { text: Bytes::from_static(text.as_bytes()), content: false }
    }

    fn done() -> Self {
        Self::verbatim("data: [DONE]\n\n")
    }

    fn comment() -> Self {
        Self::verbatim(": OPENROUTER PROCESSING\n\n")
    }
}

impl Reply {
    fn json(status: u16, json: &Value) -> Self {
        let mut reply = Self {
            status,
            headers: Vec::new(),
            content: Content::Whole(json.to_string().into()),
            generation: None,
        };
        reply.set("content-type", "application/json");
        reply
    }

    fn stream(events: Vec<Event>) -> Self {
        let mut reply =
            Self { status: 200, headers: Vec::new(), content: Content::Events(events), generation: None };
        reply.set("content-type", "text/event-stream; charset=utf-8");
        reply.set("cache-control", "no-cache");
        reply
    }

    /// Sets a header, replacing the one of this name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

/// What the provider would answer. `number` counts answers and makes their identifiers.
pub(crate) fn reply(facts: &Facts, behaviour: &Behaviour, script: &Script, number: u64) -> Reply {
    let mut draft = Draft::new(facts, behaviour, number);
    let problem = check::refusal(facts, script).or_else(|| scripted_problem(facts, behaviour));
    let mut reply = match problem {
        Some(problem) => refused(facts, &problem, &mut draft),
        None => answer(facts, behaviour, script, &mut draft),
    };
    if let Some(body) = &behaviour.body {
        reply.content = Content::Whole(Bytes::from(body.clone()));
        if body.starts_with('<') {
            reply.set("content-type", "text/html; charset=utf-8");
        }
    }
    if let Some(status) = behaviour.status.filter(|status| *status < 400 && reply.status < 400) {
        reply.status = status;
    }
    provider_headers(&mut reply, facts, &mut draft);
    if let Some(limit) = &behaviour.rate_limit {
        rate_limit_headers(&mut reply, facts.flavour, limit);
    }
    reply
}

fn refused(facts: &Facts, problem: &Problem, draft: &mut Draft) -> Reply {
    let mut reply = Reply::json(problem.status, &errors::body(facts, problem, &mut draft.ids));
    for (name, value) in problem.headers() {
        reply.set(name, value);
    }
    if facts.flavour == Flavour::Bedrock {
        reply.set("x-amzn-errortype", errors::aws_type(problem));
    }
    reply
}

fn scripted_problem(facts: &Facts, behaviour: &Behaviour) -> Option<Problem> {
    if let Some(problem) = behaviour.kind.as_deref().and_then(Problem::of_kind) {
        return Some(problem);
    }
    if let Some(status) = behaviour.status.filter(|status| *status >= 400) {
        return Some(Problem::scripted(status, behaviour.message.as_deref()));
    }
    let (status, message) = facts.orders.error.as_ref()?;
    Some(Problem::scripted(*status, message.as_deref()))
}

fn answer(facts: &Facts, behaviour: &Behaviour, script: &Script, draft: &mut Draft) -> Reply {
    match facts.surface {
        Surface::Models => return models::reply(facts, script, draft),
        Surface::Embeddings => return Reply::json(200, &embeddings::whole(facts, draft)),
        Surface::CountTokens => return Reply::json(200, &messages::count(draft)),
        Surface::GeminiCount => return Reply::json(200, &gemini::count(draft)),
        Surface::Key => return Reply::json(200, &openrouter::key(facts.key.as_deref().unwrap_or(""))),
        Surface::Generation => {
            return match &facts.generation {
                Some(record) => Reply::json(200, &serde_json::json!({ "data": record })),
                None => refused(facts, &Problem::new(404, "Generation not found"), draft),
            };
        }
        Surface::Credits => return Reply::json(200, &openrouter::credits()),
        Surface::Token => {
            let (status, json) = google::token(facts, draft::unix_now());
            return Reply::json(status, &json);
        }
        _ => {}
    }
    let failure = Problem::scripted(draft.failure_status(), behaviour.message.as_deref());
    if facts.stream {
        return stream(facts, behaviour, &failure, draft);
    }
    let json = match behaviour.fault {
        Some(Fault::ErrorFirst) => errors::body(facts, &failure, &mut draft.ids),
        Some(Fault::FinishError) if draft.ends_with_error_body(facts.surface) => {
            errors::body(facts, &failure, &mut draft.ids)
        }
        _ => whole(facts.surface, draft),
    };
    let mut reply = Reply::json(200, &json);
    if facts.flavour == Flavour::OpenRouter && behaviour.comments > 0 {
        // OpenRouter keeps slow plain answers alive with blank lines before the JSON.
        reply.content = Content::Whole(format!("{}{json}", "\n".repeat(behaviour.comments)).into());
    }
    reply
}

fn stream(facts: &Facts, behaviour: &Behaviour, failure: &Problem, draft: &mut Draft) -> Reply {
    let surface = facts.surface;
    if surface == Surface::GenerateContent && facts.parameter("alt").as_deref() != Some("sse") {
        return gemini::listed(draft);
    }
    let mut events = vec![Event::comment(); behaviour.comments];
    let error = |draft: &mut Draft| errors::event(facts, failure, draft);
    match behaviour.fault {
        Some(Fault::ErrorFirst) => events.extend(error(draft)),
        Some(Fault::ErrorAfterChunks(count)) => {
            events.extend(until_content(streamed(surface, draft), count));
            events.extend(error(draft));
        }
        Some(Fault::FinishError) if surface != Surface::ChatCompletions => {
            events.extend(until_content(streamed(surface, draft), usize::MAX));
            events.extend(error(draft));
        }
        _ => events.extend(streamed(surface, draft)),
    }
    let mut reply = Reply::stream(events);
    match surface {
        Surface::Converse => reply.set("content-type", "application/vnd.amazon.eventstream"),
        Surface::GenerateContent => reply.set("content-type", "text/event-stream"),
        _ => {}
    }
    reply
}

fn whole(surface: Surface, draft: &mut Draft) -> Value {
    match surface {
        Surface::Responses => responses::whole(draft),
        Surface::Completions => completions::whole(draft),
        Surface::Messages => messages::whole(draft),
        Surface::GenerateContent => gemini::whole(draft),
        Surface::Converse => converse::whole(draft),
        _ => chat::whole(draft),
    }
}

fn streamed(surface: Surface, draft: &mut Draft) -> Vec<Event> {
    match surface {
        Surface::Responses => responses::streamed(draft),
        Surface::Completions => completions::streamed(draft),
        Surface::Messages => messages::streamed(draft),
        Surface::GenerateContent => gemini::streamed(draft),
        Surface::Converse => converse::streamed(draft),
        _ => chat::streamed(draft),
    }
}

/// Everything up to so many content events, and nothing behind the last of them.
fn until_content(events: Vec<Event>, count: usize) -> Vec<Event> {
    let total = events.iter().filter(|e| e.content).count();
    let wanted = count.min(total);
    let mut seen = 0;
    events
        .into_iter()
        .take_while(|event| {
            let past = seen == wanted && (event.content || wanted > 0);
            seen += usize::from(event.content);
            !past
        })
        .collect()
}

fn provider_headers(reply: &mut Reply, facts: &Facts, draft: &mut Draft) {
    match facts.flavour {
        Flavour::OpenAi => {
            reply.set("x-request-id", &draft.ids.hex("req_", 32));
            reply.set("openai-version", "2020-10-01");
            reply.set("openai-processing-ms", "12");
        }
        Flavour::Anthropic => reply.set("request-id", &draft.request_id.clone()),
        Flavour::Google => reply.set("server-timing", "gfet4t7; dur=12"),
        Flavour::Vertex => {}
        Flavour::Bedrock => reply.set("x-amzn-requestid", &draft.ids.hex("", 32)),
        Flavour::Azure => {
            reply.set("apim-request-id", &draft.ids.hex("", 32));
            reply.set("x-ms-region", "East US");
        }
        Flavour::OpenRouter => {
            if reply.status < 400 && facts.method == Method::POST {
                let id = draft.generation_id.clone();
                reply.set("x-generation-id", &id);
                reply.generation = Some((id, openrouter::generation(facts.stream, draft)));
            }
        }
    }
}

fn rate_limit_headers(reply: &mut Reply, flavour: Flavour, limit: &RateLimit) {
    let reset_at = draft::unix_now() + limit.reset_s;
    let (prefix, reset) = match flavour {
        Flavour::OpenAi | Flavour::Azure => ("x-ratelimit", format!("{}s", limit.reset_s)),
        // They have no such headers.
        Flavour::Google | Flavour::Vertex | Flavour::Bedrock => return,
        Flavour::Anthropic => ("anthropic-ratelimit", draft::rfc3339(reset_at)),
        Flavour::OpenRouter => {
            reply.set("x-ratelimit-limit", &limit.limit.to_string());
            reply.set("x-ratelimit-remaining", &limit.remaining.to_string());
            // Milliseconds since 1970, unlike the others.
            reply.set("x-ratelimit-reset", &(reset_at * 1000).to_string());
            return;
        }
    };
    for (kind, factor) in [("requests", 1), ("tokens", 1000)] {
        let values = [
            ("limit", (limit.limit * factor).to_string()),
            ("remaining", (limit.remaining * factor).to_string()),
            ("reset", reset.clone()),
        ];
        for (what, value) in values {
            let name = match flavour {
                Flavour::Anthropic => format!("{prefix}-{kind}-{what}"),
                _ => format!("{prefix}-{what}-{kind}"),
            };
            reply.set(&name, &value);
        }
    }
}
