//! Cookies of requests (`Cookie`) and responses (`Set-Cookie`), RFC 6265.

use crate::value::{Map, Object, Value};
use http::HeaderMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lists of cookies by name; a missing name is an empty list.
#[derive(Debug)]
struct Cookies(BTreeMap<Arc<str>, Vec<Value>>);

impl Object for Cookies {
    fn field(&self, name: &str) -> Option<Value> {
        Some(Value::List(self.0.get(name).cloned().unwrap_or_default().into()))
    }
    fn fields(&self) -> Vec<Arc<str>> {
        self.0.keys().cloned().collect()
    }
    fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    fn soft(&self) -> bool {
        true
    }
}

/// What a cookie that is not there reads as: every field empty.
pub(crate) fn empty_cookie() -> Map {
    let text = |name: &str| (Arc::from(name), Value::text(""));
    let flag = |name: &str| (Arc::from(name), Value::Bool(false));
    Map::from([
        text("name"),
        text("value"),
        text("domain"),
        text("path"),
        text("same_site"),
        flag("secure"),
        flag("http_only"),
        (Arc::from("expires"), Value::Null),
        (Arc::from("max_age"), Value::Duration(chrono::Duration::zero())),
        (Arc::from("unparsed_attributes"), Value::Map(Arc::default())),
    ])
}

fn lines<'a>(headers: Option<&'a HeaderMap>, name: &'a http::HeaderName) -> impl Iterator<Item = &'a str> {
    headers.into_iter().flat_map(move |map| map.get_all(name)).filter_map(|value| value.to_str().ok())
}

fn named(name: &str, value: &str) -> Map {
    let mut cookie = empty_cookie();
    cookie.insert("name".into(), name.into());
    cookie.insert("value".into(), value.trim_matches('"').into());
    cookie
}

fn collect(cookies: impl Iterator<Item = (String, Map)>) -> Value {
    let mut all: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for (name, cookie) in cookies {
        all.entry(name.into()).or_default().push(Value::Map(Arc::new(cookie)));
    }
    Value::Object(Arc::new(Cookies(all)))
}

/// The cookies a client sent, in their order.
pub(super) fn of_request(headers: Option<&HeaderMap>) -> Value {
    let pairs = lines(headers, &http::header::COOKIE).flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), named(name.trim(), value.trim())))
    });
    collect(pairs)
}

/// The cookies an upstream sets, those with the longest path first.
pub(super) fn of_response(headers: Option<&HeaderMap>) -> Value {
    let mut cookies: Vec<(String, Map)> =
        lines(headers, &http::header::SET_COOKIE).filter_map(parse).collect();
    let path = |cookie: &Map| cookie.get("path").map_or(0, |path| path.to_text().len());
    cookies.sort_by_key(|(_, cookie)| std::cmp::Reverse(path(cookie)));
    collect(cookies.into_iter())
}

fn parse(line: &str) -> Option<(String, Map)> {
    let mut parts = line.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let mut cookie = named(name.trim(), value.trim());
    let mut other = Map::new();
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let (key, value) = match key.as_str() {
            "domain" | "path" => (key, Value::from(value)),
            "samesite" => ("same_site".to_owned(), Value::from(value)),
            "secure" => (key, Value::Bool(true)),
            "httponly" => ("http_only".to_owned(), Value::Bool(true)),
            "expires" => (key, date(value)),
            "max-age" => ("max_age".to_owned(), age(value)),
            "" => continue,
            _ => {
                other.insert(key.into(), value.into());
                continue;
            }
        };
        cookie.insert(key.into(), value);
    }
    cookie.insert("unparsed_attributes".into(), Value::Map(Arc::new(other)));
    Some((name.trim().to_owned(), cookie))
}

fn date(text: &str) -> Value {
    // Old servers write dashes between day, month and year.
    let dashes = text.replace('-', " ");
    chrono::DateTime::parse_from_rfc2822(&dashes.replace("GMT", "+0000"))
        .map_or(Value::Null, Value::Timestamp)
}

fn age(text: &str) -> Value {
    let seconds = text.parse().ok().and_then(chrono::Duration::try_seconds);
    Value::Duration(seconds.unwrap_or_else(chrono::Duration::zero))
}
