//! URLs and query strings.

use super::{Args, Def, function, method};
use crate::engine::{pairs, percent_decode, query_map};
use crate::error::EvalError;
use crate::limits::charge;
use crate::ops::{elements, size_limit};
use crate::value::{Map, Value};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Def] = &[
    function("url.escape", 1, 1, escape),
    method("escapeUrl", 0, 0, escape),
    function("url.unescape", 1, 1, unescape),
    method("unescapeUrl", 0, 0, unescape),
    function("url.parse", 1, 1, parse),
    method("parseUrl", 0, 0, parse),
    method("isURL", 0, 0, is_url),
    function("queryString.decode", 1, 1, decode_query),
    method("decodeQueryString", 0, 0, decode_query),
    function("queryString.encode", 1, 1, encode_query),
    method("encodeQueryString", 0, 0, encode_query),
    method("isQueryString", 0, 0, is_query),
];

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn escape(values: &[Value]) -> Result<Value, EvalError> {
    let text = Args::new("url.escape", values).text(0)?;
    size_limit(text.len())?;
    charge(text.len() / 16)?;
    Ok(percent(&text).into())
}

fn unescape(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("url.unescape", values);
    let text = args.text(0)?;
    charge(text.len() / 16)?;
    let bytes = percent_decode(&text, true).ok_or_else(|| args.fail("a `%` begins no escape"))?;
    String::from_utf8(bytes.into_owned()).map(Value::from).map_err(|_| args.fail("the result is no text"))
}

/// The parts of a URL, named as Go's `net/url` names them, in lower case.
struct Parts<'t> {
    scheme: &'t str,
    user: &'t str,
    host: &'t str,
    path: &'t str,
    query: &'t str,
    fragment: &'t str,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return None;
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
        Some((first, _)) if !first.contains('/') => return None,
        _ => ("", rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, "")),
        None => ("", rest),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let port = split_port(host).1;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Parts { scheme, user, host, path, query, fragment })
}

fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    }
}

fn parse(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("url.parse", values);
    let text = args.text(0)?;
    let parts = parts(&text).ok_or_else(|| args.fail("the text is no URL"))?;
    let (name, port) = split_port(parts.host);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let path = percent_decode(parts.path, true).ok_or_else(|| args.fail("a `%` begins no escape"))?;
    let map: Map = [
        ("scheme", parts.scheme.to_ascii_lowercase().into()),
        ("user", parts.user.into()),
        ("host", parts.host.into()),
        ("hostname", name.into()),
        ("port", port.into()),
        ("path", String::from_utf8_lossy(&path).into_owned().into()),
        ("raw_path", parts.path.into()),
        ("query", parts.query.into()),
        ("fragment", parts.fragment.into()),
    ]
    .into_iter()
    .map(|(key, value): (&str, Value)| (Arc::from(key), value))
    .collect();
    Ok(Value::Map(Arc::new(map)))
}

fn is_url(values: &[Value]) -> Result<Value, EvalError> {
    let text = Args::new("isURL", values).text(0)?;
    Ok(Value::Bool(parts(&text).is_some_and(|parts| !parts.scheme.is_empty() && !parts.host.is_empty())))
}

fn decode_query(values: &[Value]) -> Result<Value, EvalError> {
    let text = Args::new("queryString.decode", values).text(0)?;
    charge(text.len() / 16)?;
    Ok(query_map(text.strip_prefix('?').unwrap_or(&text)))
}

fn encode_query(values: &[Value]) -> Result<Value, EvalError> {
    let args = Args::new("queryString.encode", values);
    let map = match args.value(0)? {
        Value::Map(map) => map.clone(),
        Value::Object(object) if object.text().is_none() => {
            let entry = |name: Arc<str>| object.field(&name).map(|value| (name, value));
            Arc::new(object.fields().into_iter().filter_map(entry).collect())
        }
        other => return Err(args.wrong("a map", other)),
    };
    let mut pairs = Vec::new();
    for (key, value) in map.iter() {
        let values = elements(value).unwrap_or_else(|| vec![value.clone()]);
        pairs.extend(values.iter().map(|value| format!("{}={}", percent(key), percent(&value.to_text()))));
    }
    let text = pairs.join("&");
    size_limit(text.len())?;
    charge(text.len() / 16)?;
    Ok(text.into())
}

/// Pairs of names and values without white space; plain words are none.
fn is_query(values: &[Value]) -> Result<Value, EvalError> {
    let text = Args::new("isQueryString", values).text(0)?;
    let plain = !text.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control());
    let escapes = percent_decode(&text, true).is_some();
    let named = pairs(&text).all(|(name, _)| !name.is_empty());
    Ok(Value::Bool(plain && escapes && named && text.contains('=')))
}
