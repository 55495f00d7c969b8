//! Answers the gateway makes itself, and the errors behind them.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tollgate_dialect::{Endpoint, Format, GatewayError, route};
use tollgate_expr::EvalError;

/// Header on every error the gateway makes; an upstream may not set it.
pub const ERROR_CODE_HEADER: HeaderName = HeaderName::from_static("ngrok-error-code");

/// The code for more requests, or more bytes of them, than the gateway takes on (`ERR_NGROK_27220`).
pub const OVERLOADED: u16 = 27220;

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those of the connection.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whether the rules of `on_http_response` run on it.
    pub response_phase: bool,
}

impl Answer {
    /// An answer without body or headers.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), response_phase: false }
    }

    /// A JSON answer.
    #[must_use]
    pub fn json(status: StatusCode, body: Bytes) -> Self {
        let mut answer = Self { body, ..Self::empty(status) };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }
}

/// A run-time error of a rule or action; ends the request with an error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number in `ERR_NGROK_<number>`.
    pub code: u16,
    /// The status of the answer.
    pub status: StatusCode,
    /// What went wrong, where; never a secret.
    pub message: String,
}

impl Fault {
    /// The policy could not be carried out: status 500.
    #[must_use]
    pub fn policy(code: u16, message: impl Into<String>) -> Self {
        Self { code, status: StatusCode::INTERNAL_SERVER_ERROR, message: message.into() }
    }

    /// A rule's expression failed (`ERR_NGROK_2254`).
    #[must_use]
    pub fn expression(rule: &str, error: &EvalError) -> Self {
        Self::policy(2254, format!("an expression of rule {rule} failed: {error}"))
    }

    /// An interpolated `${}` failed (`ERR_NGROK_2238`).
    #[must_use]
    pub fn interpolation(field: &str, error: &EvalError) -> Self {
        Self::policy(2238, format!("the value of {field} could not be computed: {error}"))
    }

    /// The answer for a client of this path: in its dialect on AI paths, plain JSON elsewhere.
    #[must_use]
    pub fn answer(&self, path: &str, request_id: &str) -> Answer {
        let body = match format_of(path) {
            Some(format) => GatewayError {
                code: self.code,
                status: self.status,
                message: self.message.clone(),
                request_id: request_id.to_owned(),
                ..GatewayError::default()
            }
            .render(format),
            None => Bytes::from(
                json!({"error": {"code": format!("ERR_NGROK_{}", self.code), "message": self.message}})
                    .to_string(),
            ),
        };
        let mut answer = Answer::json(self.status, body);
        answer.headers.insert(ERROR_CODE_HEADER, error_code(self.code));
        if self.code == OVERLOADED {
            answer.headers.insert(RETRY_AFTER, HeaderValue::from(1));
        }
        answer
    }
}

/// `ERR_NGROK_<code>` as a header value.
#[must_use]
pub fn error_code(code: u16) -> HeaderValue {
    HeaderValue::try_from(format!("ERR_NGROK_{code}")).unwrap_or(HeaderValue::from_static("ERR_NGROK"))
}

/// The dialect in which a client of this path expects errors.
#[must_use]
pub fn format_of(path: &str) -> Option<Format> {
    match route(path) {
        Endpoint::Ai(surface) => Some(surface.format()),
        Endpoint::Generate { .. } => Some(Format::Gemini),
        Endpoint::ListModels | Endpoint::GetModel(_) => Some(Format::OpenAi),
        Endpoint::Other => None,
    }
}
