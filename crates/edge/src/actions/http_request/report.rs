//! What `http-request` leaves for expressions: its results, and what a `retry_condition` sees.

use super::attempt::{Attempt, Request};
use super::trouble::Trouble;
use http::HeaderMap;
use std::sync::Arc;
use tollgate_expr::{Map, RetryFacts, Value};

/// What stands in place of a value with a secret in it.
const HIDDEN: &str = "[redacted]";

/// What of a request may not be shown, because the policy computes it from secrets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hidden {
    pub(super) url: bool,
    pub(super) body: bool,
}

/// A map from names.
pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(Arc::new(entries.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()))
}

fn headers(headers: &HeaderMap) -> Value {
    let entry = |name: &http::HeaderName| {
        let lines = headers.get_all(name).iter().map(|value| {
            if value.is_sensitive() {
                Arc::from(HIDDEN)
            } else {
                Arc::from(String::from_utf8_lossy(value.as_bytes()))
            }
        });
        (Arc::from(name.as_str()), Value::Lines(lines.collect()))
    };
    Value::Map(Arc::new(headers.keys().map(entry).collect::<Map>()))
}

fn millis(attempt: &Attempt) -> Value {
    Value::text(attempt.took.as_millis().to_string())
}

fn address(attempt: &Attempt) -> Value {
    Value::text(attempt.address.map(|address| address.to_string()).unwrap_or_default())
}

fn status(attempt: &Attempt) -> Value {
    Value::Int(attempt.status.map_or(0, |status| i64::from(status.as_u16())))
}

fn request(request: &Request, hidden: Hidden) -> Value {
    let url = if hidden.url { HIDDEN } else { request.url.full.as_str() };
    let body = if hidden.body { HIDDEN.into() } else { String::from_utf8_lossy(&request.body) };
    let mut all = request.headers.clone();
    all.extend(request.own.clone());
    map([
        ("method", Value::text(request.method.as_str())),
        ("header", headers(&all)),
        ("url", Value::text(url)),
        ("body", Value::text(body)),
    ])
}

fn response(attempt: &Attempt) -> Value {
    map([
        ("resolved_ip", address(attempt)),
        ("header", headers(&attempt.headers)),
        ("status_code", status(attempt)),
        // The published example of a condition spells it so.
        ("statusCode", status(attempt)),
        ("time_ms", millis(attempt)),
        ("body", Value::text(String::from_utf8_lossy(&attempt.body))),
    ])
}

/// `attempts` and `last_attempt` of a `retry_condition`.
pub(super) fn for_condition(asked: &Request, hidden: Hidden, attempts: usize, last: &Attempt) -> RetryFacts {
    let error = last.trouble.as_ref().map(Trouble::message).unwrap_or_default();
    let last_attempt =
        map([("req", request(asked, hidden)), ("res", response(last)), ("error", Value::text(error))]);
    RetryFacts { attempts: u32::try_from(attempts).unwrap_or(u32::MAX), last_attempt }
}

/// `actions.ngrok.http_request`.
pub(super) fn result(
    asked: Option<(&Request, Hidden)>,
    attempts: &[Attempt],
    trouble: Option<&Trouble>,
) -> Value {
    let one = |attempt: &Attempt| {
        map([
            ("resolved_ip", address(attempt)),
            ("response_header", headers(&attempt.headers)),
            ("response_status_code", status(attempt)),
            ("response_time_ms", millis(attempt)),
        ])
    };
    let none = Attempt::default();
    map([
        (
            "error",
            map([
                ("code", Value::text(trouble.map(|t| format!("ERR_NGROK_{}", t.code())).unwrap_or_default())),
                ("message", Value::text(trouble.map(Trouble::message).unwrap_or_default())),
            ]),
        ),
        ("attempts", Value::List(attempts.iter().map(one).collect())),
        ("req", asked.map_or(Value::Null, |(asked, hidden)| request(asked, hidden))),
        ("res", response(attempts.last().unwrap_or(&none))),
    ])
}
