//! Reading the errors of providers, whatever their shape.

use crate::limits::LONGEST_WAIT;
use crate::loose::{Label, List, Number, Obj, Text};
use regex::Regex;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

/// Longest message kept, in bytes.
const MESSAGE_LIMIT: usize = 1024;
/// Longest part kept of a text that is no JSON, in bytes.
const TEXT_LIMIT: usize = 300;
/// How deep errors inside errors are followed.
const DEPTH_LIMIT: u8 = 6;

/// What a provider said went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// For people: at most 1 KiB, keys blotted out.
    pub message: String,
    /// The provider's code; numbers as text.
    pub code: Option<String>,
    /// The provider's type of error, such as `rate_limit_error`.
    pub kind: Option<String>,
    /// The HTTP status it states or its type stands for; tells what kind of failure an error in a stream is.
    pub status: Option<u16>,
    /// What the failure holds for, beyond this one request.
    pub scope: Scope,
    /// How long it says to wait; at most [`crate::limits::LONGEST_WAIT`]. For errors in the place of an answer, which
    /// have no headers of their own.
    pub retry_after: Option<Duration>,
}

/// What a failure says beyond the request that met it. Only OpenRouter tells these kinds of 402 and 429 apart
/// (`error.metadata.limit_source`, "Errors and debugging" and "Limits" in its documentation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing, or not known.
    #[default]
    Request,
    /// The model at this provider is limited for now; its other models are not.
    Model,
    /// Every free model of the account is used up, for the minute or until the next day.
    FreeModels,
    /// The account or the key has no money left: no model will be served with it.
    Account,
    /// Too much is under way at once: the same request will do after a moment.
    InFlight,
}

impl UpstreamError {
    /// An error of which only a text is known.
    #[must_use]
    pub fn from_message(message: &str) -> Self {
        Self { message: tidy(message, MESSAGE_LIMIT), ..Self::default() }
    }

    /// Reads the value of an `error` member.
    pub(crate) fn from_value(value: &RawValue) -> Self {
        read(value.get(), DEPTH_LIMIT)
    }
}

/// Reads the body of an error answer: OpenAI, Anthropic, Google, OpenRouter, Ollama and FastAPI shapes, bare
/// text, HTML.
#[must_use]
pub fn inspect_error(body: &[u8]) -> UpstreamError {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return UpstreamError::from_message("the answer has no body");
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return read(text, DEPTH_LIMIT);
    }
    UpstreamError::from_message(&if text.starts_with('<') { describe_html(text) } else { shorten(text) })
}

/// Blots out what looks like a key, for texts that providers wrote.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    static KEYS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"\b(sk-(?:ant-|or-|proj-)?|gsk_|xai-|AIza|ng-[[:alnum:]]+-g1-|(?i:bearer) )[[:alnum:]_.-]{8,}",
        )
        .ok()
    });
    match KEYS.as_ref() {
        Some(keys) => keys.replace_all(text, "$1***"),
        None => Cow::Borrowed(""),
    }
}

/// Whether the value of an `error` member says that there is one.
pub(crate) fn is_error(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| !matches!(value.get(), "null" | "false" | "0" | "\"\"" | "{}" | "[]"))
}

/// Every member that is read of an error object or of the body around it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorObject<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    msg: Text<'a>,
    code: Label,
    r#type: Label,
    name: Label,
    status: Label,
    error_type: Label,
    #[serde(borrow)]
    metadata: Obj<Metadata<'a>>,
    availability: Obj<Availability>,
    #[serde(borrow)]
    response: Obj<Around<'a>>,
}

/// What OpenRouter adds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    raw: Option<&'a RawValue>,
    #[serde(borrow)]
    provider_name: Text<'a>,
    error_type: Label,
    limit_source: Label,
    reason: Label,
    retry_after_seconds: Number,
}

/// OpenRouter's account of what could be had instead.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Availability {
    retry_after: Number,
}

impl Metadata<'_> {
    fn scope(&self) -> Scope {
        if self.reason.0.as_deref() == Some("weight_exceeds_budget") {
            return Scope::Request;
        }
        match self.limit_source.0.as_deref().unwrap_or_default() {
            "openrouter_free_tier_daily" | "openrouter_free_tier_minute" => Scope::FreeModels,
            "openrouter_credits" | "openrouter_key_limit" => Scope::Account,
            "openrouter_in_flight_budget" => Scope::InFlight,
            "upstream_provider_shared_pool" => Scope::Model,
            _ => Scope::Request,
        }
    }
}

/// Messages of OpenRouter that name a cap on free models, by the minute or by the day, where the metadata do not.
fn scope_of_message(message: &str) -> Scope {
    if message.contains("free-models-per-") { Scope::FreeModels } else { Scope::Request }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Around<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn read(json: &str, depth: u8) -> UpstreamError {
    let Some(depth) = depth.checked_sub(1) else { return UpstreamError::from_message(json) };
    match json.trim_start().as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<ErrorObject<'_>>(json) {
            Ok(object) => read_object(&object, depth),
            Err(_) => UpstreamError::from_message(json),
        },
        // Google wraps its errors in a list.
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(json).as_deref() {
            Ok([first, ..]) => read(first.get(), depth),
            _ => UpstreamError::from_message("an empty list"),
        },
        Some(b'"') => {
            let text: String = serde_json::from_str(json).unwrap_or_default();
            match text.trim_start().starts_with(['{', '['])
                && serde_json::from_str::<&RawValue>(&text).is_ok()
            {
                true => read(&text, depth),
                false => UpstreamError::from_message(&text),
            }
        }
        _ => UpstreamError::from_message(json),
    }
}

fn read_object(object: &ErrorObject<'_>, depth: u8) -> UpstreamError {
    let around = object.response.0.as_ref().and_then(|response| is_error(response.error));
    if let Some(inner) = is_error(object.error).or(around) {
        let mut error = read(inner.get(), depth);
        // Responses put their type beside the error, some Ollama versions a code.
        error.code = error.code.or_else(|| object.code.0.clone());
        error.kind = error.kind.or_else(|| object.error_type.0.clone());
        error.status = error.status.or_else(|| status_of(error.code.as_deref(), error.kind.as_deref(), None));
        return error;
    }
    let metadata = object.metadata.0.as_ref();
    let beside = metadata.and_then(|metadata| metadata.error_type.0.clone());
    let kind = [&object.r#type, &object.error_type, &object.name]
        .into_iter()
        .filter_map(|label| label.0.clone())
        .find(|kind| kind != "error")
        .or(beside)
        .or_else(|| object.status.0.clone().filter(|status| status.parse::<u16>().is_err()));
    let code = object.code.0.clone();
    let status = status_of(code.as_deref(), kind.as_deref(), object.status.0.as_deref());
    let mut message = message_of(object, depth);
    if let Some(metadata) = metadata {
        add_details(&mut message, metadata, depth);
    }
    if message.is_empty() {
        message = kind.as_deref().or(code.as_deref()).unwrap_or("no message").to_owned();
    }
    let scope = match metadata.map(Metadata::scope).unwrap_or_default() {
        Scope::Request => scope_of_message(&message),
        scope => scope,
    };
    let named = metadata.and_then(|metadata| metadata.retry_after_seconds.0);
    let retry_after = named.or_else(|| object.availability.0.as_ref()?.retry_after.0);
    let retry_after = retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    UpstreamError {
        message: tidy(&message, MESSAGE_LIMIT),
        code,
        kind,
        status,
        scope,
        retry_after: retry_after.map(|wait| wait.min(LONGEST_WAIT)),
    }
}

fn message_of(object: &ErrorObject<'_>, depth: u8) -> String {
    let value = object.message.or(object.detail).filter(|value| value.get() != "null");
    match (value, object.msg.get()) {
        (Some(value), _) if object.name.0.as_deref() == Some("ZodError") => {
            zod_issues(value.get()).unwrap_or_else(|| read(value.get(), depth).message)
        }
        (Some(value), _) => read(value.get(), depth).message,
        (None, text) => text.unwrap_or_default().to_owned(),
    }
}

/// Zod's message is a JSON list of issues inside a string.
fn zod_issues(json: &str) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Issue {
        path: Vec<serde_json::Value>,
        message: String,
    }
    let text: String = serde_json::from_str(json).ok()?;
    let issues: List<Issue> = serde_json::from_str(&text).ok()?;
    let line = |issue: &Issue| {
        let path: Vec<String> = issue.path.iter().map(|part| part.to_string().replace('"', "")).collect();
        if path.is_empty() { issue.message.clone() } else { format!("{}: {}", path.join("."), issue.message) }
    };
    Some(issues.0.iter().map(line).collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
}

/// Adds what the provider behind OpenRouter said.
fn add_details(message: &mut String, metadata: &Metadata<'_>, depth: u8) {
    let raw = metadata
        .raw
        .filter(|raw| !matches!(raw.get(), "null" | "\"\""))
        .map(|raw| read(raw.get(), depth).message);
    let parts = [metadata.provider_name.get().map(str::to_owned), raw];
    for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
        if !message.contains(&part) {
            message.push_str(if message.is_empty() { "" } else { ": " });
            message.push_str(&part);
        }
    }
}

/// The status an error states: as a number, else by the name of its type or code.
fn status_of(code: Option<&str>, kind: Option<&str>, status: Option<&str>) -> Option<u16> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|status| (400..=599).contains(status));
    [code, status].into_iter().flatten().find_map(number).or_else(|| {
        // The code is the more exact of the two: `insufficient_quota` comes with many types.
        [code, kind, status].into_iter().flatten().find_map(named_status)
    })
}

/// Types and codes of OpenAI, Anthropic, Google and OpenRouter, and the status each is otherwise sent with.
fn named_status(name: &str) -> Option<u16> {
    let status = match name.to_ascii_lowercase().as_str() {
        "invalid_request_error"
        | "invalid_request"
        | "invalid_prompt"
        | "invalid_argument"
        | "zoderror"
        | "context_length_exceeded"
        | "failed_precondition" => 400,
        "authentication_error" | "authentication" | "invalid_api_key" | "unauthenticated" => 401,
        "billing_error" | "payment_required" => 402,
        "permission_error" | "permission_denied" => 403,
        "not_found_error" | "not_found" | "model_not_found" => 404,
        "request_too_large" | "payload_too_large" => 413,
        "unprocessable" => 422,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "resource_exhausted"
        | "tokens"
        | "requests" => 429,
        "api_error" | "server_error" | "internal_server_error" | "server" | "internal" => 500,
        "provider_unavailable" | "unavailable" | "service_unavailable" => 503,
        "timeout_error" | "timeout" | "deadline_exceeded" => 504,
        "overloaded_error" | "provider_overloaded" | "overloaded" => 529,
        _ => return None,
    };
    Some(status)
}

fn describe_html(html: &str) -> String {
    let head: String = html.chars().take(8 * 1024).collect();
    let lower = head.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let start = at + lower.get(at..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        head.get(start..end)
    });
    match title.map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => format!("an HTML page: {}", shorten(title)),
        None => "an HTML page".to_owned(),
    }
}

fn shorten(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().take(100).collect();
    tidy(&words.join(" "), TEXT_LIMIT)
}

/// Without keys and control characters, and not too long.
fn tidy(text: &str, limit: usize) -> String {
    // Cut before redacting, so that a huge text costs nothing; a key cut in half is still blotted out.
    let head = text.get(..text.floor_char_boundary(limit * 2)).unwrap_or_default();
    let mut tidy: String =
        redact(head.trim()).chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    tidy.truncate(tidy.floor_char_boundary(limit));
    tidy
}

#[cfg(test)]
mod tests;
