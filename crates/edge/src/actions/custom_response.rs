//! `custom-response`: answers the client itself.

use super::header_names::{HeaderTemplate, check, templates};
use crate::action::{Action, ActionType, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::answer::{Answer, Fault};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tollgate_expr::{Activation, Template};
use tollgate_policy::{ActionSpec, Field, Phase, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let status = config.get("status_code").and_then(|c| c.as_u64()).and_then(|n| u16::try_from(n).ok());
        let status = status.and_then(|n| StatusCode::from_u16(n).ok()).unwrap_or(StatusCode::OK);
        let body = config.get("body").and_then(|c| c.template()).unwrap_or_else(|| Template::literal(""));
        Ok(Box::new(CustomResponse { status, body, headers: templates(config.get("headers"))? }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "custom-response",
    result_name: "custom_response",
    summary: "Answers the client itself; nothing is sent upstream. In the response phase it replaces the response.",
    phases: &[Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Always,
    results: &[],
    differences: &[
        "`status_code` is from 200 to 599: a 1xx is no answer.",
        "How the type of a body is guessed is not documented by ngrok. Here: JSON, HTML, XML, else plain text.",
    ],
    fields: &[
        Field::optional("status_code", Shape::StatusCode { min: 200, max: 599 }, "The status of the answer.")
            .or("200"),
        Field::optional(
            "body",
            Shape::Template,
            "The body. Its type is taken from `headers`, or guessed: JSON, HTML, XML or plain text.",
        )
        .or(""),
        Field::optional("headers", Shape::HEADERS, "Headers of the answer, at most ten."),
    ],
    check: Some(|config, checker| {
        let names = config.get("headers").map(|h| h.entries()).unwrap_or_default();
        check(&names, &[], checker);
        let status = config.get("status_code").and_then(|c| c.as_u64()).unwrap_or(200);
        if let Some(body) = config.get("body").filter(|b| b.as_str() != Some(""))
            && matches!(status, 204 | 205 | 304)
        {
            let message = format!("an answer with status {status} has no body");
            checker.error(
                body,
                "ERR_NGROK_3604",
                message,
                Some("leave `body` out, or use another status".into()),
            );
        }
    }),
    example: "- type: custom-response\n  config:\n    status_code: 401\n    body: '{\"error\": {\"message\": \"no valid token\"}}'\n",
};

struct CustomResponse {
    status: StatusCode,
    body: Template,
    headers: Vec<HeaderTemplate>,
}

impl CustomResponse {
    fn answer(&self, activation: &Activation<'_>) -> Result<Answer, Fault> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 1);
        for header in &self.headers {
            headers.append(header.name.clone(), header.render(activation)?);
        }
        let body = self.body.render(activation).map_err(|e| Fault::interpolation("body", &e))?;
        if !headers.contains_key(CONTENT_TYPE)
            && let Some(guess) = content_type(&body)
        {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(guess));
        }
        let body = Bytes::from(body.into_owned());
        Ok(Answer { status: self.status, headers, body, response_phase: true })
    }
}

/// The type of a body nobody declared; nothing for an empty one.
fn content_type(body: &str) -> Option<&'static str> {
    let start = body.trim_start();
    let begins = |prefix: &str| start.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix));
    if start.is_empty() {
        None
    } else if start.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(start).is_ok() {
        Some("application/json")
    } else if begins("<!doctype html") || begins("<html") {
        Some("text/html; charset=utf-8")
    } else if begins("<?xml") {
        Some("application/xml")
    } else {
        Some("text/plain; charset=utf-8")
    }
}

#[async_trait]
impl Action for CustomResponse {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Respond(self.answer(&cx.exchange.activation())?))
    }

    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        Ok(ResponseFlow::Replace(self.answer(&cx.exchange.activation_with(cx.response))?))
    }
}

#[cfg(test)]
mod tests {
    use super::content_type;
    use crate::testing::{loads, run_request};

    #[test]
    fn the_type_of_a_body_is_guessed() {
        let rows = [
            ("", None),
            (r#" {"a": 1}"#, Some("application/json")),
            ("{not json", Some("text/plain; charset=utf-8")),
            ("<!DOCTYPE HTML><p>", Some("text/html; charset=utf-8")),
            ("<?xml version=\"1.0\"?>", Some("application/xml")),
            ("hello", Some("text/plain; charset=utf-8")),
        ];
        for (body, expected) in rows {
            assert_eq!(content_type(body), expected, "{body}");
        }
    }

    #[tokio::test]
    async fn a_documented_token_guard_fails_closed_without_the_header() {
        let policy = "on_http_request:\n  - expressions: [\"req.headers['authorization'][0] != 'Bearer letmein'\"]\n    \
                      actions:\n      - type: custom-response\n        config: {status_code: 401, body: 'no'}\n  \
                      - type: custom-response\n    config: {body: 'in'}\n";
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", 401),
            ("GET / HTTP/1.1\r\nAuthorization: Bearer other\r\n\r\n", 401),
            ("GET / HTTP/1.1\r\nAuthorization: Bearer letmein\r\n\r\n", 200),
        ] {
            assert_eq!(run_request(policy, head).await.status(), Some(expected), "{head}");
        }
    }

    #[test]
    fn a_body_where_none_may_be_is_refused_at_load() {
        let policy = "on_http_request:\n  - type: custom-response\n    config: {status_code: 204, body: x}\n";
        assert!(loads(policy).unwrap_err().contains("ERR_NGROK_3604"));
    }
}
