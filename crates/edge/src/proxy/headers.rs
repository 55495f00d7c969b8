//! The gateway's own headers on answers. An upstream may set none of them.

use crate::answer::{ERROR_CODE_HEADER, error_code};
use crate::engine::Engine;
use crate::exchange::Exchange;
use http::{HeaderMap, HeaderName, HeaderValue};

/// `x-tollgate-request-id`
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-tollgate-request-id");
/// `x-tollgate-model`: `provider:model` that answered.
pub const MODEL: HeaderName = HeaderName::from_static("x-tollgate-model");
/// `x-tollgate-attempts`: how many were made.
pub const ATTEMPTS: HeaderName = HeaderName::from_static("x-tollgate-attempts");
/// `x-tollgate-override`: the option that chose the model instead of the client.
pub const OVERRIDE: HeaderName = HeaderName::from_static("x-tollgate-override");
/// `x-tollgate-policy`: the revision that decided.
pub const POLICY: HeaderName = HeaderName::from_static("x-tollgate-policy");

/// Removes what only the gateway may set.
pub fn unstamp(headers: &mut HeaderMap) {
    headers.remove(ERROR_CODE_HEADER);
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-tollgate-")).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

/// Sets the gateway's headers on an answer about to be sent.
pub fn stamp(headers: &mut HeaderMap, exchange: &Exchange, engine: &Engine) {
    let text = |value: &str| HeaderValue::try_from(value).ok();
    if let Some(id) = text(&exchange.request.id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(revision) = text(&engine.revision) {
        headers.insert(POLICY, revision);
    }
    let record = &exchange.record;
    if record.attempts > 0 {
        headers.insert(ATTEMPTS, HeaderValue::from(record.attempts));
    }
    if let (Some(provider), Some(model)) = (&record.provider, &record.model_served)
        && let Some(served) = text(&format!("{provider}:{model}"))
    {
        headers.insert(MODEL, served);
    }
    if let Some(option) = record.overridden {
        headers.insert(OVERRIDE, HeaderValue::from_static(option));
    }
    if let Some(code) = record.error_code {
        headers.entry(ERROR_CODE_HEADER).or_insert_with(|| error_code(code));
    }
}
