//! Header maps: names without regard to case, missing names empty.

use super::Side;
use crate::activation::Activation;
use crate::value::{Object, Value};
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;

/// Header lines by name.
#[derive(Clone)]
pub(crate) struct Headers {
    pub(crate) map: HeaderMap,
    /// What `host` reads as when the map has no such header (HTTP/2 has `:authority` in its place).
    pub(crate) host: Option<Arc<str>>,
}

impl std::fmt::Debug for Headers {
    /// Names only: values may be credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.map.keys()).finish()
    }
}

impl Object for Headers {
    fn field(&self, name: &str) -> Option<Value> {
        Some(Value::Lines(lines(&self.map, self.host.as_ref(), name)))
    }
    fn fields(&self) -> Vec<Arc<str>> {
        self.map.keys().map(|name| Arc::from(name.as_str())).collect()
    }
    fn contains(&self, name: &str) -> bool {
        self.map.contains_key(name) || (self.host.is_some() && name.eq_ignore_ascii_case("host"))
    }
    fn soft(&self) -> bool {
        true
    }
}

/// All headers of one side, copied: only for expressions whose header name is not in the policy's text.
pub(crate) fn all(side: Side, a: &Activation<'_>) -> Value {
    let map = map(side, a).cloned().unwrap_or_default();
    Value::Object(Arc::new(Headers { map, host: host(side, a).cloned() }))
}

/// The fields of a map, copied; none without a map.
pub(super) fn of(map: Option<&HeaderMap>) -> Value {
    Value::Object(Arc::new(Headers { map: map.cloned().unwrap_or_default(), host: None }))
}

/// The lines of one header.
pub(crate) fn header_lines(side: Side, name: &str, a: &Activation<'_>) -> Value {
    let none = || Value::Lines(Arc::new([]));
    map(side, a).map_or_else(none, |map| Value::Lines(lines(map, host(side, a), name)))
}

/// One line of a header; `""` when there is none.
pub(crate) fn header_line(side: Side, name: &str, at: usize, a: &Activation<'_>) -> Value {
    let found =
        map(side, a).and_then(|map| if at == 0 { map.get(name) } else { map.get_all(name).iter().nth(at) });
    match (found, host(side, a)) {
        (Some(line), _) => Value::String(text(line)),
        (None, Some(host)) if at == 0 && name.eq_ignore_ascii_case("host") => Value::String(host.clone()),
        (None, _) => Value::String(Arc::default()),
    }
}

/// Whether a header is there.
pub(crate) fn header_present(side: Side, name: &str, a: &Activation<'_>) -> bool {
    map(side, a).is_some_and(|map| map.contains_key(name))
        || (name.eq_ignore_ascii_case("host") && host(side, a).is_some())
}

fn map<'a>(side: Side, a: &Activation<'a>) -> Option<&'a HeaderMap> {
    match side {
        Side::Request => a.request.map(|request| &request.headers),
        Side::Response => a.response.map(|response| &response.headers),
    }
}

fn host<'a>(side: Side, a: &Activation<'a>) -> Option<&'a Arc<str>> {
    match side {
        Side::Request => a.request.map(|request| &request.host).filter(|host| !host.is_empty()),
        Side::Response => None,
    }
}

fn lines(map: &HeaderMap, host: Option<&Arc<str>>, name: &str) -> Arc<[Arc<str>]> {
    let found: Arc<[Arc<str>]> = map.get_all(name).iter().map(text).collect();
    match host {
        Some(host) if found.is_empty() && name.eq_ignore_ascii_case("host") => Arc::new([host.clone()]),
        _ => found,
    }
}

/// A header's value as text; bytes that are no UTF-8 become U+FFFD.
fn text(value: &HeaderValue) -> Arc<str> {
    String::from_utf8_lossy(value.as_bytes()).into()
}

/// The first line of a header, for the fields that stand for one.
pub(super) fn first(map: Option<&HeaderMap>, name: http::HeaderName) -> Option<Arc<str>> {
    map.and_then(|map| map.get(name)).map(text)
}

/// The same as a value; `""` without one.
pub(super) fn text_of(map: Option<&HeaderMap>, name: http::HeaderName) -> Value {
    Value::String(first(map, name).unwrap_or_default())
}

/// `content-type` without its parameters, in lower case.
pub(super) fn media_type(map: Option<&HeaderMap>) -> Value {
    let raw = first(map, http::header::CONTENT_TYPE).unwrap_or_default();
    let media = raw.split(';').next().unwrap_or_default().trim();
    if media.bytes().any(|b| b.is_ascii_uppercase()) {
        media.to_ascii_lowercase().into()
    } else {
        media.into()
    }
}

/// The parameters of `content-type`, names in lower case, quotes removed.
pub(super) fn media_parameters(map: Option<&HeaderMap>) -> Value {
    let raw = first(map, http::header::CONTENT_TYPE).unwrap_or_default();
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((Arc::from(name.trim().to_ascii_lowercase()), Value::from(value.trim().trim_matches('"'))))
    };
    Value::Map(Arc::new(raw.split(';').skip(1).filter_map(pair).collect()))
}

/// The codings of `content-encoding`, in order.
pub(super) fn encodings(map: Option<&HeaderMap>) -> Value {
    let all = map.into_iter().flat_map(|map| map.get_all(http::header::CONTENT_ENCODING)).map(text);
    let split = |line: Arc<str>| -> Vec<Value> {
        line.split(',').map(str::trim).filter(|coding| !coding.is_empty()).map(Value::from).collect()
    };
    Value::List(all.flat_map(split).collect())
}

/// `content-length`, 0 when there is none.
pub(super) fn length(map: Option<&HeaderMap>) -> Value {
    let text = first(map, http::header::CONTENT_LENGTH);
    Value::Int(text.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
}
