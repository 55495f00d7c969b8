//! Answers to providers that want to know whether a URL is ours before they send webhooks to it.

use super::delivery::Delivery;
use super::scheme::{hexadecimal, sha256};
use crate::answer::Answer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

/// The answer to a question about ownership, if this is one. `verified`: whether the request's signature was right.
pub(super) fn answer(
    provider: &str,
    delivery: &Delivery<'_>,
    secret: &str,
    verified: bool,
) -> Option<Answer> {
    match provider {
        "twitter" => twitter(delivery, secret),
        "worldline" => worldline(delivery),
        "xero" => xero(delivery, verified),
        "zoom" if verified => zoom(delivery, secret),
        _ => None,
    }
}

/// "The CRC check": the token, signed with the key of the webhooks themselves. What could be a webhook's body is not
/// signed, else everybody could have one made here.
fn twitter(delivery: &Delivery<'_>, secret: &str) -> Option<Answer> {
    const LONGEST: usize = 256;
    let token = (delivery.method == Method::GET).then(|| delivery.parameter("crc_token")).flatten()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '+' | '/' | '.');
    if token.is_empty() || token.len() > LONGEST || !token.chars().all(harmless) {
        return None;
    }
    let signed = STANDARD.encode(sha256(secret, &token));
    Some(json_answer(&json!({ "response_token": format!("sha256={signed}") })))
}

/// "Webhooks", "Endpoint verification": the header's value, as text.
fn worldline(delivery: &Delivery<'_>) -> Option<Answer> {
    if delivery.method != Method::GET {
        return None;
    }
    let asked = delivery.header(&["x-gcs-webhooks-endpoint-verification"]).ok()?;
    let mut answer =
        Answer { body: Bytes::copy_from_slice(asked.as_bytes()), ..Answer::empty(StatusCode::OK) };
    answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Some(answer)
}

/// "Intent to receive": webhooks without events, some with a wrong signature; 200 for the right ones, 401 for the
/// others, never a body.
fn xero(delivery: &Delivery<'_>, verified: bool) -> Option<Answer> {
    let body = delivery.json();
    let asks = body.get("events").and_then(Value::as_array).is_some_and(Vec::is_empty);
    asks.then(|| Answer::empty(if verified { StatusCode::OK } else { StatusCode::UNAUTHORIZED }))
}

/// "Validate your webhook endpoint": the token, signed with the key of the webhooks themselves. Only for questions that
/// Zoom has signed, else everybody could have a webhook signed here.
fn zoom(delivery: &Delivery<'_>, secret: &str) -> Option<Answer> {
    let body = delivery.json();
    if body.get("event").and_then(Value::as_str) != Some("endpoint.url_validation") {
        return None;
    }
    let token = body.pointer("/payload/plainToken").and_then(Value::as_str)?;
    let signed = hexadecimal(sha256(secret, token).as_ref());
    Some(json_answer(&json!({ "plainToken": token, "encryptedToken": signed })))
}

fn json_answer(body: &Value) -> Answer {
    Answer::json(StatusCode::OK, Bytes::from(body.to_string()))
}
