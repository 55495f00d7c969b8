//! Errors the gateway makes itself, in the dialect of the client.

use crate::{Format, Surface, UpstreamError};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Longest reason shown of one attempt, in bytes.
const REASON_LIMIT: usize = 1024;

/// One failed attempt, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptLine {
    /// The status the provider answered with, if it answered.
    pub status: Option<u16>,
    /// Provider and model, such as `openai/gpt-4o`.
    pub target: String,
    /// What went wrong.
    pub reason: String,
}

impl AttemptLine {
    fn short_reason(&self) -> &str {
        self.reason.get(..self.reason.floor_char_boundary(REASON_LIMIT)).unwrap_or_default()
    }
}

impl fmt::Display for AttemptLine {
    /// `[429] openai/gpt-4o: 429 Too Many Requests`; without a status `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}: {}", self.status.unwrap_or(0), self.target, self.short_reason())
    }
}

/// An error of the gateway, before it is written down for a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayError {
    /// The number in `ERR_NGROK_<number>`.
    pub code: u16,
    /// The status of the answer.
    pub status: StatusCode,
    /// What went wrong, without the code. Lines of `attempts` it does not have are added below it.
    pub message: String,
    /// Overrides the `type` that follows from the status, for clients of OpenAI's format: `model_not_found`,
    /// `model_not_allowed`, `provider_not_allowed`.
    pub kind: Option<&'static str>,
    /// The request field to blame.
    pub param: Option<Cow<'static, str>>,
    /// Names the request in logs; left out when empty.
    pub request_id: String,
    /// What was tried.
    pub attempts: Vec<AttemptLine>,
    /// How long the client should wait.
    pub retry_after: Option<Duration>,
}

impl GatewayError {
    /// The body of the answer.
    #[must_use]
    pub fn render(&self, format: Format) -> Bytes {
        let body = match format {
            Format::OpenAi => json!({"error": self.openai_object()}),
            Format::Anthropic => self.anthropic_body(),
            Format::Gemini => json!({"error": self.gemini_object()}),
            Format::Bedrock => json!({"message": self.text()}),
        };
        Bytes::from(body.to_string())
    }

    /// `ERR_NGROK_<number>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("ERR_NGROK_{}", self.code)
    }

    /// The whole message: code, text, and a line for each attempt.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}", self.name(), self.message);
        for line in self.attempts.iter().map(ToString::to_string).filter(|line| !self.message.contains(line))
        {
            text.push('\n');
            text.push_str(&line);
        }
        text
    }

    /// The headers of the answer: its type, the code, how long to wait, and whether SDKs should try again. They should
    /// not after all providers were tried, as that would triple the attempts.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(name) = HeaderValue::try_from(self.name()) {
            headers.insert(HeaderName::from_static("ngrok-error-code"), name);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.code, 3807 | 3810 | 3812) {
            headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
        }
        headers
    }

    fn openai_object(&self) -> Value {
        let mut object = Map::new();
        object.insert("message".into(), self.text().into());
        object.insert("type".into(), self.kind.unwrap_or_else(|| type_of(self.status)).into());
        object.insert("param".into(), self.param.as_deref().into());
        object.insert("code".into(), self.name().into());
        if !self.request_id.is_empty() {
            object.insert("request_id".into(), self.request_id.as_str().into());
        }
        if !self.attempts.is_empty() {
            let attempt = |line: &AttemptLine| json!({"status": line.status, "target": line.target, "reason": line.short_reason()});
            object.insert("attempts".into(), self.attempts.iter().map(attempt).collect());
        }
        Value::Object(object)
    }

    /// Google's form (AIP-193): the numeric status, its name, and our code as the reason of an `ErrorInfo`.
    fn gemini_object(&self) -> Value {
        let info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": self.name(), "domain": "tollgate",
            "metadata": {"request_id": self.request_id},
        });
        json!({
            "code": self.status.as_u16(), "message": self.text(), "status": google_status(self.status),
            "details": [info],
        })
    }

    fn anthropic_body(&self) -> Value {
        let mut body =
            json!({"type": "error", "error": {"type": type_of(self.status), "message": self.text()}});
        if let (Some(body), false) = (body.as_object_mut(), self.request_id.is_empty()) {
            body.insert("request_id".into(), self.request_id.as_str().into());
        }
        body
    }
}

/// A provider's own error for a client of another dialect: its message, type and code in the client's form, under the
/// provider's status.
#[must_use]
pub fn render_provider_error(
    format: Format,
    status: StatusCode,
    said: &UpstreamError,
    request_id: &str,
) -> Bytes {
    let kind = type_of(status);
    let body = match format {
        Format::OpenAi => json!({"error": {
            "message": said.message, "type": said.kind.as_deref().unwrap_or(kind), "param": null,
            "code": said.code, "request_id": request_id,
        }}),
        Format::Anthropic => json!({
            "type": "error", "error": {"type": kind, "message": said.message}, "request_id": request_id,
        }),
        Format::Gemini => json!({"error": {
            "code": status.as_u16(), "message": said.message, "status": google_status(status),
        }}),
        Format::Bedrock => json!({"message": said.message}),
    };
    Bytes::from(body.to_string())
}

/// Whether an error body is one that clients of this dialect cannot read, although it is JSON: OpenRouter's errors are
/// of OpenAI's shape on some of its paths for Anthropic's clients, and of its validator's on others.
#[must_use]
pub fn is_foreign_error(format: Format, body: &[u8]) -> bool {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return false };
    let Some(Value::Object(error)) = body.get("error") else { return false };
    match format {
        Format::OpenAi => error.get("name").is_some_and(|name| name == "ZodError"),
        Format::Anthropic => body.get("type").is_none_or(|kind| kind != "error"),
        Format::Gemini | Format::Bedrock => false,
    }
}

/// The frame that ends a stream which had already begun. No `[DONE]` follows it.
#[must_use]
pub fn render_stream_error(surface: Surface, error: &GatewayError) -> Bytes {
    let text = match surface {
        Surface::Messages | Surface::CountTokens => {
            format!("event: error\ndata: {}\n\n", error.anthropic_body())
        }
        Surface::Responses => {
            // OpenAI documents the members at the top, its SDKs look for the object.
            let data = json!({
                "type": "error", "code": error.name(), "message": error.text(), "param": error.param.as_deref(),
                "sequence_number": 0, "error": error.openai_object(),
            });
            format!("event: error\ndata: {data}\n\n")
        }
        Surface::ChatCompletions | Surface::Completions | Surface::Embeddings => {
            format!("data: {}\n\n", json!({"error": error.openai_object()}))
        }
        Surface::GenerateContent | Surface::Converse => {
            format!("data: {}\n\n", json!({"error": error.gemini_object()}))
        }
    };
    Bytes::from(text)
}

/// The `type` a status stands for, in both formats.
fn type_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}

/// The name of a status in Google's APIs (google.rpc.Code).
fn google_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        400..=499 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameKind, Splitter, StreamReader};

    fn unknown_model() -> GatewayError {
        GatewayError {
            code: 3804,
            status: StatusCode::UNPROCESSABLE_ENTITY,
            message: "No matching models found: gpt-4a (unknown model)".into(),
            kind: Some("model_not_found"),
            param: Some("model".into()),
            request_id: "req_1".into(),
            ..GatewayError::default()
        }
    }

    fn all_failed() -> GatewayError {
        GatewayError {
            code: 3807,
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "All providers failed:".into(),
            attempts: vec![
                AttemptLine {
                    status: Some(429),
                    target: "openai/gpt-4o".into(),
                    reason: "429 Too Many Requests".into(),
                },
                AttemptLine { status: None, target: "anthropic/claude".into(), reason: "timed out".into() },
            ],
            retry_after: Some(Duration::from_millis(1200)),
            ..GatewayError::default()
        }
    }

    #[test]
    fn bodies() {
        for (error, format, want) in [
            (
                unknown_model(),
                Format::OpenAi,
                r#"{"error":{"message":"ERR_NGROK_3804: No matching models found: gpt-4a (unknown model)","type":"model_not_found","param":"model","code":"ERR_NGROK_3804","request_id":"req_1"}}"#,
            ),
            (
                unknown_model(),
                Format::Anthropic,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"ERR_NGROK_3804: No matching models found: gpt-4a (unknown model)"},"request_id":"req_1"}"#,
            ),
            (
                all_failed(),
                Format::OpenAi,
                r#"{"error":{"message":"ERR_NGROK_3807: All providers failed:\n[429] openai/gpt-4o: 429 Too Many Requests\n[0] anthropic/claude: timed out","type":"overloaded_error","param":null,"code":"ERR_NGROK_3807","attempts":[{"status":429,"target":"openai/gpt-4o","reason":"429 Too Many Requests"},{"status":null,"target":"anthropic/claude","reason":"timed out"}]}}"#,
            ),
        ] {
            assert_eq!(error.render(format), want);
        }
    }

    #[test]
    fn lines_are_not_repeated() {
        let mut error = all_failed();
        error.message = format!("All providers failed: {}\n{}", error.attempts[0], error.attempts[1]);
        assert_eq!(error.text().matches("Too Many Requests").count(), 1);
    }

    #[test]
    fn answer_headers() {
        let headers = all_failed().headers();
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["ngrok-error-code"], "ERR_NGROK_3807");
        assert_eq!(headers["retry-after"], "2");
        assert_eq!(headers["x-should-retry"], "false");
        assert!(!unknown_model().headers().contains_key("x-should-retry"));
    }

    #[test]
    fn types() {
        for (status, want) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (413, "request_too_large"),
            (422, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
        ] {
            assert_eq!(type_of(StatusCode::from_u16(status).unwrap()), want);
        }
    }

    #[test]
    fn stream_errors_are_read_back_as_errors() {
        for surface in Surface::ALL {
            let bytes = render_stream_error(surface, &all_failed());
            let mut splitter = Splitter::new();
            splitter.feed(bytes.clone());
            let frame = splitter.next().unwrap();
            assert_eq!(frame.raw, bytes);
            assert_eq!(
                frame.event().is_some(),
                matches!(surface, Surface::Messages | Surface::CountTokens | Surface::Responses)
            );
            let FrameKind::Error(error) = StreamReader::new(surface).read(&frame) else {
                panic!("{surface:?}")
            };
            assert!(error.message.starts_with("ERR_NGROK_3807: All providers failed"), "{surface:?}");
        }
    }
}
