//! Errors of the gateway: what is said to the client, and what `on_error: continue` does with them.

use super::report::Report;
use super::{Gateway, OnError, RESULT};
use crate::action::body_fault;
use crate::action::{Flow, RequestCx};
use crate::answer::Fault;
use crate::answer::{Answer, ERROR_CODE_HEADER, Fault as PolicyFault, OVERLOADED, error_code};
use crate::client::{BodyError, STOPPING};
use crate::exchange::{Ending, Exchange};
use http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use std::borrow::Cow;
use std::time::Duration;
use tollgate_dialect::{AttemptLine, Format, GatewayError, PeekError, Surface};
use tollgate_select::{SelectError, Verdict};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request is not answered by a provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) kind: Option<&'static str>,
    pub(crate) param: Option<Cow<'static, str>>,
    pub(crate) attempts: Vec<AttemptLine>,
    pub(crate) retry_after: Option<Duration>,
    /// `x-should-retry`
    pub(crate) should_retry: Option<bool>,
    /// `allow`
    pub(crate) allow: Option<HeaderValue>,
    /// The provider's own answer, sent instead of ours.
    pub(crate) passed: Option<Answer>,
}

impl Failure {
    pub(crate) fn new(code: u16, status: StatusCode, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), ..Self::default() }
    }

    pub(crate) fn invalid_body(error: &PeekError) -> Self {
        Self::new(3801, StatusCode::BAD_REQUEST, format!("Invalid request body: {error}"))
    }

    pub(crate) fn body(error: &BodyError) -> Self {
        let Fault { code, status, message } = body_fault(error);
        let retry_after = (code == OVERLOADED).then_some(Duration::from_secs(1));
        Self { retry_after, ..Self::new(code, status, message) }
    }

    /// The gateway cannot wait for a provider any more.
    pub(crate) fn stopping() -> Self {
        Self::new(27220, StatusCode::SERVICE_UNAVAILABLE, STOPPING)
    }

    pub(crate) fn unsupported_path(path: &str) -> Self {
        let served = |surface: &&Surface| **surface != Surface::Converse;
        let version = |surface: &Surface| if surface.format() == Format::Gemini { "/v1beta" } else { "/v1" };
        let paths = Surface::ALL.iter().filter(served).map(|s| format!("{}{}", version(s), s.path()));
        let paths: Vec<String> = paths.collect();
        let message =
            format!("Unsupported path: {path}; the AI gateway serves {}, /v1/models", paths.join(", "));
        Self::new(27204, StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn method(method: &Method, allowed: &[Method]) -> Self {
        let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let allow = allowed.join(", ");
        let message = format!("Method {method} is not allowed here; use {allow}");
        let allow = HeaderValue::try_from(allow).ok();
        Self { allow, ..Self::new(27228, StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    pub(crate) fn loop_detected() -> Self {
        let message = "Routing loop detected: this request has passed this gateway before. \
                       Check the base_url of your providers";
        Self::new(27237, StatusCode::LOOP_DETECTED, message)
    }

    pub(crate) fn selection(error: &SelectError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let names = error.code() == 3804;
        Self {
            kind: Some(error.kind()),
            param: names.then_some("model".into()),
            ..Self::new(error.code(), status, error.message())
        }
    }

    pub(crate) fn verdict(verdict: &Verdict, attempts: Vec<AttemptLine>) -> Self {
        let status = StatusCode::from_u16(verdict.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self {
            kind: Some(verdict.kind),
            param: verdict.param.clone().map(Cow::Owned),
            attempts,
            retry_after: verdict.retry_after_s.map(Duration::from_secs),
            should_retry: verdict.should_retry,
            ..Self::new(verdict.code, status, verdict.message.clone())
        }
    }

    pub(crate) fn policy(fault: &PolicyFault) -> Self {
        Self::new(fault.code, fault.status, fault.message.clone())
    }

    fn answer(&self, format: Format, request_id: &str) -> Answer {
        if let Some(passed) = &self.passed {
            return passed.clone();
        }
        let error = GatewayError {
            code: self.code,
            status: self.status,
            message: self.message.clone(),
            kind: self.kind,
            param: self.param.clone(),
            request_id: request_id.to_owned(),
            attempts: self.attempts.clone(),
            retry_after: self.retry_after,
        };
        let mut answer = Answer::json(self.status, error.render(format));
        self.add_headers(&mut answer.headers);
        answer
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        headers.insert(ERROR_CODE_HEADER, error_code(self.code));
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if let Some(retry) = self.should_retry {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static(if retry { "true" } else { "false" }));
        }
        if let Some(allow) = &self.allow {
            headers.insert(ALLOW, allow.clone());
        }
    }
}

impl Gateway {
    /// Ends a request with an error, or hands it to the next action.
    pub(super) async fn fail(
        &self,
        cx: &mut RequestCx<'_>,
        surface: Option<Surface>,
        failure: Failure,
    ) -> Result<Flow, PolicyFault> {
        let failed = cx.exchange.record.attempts > 0 && failure.status.is_server_error();
        match self.knobs.on_error {
            OnError::Continue if failed => cx.exchange.watches.failed(),
            OnError::Halt if failed => cx.exchange.watches.gave_up(),
            _ => {}
        }
        let format = surface.map_or(Format::OpenAi, Surface::format);
        set_error(cx.exchange, format, &failure);
        if self.knobs.on_error == OnError::Continue {
            cx.exchange.record.error_code = None;
            return Ok(Flow::Continue);
        }
        Ok(self.refuse(cx, surface, failure))
    }

    /// Ends a request with an error, whatever `on_error` says.
    pub(super) fn refuse(&self, cx: &mut RequestCx<'_>, surface: Option<Surface>, failure: Failure) -> Flow {
        cx.exchange.record.outcome = Ending::Refused;
        if failure.passed.is_none() {
            cx.exchange.record.error_code = Some(failure.code);
        }
        let format = surface.map_or(Format::OpenAi, Surface::format);
        Flow::Respond(failure.answer(format, &cx.exchange.request.id))
    }
}

/// `actions.ngrok.ai_gateway.status` and `.error`, beside what an attempt has recorded already.
fn set_error(exchange: &mut Exchange, format: Format, failure: &Failure) {
    if !exchange.wants_results {
        return;
    }
    let known = exchange.results.get(RESULT).cloned().unwrap_or_else(|| {
        let key = super::keys::client_key(&exchange.request, format);
        Report::unread(exchange, key.as_ref()).value()
    });
    exchange.set_result(RESULT, || super::report::with_error(&known, failure.code, &failure.message));
}
