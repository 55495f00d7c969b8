//! Errors in each provider's own shape and, where they are known, words.

use super::draft::Draft;
use super::{Event, chat, responses};
use crate::ids::Ids;
use crate::request::Facts;
use crate::script::{Flavour, Script, Surface};
use http::Method;
use serde_json::{Value, json};

/// What is wrong with a request, or with the provider.
pub(crate) struct Problem {
    pub(crate) status: u16,
    message: Option<String>,
    /// OpenAI's `type`.
    kind: Option<&'static str>,
    /// OpenAI's `code`.
    code: Option<&'static str>,
}

impl Problem {
    /// What the script demands.
    pub(crate) fn scripted(status: u16, message: Option<&str>) -> Self {
        Self { status, message: message.map(str::to_owned), kind: None, code: None }
    }

    pub(crate) fn unknown_model(flavour: Flavour, model: &str) -> Self {
        match flavour {
            Flavour::OpenAi => Self {
                code: Some("model_not_found"),
                ..Self::new(
                    404,
                    format!("The model `{model}` does not exist or you do not have access to it."),
                )
            },
            Flavour::Anthropic => Self::new(404, format!("model: {model}")),
            Flavour::OpenRouter => Self::new(400, format!("{model} is not a valid model ID")),
        }
    }

    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: Some(message.into()), kind: None, code: None }
    }

    fn message(&self, facts: &Facts) -> String {
        self.message.clone().unwrap_or_else(|| match facts.flavour {
            Flavour::OpenAi => openai_message(self.status, &facts.model),
            Flavour::Anthropic => anthropic_message(self.status).into(),
            Flavour::OpenRouter => openrouter_message(self.status).into(),
        })
    }
}

/// Why the provider would not even look at the request.
pub(crate) fn refusal(facts: &Facts, script: &Script) -> Option<Problem> {
    if let Some(keys) = script.keys.get(&facts.flavour) {
        let accepted = usable_key(facts).is_some_and(|key| keys.contains(&key));
        if !accepted {
            return Some(unauthorised(facts));
        }
    }
    let wanted = if facts.surface == Surface::Models { Method::GET } else { Method::POST };
    if facts.surface == Surface::Other {
        let message = match facts.flavour {
            Flavour::OpenAi => format!("Invalid URL ({} {})", facts.method, facts.path),
            _ => "Not Found".into(),
        };
        return Some(Problem::new(404, message));
    }
    if facts.method != wanted {
        let (method, path) = (&facts.method, &facts.path);
        let message = format!(
            "Not allowed to {method} on {path}. (HINT: Perhaps you meant to make a {wanted} request?)"
        );
        return Some(Problem::new(405, message));
    }
    if facts.surface == Surface::Models {
        return None;
    }
    if !facts.json.as_ref().is_some_and(Value::is_object) {
        let message = match facts.flavour {
            Flavour::OpenAi => "We could not parse the JSON body of your request.",
            Flavour::Anthropic => "The request body is not valid JSON.",
            Flavour::OpenRouter => "Input must have at least 1 token.",
        };
        return Some(Problem::new(400, message));
    }
    if script.strict { strict_refusal(facts, script) } else { None }
}

/// The error object.
pub(crate) fn body(facts: &Facts, problem: &Problem, ids: &mut Ids) -> Value {
    let message = problem.message(facts);
    let status = problem.status;
    if facts.flavour == Flavour::Anthropic || is_messages(facts) {
        let error = json!({"type": anthropic_type(status), "message": message});
        return json!({"type": "error", "error": error, "request_id": ids.word("req_", 24)});
    }
    if facts.flavour == Flavour::OpenRouter {
        let mut error = json!({"message": message, "code": status});
        if problem.message.is_none() && matches!(status, 429 | 502) {
            chat::set(&mut error, "metadata", metadata(status));
        }
        return json!({"error": error, "user_id": ids.word("user_", 27)});
    }
    let (kind, code) = openai_kind(status);
    let (kind, code) = (problem.kind.unwrap_or(kind), problem.code.or(code));
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// The events of an error in the middle of a stream.
pub(crate) fn event(facts: &Facts, problem: &Problem, draft: &mut Draft) -> Vec<Event> {
    let message = problem.message(facts);
    if is_messages(facts) {
        let error = json!({"type": anthropic_type(problem.status), "message": message});
        let event = json!({"type": "error", "error": error, "request_id": draft.request_id});
        return vec![Event::named(&event, false)];
    }
    if facts.surface == Surface::Responses {
        return vec![Event::named(&responses::failed(draft, "server_error", &message), false)];
    }
    if draft.is_openrouter() {
        let mut error = json!({"code": problem.status, "message": message});
        chat::set(&mut error, "metadata", metadata(problem.status));
        return vec![Event::data(&chat::openrouter_error(draft, &error), false)];
    }
    let error = json!({"message": message, "type": "server_error", "param": null, "code": null});
    vec![Event::data(&json!({"error": error}), false)]
}

/// What OpenRouter puts beside a finish reason `error`.
pub(crate) fn openrouter_failure() -> Value {
    json!({"code": 502, "message": "Provider returned error", "metadata": metadata(502)})
}

fn is_messages(facts: &Facts) -> bool {
    matches!(facts.surface, Surface::Messages | Surface::CountTokens)
}

/// The key, if it came in a header that this API reads.
fn usable_key(facts: &Facts) -> Option<String> {
    let has = |name: &str| facts.headers.contains_key(name);
    let reads_header = has("authorization") || (is_messages(facts) && has("x-api-key"));
    facts.key.clone().filter(|_| reads_header || has("api-key"))
}

fn unauthorised(facts: &Facts) -> Problem {
    let key = usable_key(facts);
    match (facts.flavour, key) {
        (Flavour::OpenAi, Some(key)) => {
            let message = format!(
                "Incorrect API key provided: {}. You can find your API key at \
                 https://platform.openai.com/account/api-keys.",
                masked(&key)
            );
            Problem { code: Some("invalid_api_key"), ..Problem::new(401, message) }
        }
        (Flavour::OpenAi, None) => Problem {
            kind: Some("invalid_request_error"),
            ..Problem::new(
                401,
                "You didn't provide an API key. You need to provide your API key in an Authorization header \
                 using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        },
        (Flavour::Anthropic, Some(_)) => Problem::new(401, "invalid x-api-key"),
        (Flavour::Anthropic, None) => Problem::new(401, "x-api-key header is required"),
        (Flavour::OpenRouter, Some(_)) => Problem::new(401, "User not found."),
        (Flavour::OpenRouter, None) => Problem::new(401, "No cookie auth credentials found"),
    }
}

/// As OpenAI shows keys: eight characters at the front, four at the end.
fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    if letters.len() <= 16 {
        return "*".repeat(letters.len());
    }
    let front: String = letters.iter().take(8).collect();
    let end: String = letters.iter().skip(letters.len() - 4).collect();
    format!("{front}{}{end}", "*".repeat(letters.len() - 12))
}

fn strict_refusal(facts: &Facts, script: &Script) -> Option<Problem> {
    if facts.flavour == Flavour::Anthropic && is_messages(facts) {
        if !facts.headers.contains_key("anthropic-version") {
            return Some(Problem::new(400, "anthropic-version: header is required"));
        }
        if facts.surface == Surface::Messages && facts.field("max_tokens").is_none() {
            return Some(Problem::new(400, "max_tokens: Field required"));
        }
    }
    let listed = script.models.get(&facts.flavour)?;
    (!listed.contains(&facts.model)).then(|| Problem::unknown_model(facts.flavour, &facts.model))
}

fn metadata(status: u16) -> Value {
    let raw = r#"{"error":{"message":"upstream is unwell"}}"#;
    if status == 429 {
        json!({
            "raw": "temporarily rate-limited upstream. Please retry shortly.",
            "provider_name": "Mock",
            "limit_source": "upstream_provider_shared_pool",
            "error_type": "rate_limit_exceeded",
        })
    } else {
        json!({"raw": raw, "provider_name": "Mock", "error_type": "provider_unavailable"})
    }
}

fn openai_kind(status: u16) -> (&'static str, Option<&'static str>) {
    match status {
        401 => ("invalid_request_error", None),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        404 => ("invalid_request_error", None),
        429 => ("requests", Some("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", None),
        _ => ("server_error", None),
    }
}

fn openai_message(status: u16, model: &str) -> String {
    match status {
        400 => "Invalid request.".into(),
        401 => "Incorrect API key provided.".into(),
        402 => "You exceeded your current quota, please check your plan and billing details.".into(),
        403 => "Country, region, or territory not supported".into(),
        404 => format!("The model `{model}` does not exist or you do not have access to it."),
        429 => {
            format!("Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3, Requested 1.")
        }
        503 => "The engine is currently overloaded, please try again later".into(),
        _ => "The server had an error while processing your request. Sorry about that!".into(),
    }
}

/// docs.anthropic.com/en/api/errors
fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_message(status: u16) -> &'static str {
    match status {
        400 => "Invalid request.",
        401 => "invalid x-api-key",
        402 => "Your credit balance is too low to access the Anthropic API.",
        403 => "Your API key does not have permission to use the specified resource.",
        404 => "Not found",
        413 => "Request exceeds the maximum size",
        429 => "This request would exceed your account's rate limit. Please try again later.",
        503 | 529 => "Overloaded",
        504 => "Request timed out",
        _ => "Internal server error",
    }
}

fn openrouter_message(status: u16) -> &'static str {
    match status {
        400 => "Input required: specify \"prompt\" or \"messages\"",
        401 => "User not found.",
        402 => "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        403 => "Input was flagged by moderation.",
        404 => "No endpoints found that support this request.",
        408 => "Request timed out.",
        429 | 502 => "Provider returned error",
        503 => "No instances available",
        529 => "Provider is overloaded",
        _ => "Internal Server Error",
    }
}
