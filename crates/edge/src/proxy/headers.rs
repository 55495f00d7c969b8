//! The gateway's own headers on answers. An upstream may set none of them.

use crate::answer::{ERROR_CODE_HEADER, error_code};
use crate::engine::Engine;
use crate::exchange::Exchange;
use http::header::{CACHE_CONTROL, SET_COOKIE};
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

/// `x-tollgate-dropped`: fields that a translation, or the provider's parameter filter, could not carry.
pub const DROPPED: HeaderName = HeaderName::from_static("x-tollgate-dropped");
/// `x-tollgate-cost-usd`: what the answer cost, where that is known before its head is sent.
pub const COST: HeaderName = HeaderName::from_static("x-tollgate-cost-usd");
/// Longest list of dropped fields, in bytes: clients limit the size of headers.
const DROPPED_BYTES: usize = 4096;

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
    // The client has called the outermost endpoint.
    let engine = exchange.enclosing.first().map_or(engine, |outer| &*outer.engine);
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
    if let Some(names) = dropped(&record.dropped) {
        headers.insert(DROPPED, names);
    }
    if let Some(cost) = record.cost_micros.and_then(|micros| text(&dollars(micros))) {
        headers.insert(COST, cost);
    }
    if let Some(option) = record.overridden {
        headers.insert(OVERRIDE, HeaderValue::from_static(option));
    }
    if !exchange.cookies.is_empty() {
        for cookie in &exchange.cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
        keep_private(headers);
    }
    if let Some(code) = record.error_code {
        headers.entry(ERROR_CODE_HEADER).or_insert_with(|| error_code(code));
    }
}

/// Sees that no cache between here and the client gives one client's session to another. What the answer says beside that
/// (`no-cache`, `max-age`) stays.
fn keep_private(headers: &mut HeaderMap) {
    let said: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let is = |word: &str, names: &[&str]| {
        let name = word.split('=').next().unwrap_or("").trim().to_ascii_lowercase();
        names.contains(&name.as_str())
    };
    if said.iter().any(|word| is(word, &["private", "no-store"]) && !word.contains('=')) {
        return;
    }
    let shared = ["public", "s-maxage", "private"];
    let kept = said.iter().map(String::as_str).filter(|word| !is(word, &shared));
    let words: Vec<&str> = std::iter::once("private").chain(kept).collect();
    if let Ok(value) = HeaderValue::try_from(words.join(", ")) {
        headers.insert(CACHE_CONTROL, value);
    }
}

/// Names with commas between; characters a header cannot have become `?`.
pub(super) fn dropped(names: &[String]) -> Option<HeaderValue> {
    if names.is_empty() {
        return None;
    }
    let mut list = String::new();
    for name in names {
        if list.len() + name.len() > DROPPED_BYTES {
            list.push_str(", ...");
            break;
        }
        list.push_str(if list.is_empty() { "" } else { ", " });
        list.extend(name.chars().map(|c| if c.is_ascii_graphic() && c != ',' { c } else { '?' }));
    }
    HeaderValue::try_from(list).ok()
}

/// Millionths of a dollar as decimal dollars: `0.001234`.
#[must_use]
pub fn dollars(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_session_is_private_and_keeps_what_it_says_beside() {
        for (said, kept) in [
            (&[][..], "private"),
            (&["public, max-age=0", "must-revalidate"][..], "private, max-age=0, must-revalidate"),
            (&["no-cache, S-MaxAge=60"][..], "private, no-cache"),
            (&["no-store"][..], "no-store"),
            (&["Private, max-age=5"][..], "Private, max-age=5"),
            (&["private=\"x-a\""][..], "private"),
        ] {
            let lines = said.iter().map(|line| (CACHE_CONTROL, HeaderValue::from_static(line)));
            let mut headers: HeaderMap = lines.collect();
            keep_private(&mut headers);
            assert_eq!(headers.get(CACHE_CONTROL).and_then(|v| v.to_str().ok()), Some(kept), "{said:?}");
        }
    }
}
