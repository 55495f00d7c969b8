//! Errors in each provider's own shape and, where they are known, words.

use super::draft::Draft;
use super::{Event, chat, converse, gemini, openrouter, responses};
use crate::ids::Ids;
use crate::request::Facts;
use crate::script::{Flavour, Surface};
use serde_json::{Value, json};

/// What is wrong with a request, or with the provider.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) message: Option<String>,
    /// OpenAI's `type`.
    kind: Option<&'static str>,
    /// OpenAI's `code`, AWS's exception.
    code: Option<&'static str>,
    /// OpenAI's `param`.
    param: Option<String>,
    /// Google's reason.
    reason: Option<&'static str>,
    /// What OpenRouter says beside the text.
    more: Option<Box<openrouter::Kind>>,
}

impl Problem {
    /// What the script demands.
    pub(crate) fn scripted(status: u16, message: Option<&str>) -> Self {
        Self { message: message.map(str::to_owned), ..Self::bare(status) }
    }

    /// One of OpenRouter's errors that share a status.
    pub(crate) fn of_kind(name: &str) -> Option<Self> {
        let kind = openrouter::kind(name)?;
        let problem = Self::new(kind.status, kind.message);
        Some(Self { more: Some(Box::new(kind)), ..problem })
    }

    pub(crate) fn unknown_model(flavour: Flavour, model: &str) -> Self {
        match flavour {
            Flavour::OpenAi => Self::new(
                404,
                format!("The model `{model}` does not exist or you do not have access to it."),
            )
            .code("model_not_found"),
            Flavour::Anthropic => Self::new(404, format!("model: {model}")),
            Flavour::OpenRouter => Self::new(400, format!("{model} is not a valid model ID")),
            Flavour::Google | Flavour::Vertex => Self::new(
                404,
                format!(
                    "models/{model} is not found for API version v1beta, or is not supported for generateContent. \
                     Call ListModels to see the list of available models and their supported methods."
                ),
            ),
            Flavour::Bedrock => Self::new(400, "The provided model identifier is invalid."),
            Flavour::Azure => Self::new(
                404,
                "The API deployment for this resource does not exist. If you created the deployment within the last \
                 5 minutes, please wait a moment and try again.",
            )
            .code("DeploymentNotFound"),
        }
    }

    /// With a text of its own.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::bare(status) }
    }

    /// A bad request.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    pub(crate) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub(crate) fn reason(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Headers that come with it.
    pub(crate) fn headers(&self) -> &[(&'static str, String)] {
        self.more.as_ref().map_or(&[], |more| &more.headers)
    }

    fn bare(status: u16) -> Self {
        Self { status, message: None, kind: None, code: None, param: None, reason: None, more: None }
    }

    fn message(&self, facts: &Facts) -> String {
        self.message.clone().unwrap_or_else(|| match facts.flavour {
            Flavour::OpenAi | Flavour::Azure => openai_message(self.status, &facts.model),
            Flavour::Anthropic => anthropic_message(self.status).into(),
            Flavour::OpenRouter => openrouter_message(self.status).into(),
            Flavour::Google | Flavour::Vertex => google_message(self.status).into(),
            Flavour::Bedrock => bedrock_message(self.status).into(),
        })
    }
}

/// The error object.
pub(crate) fn body(facts: &Facts, problem: &Problem, ids: &mut Ids) -> Value {
    let message = problem.message(facts);
    let status = problem.status;
    if facts.flavour == Flavour::Anthropic || facts.speaks_messages() {
        let error = json!({"type": anthropic_type(status), "message": message});
        return json!({"type": "error", "error": error, "request_id": ids.word("req_", 24)});
    }
    match facts.flavour {
        Flavour::OpenRouter => {
            let mut error = json!({"message": message, "code": status});
            if let Some(more) = &problem.more {
                chat::set(&mut error, "metadata", more.metadata.clone());
            } else if problem.message.is_none() && matches!(status, 429 | 502) {
                chat::set(&mut error, "metadata", metadata(status));
            }
            return json!({"error": error, "user_id": ids.word("user_", 27)});
        }
        Flavour::Google | Flavour::Vertex => return gemini::error(facts, status, &message, problem.reason),
        Flavour::Bedrock => return json!({"message": message}),
        Flavour::Azure if matches!(status, 401 | 404) => {
            let code = problem.code.map_or_else(|| status.to_string(), str::to_owned);
            return json!({"error": {"code": code, "message": message}});
        }
        _ => {}
    }
    let (kind, code) = openai_kind(status);
    let (kind, code) = (problem.kind.unwrap_or(kind), problem.code.or(code));
    json!({"error": {"message": message, "type": kind, "param": problem.param, "code": code}})
}

/// The name of the error in AWS's header.
pub(crate) fn aws_type(problem: &Problem) -> &'static str {
    problem.code.unwrap_or_else(|| converse::error_type(problem.status))
}

/// The events of an error in the middle of a stream.
pub(crate) fn event(facts: &Facts, problem: &Problem, draft: &mut Draft) -> Vec<Event> {
    let message = problem.message(facts);
    if facts.speaks_messages() {
        let error = json!({"type": anthropic_type(problem.status), "message": message});
        let event = json!({"type": "error", "error": error, "request_id": draft.request_id});
        return vec![Event::named(&event, false)];
    }
    match facts.surface {
        Surface::Responses => {
            return vec![Event::named(&responses::failed(draft, "server_error", &message), false)];
        }
        Surface::GenerateContent => {
            let error = gemini::error(facts, problem.status, &message, None);
            return vec![Event::crlf(&error, false)];
        }
        Surface::Converse => return vec![converse::exception(problem.status, &message)],
        _ => {}
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

fn google_message(status: u16) -> &'static str {
    match status {
        400 => "Request contains an invalid argument.",
        401 => {
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
        }
        403 => "Permission denied on resource project.",
        404 => "Requested entity was not found.",
        429 => {
            "You exceeded your current quota, please check your plan and billing details. For more information on this \
             error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. Please retry in 7s."
        }
        503 => "The model is overloaded. Please try again later.",
        504 => "The request timed out. Please try again.",
        _ => {
            "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
        }
    }
}

fn bedrock_message(status: u16) -> &'static str {
    match status {
        400 => "The input is not valid.",
        403 => "You don't have access to the model with the specified model ID.",
        404 => "The specified resource ARN was not found.",
        429 => "Too many requests, please wait before trying again.",
        503 => "Bedrock is unable to process your request.",
        _ => "The system encountered an unexpected error during processing. Try your request again.",
    }
}
