//! `req.url.*` and the query string.

use super::{Field, Node, dual, int, lines, text};
use crate::activation::{Activation, RequestFacts};
use crate::value::{Map, Object, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const URL: Field = dual(
    "url",
    "The whole URL, normalised: host in lower case, no port that is the scheme's own, no dot segments, no needless \
     escapes.",
    |a| of(a, full),
    FIELDS,
);

static FIELDS: &[Field] = &[
    text(
        "authority",
        "Host and port as they will be forwarded, with the user and password that the client wrote, if it did.",
        |a| of(a, authority),
    ),
    text("host", "The host, without port.", |a| of(a, |r| split_host(&r.host).0.to_ascii_lowercase())),
    int("port", "The port, when the URL has one; else 0.", |a| {
        Value::Int(a.request.and_then(|r| split_host(&r.host).1).map_or(0, i64::from))
    }),
    text("path", "The normalised path; what is forwarded.", path),
    text("raw", "The whole URL as the client wrote it.", |a| {
        of(a, |r| format!("{}://{}{}", r.scheme, r.raw_host, target(&r.raw_uri)))
    }),
    text("raw_path", "The path as the client wrote it.", |a| {
        a.request.map_or_else(|| Value::text(""), |r| Value::from(r.raw_uri.path()))
    }),
    text("query", "The query, without `?`.", |a| Value::from(query(a))),
    lines(
        "query_params",
        "Decoded, names case-sensitive; a name that is not there is an empty list.",
        Node::Multimap(|a| parameters(query(a))),
    ),
    text("scheme", "`http` or `https`.", |a| Value::from(a.request.map_or("", |r| r.scheme))),
    text("uri", "Path and query.", |a| of(a, |r| target(&r.uri).to_owned())),
    text("user_password", "`user:password`, when the URL has them.", |a| of(a, user)),
];

fn of(a: &Activation<'_>, read: impl Fn(&RequestFacts) -> String) -> Value {
    a.request.map_or_else(|| Value::text(""), |request| read(request).into())
}

/// `req.url.path`, also `req.path`.
pub(super) fn path(a: &Activation<'_>) -> Value {
    Value::from(a.request.map_or("", |request| request.uri.path()))
}

fn query<'a>(a: &Activation<'a>) -> &'a str {
    a.request.and_then(|request| request.uri.query()).unwrap_or_default()
}

fn target(uri: &http::Uri) -> &str {
    uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}

fn authority(request: &RequestFacts) -> String {
    match user(request).as_str() {
        "" => request.host.to_string(),
        user => format!("{user}@{}", request.host),
    }
}

fn user(request: &RequestFacts) -> String {
    let authority = request.raw_uri.authority().map_or("", http::uri::Authority::as_str);
    authority.rsplit_once('@').map(|(user, _)| user.to_owned()).unwrap_or_default()
}

/// The whole URL: lower-case host, no port that is the scheme's own.
fn full(request: &RequestFacts) -> String {
    let (host, port) = split_host(&request.host);
    let usual = if request.scheme == "https" { 443 } else { 80 };
    let port = port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", request.scheme, host.to_ascii_lowercase(), target(&request.uri))
}

/// Host and port of an authority; the brackets of an IPv6 address stay.
fn split_host(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

/// Lists of text by name; a missing name is an empty list.
#[derive(Debug)]
struct Parameters(BTreeMap<Arc<str>, Vec<Arc<str>>>);

impl Object for Parameters {
    fn field(&self, name: &str) -> Option<Value> {
        Some(Value::Lines(self.0.get(name).cloned().unwrap_or_default().into()))
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

fn parameters(query: &str) -> Value {
    let mut all: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    for (name, value) in pairs(query) {
        all.entry(name.into()).or_default().push(value.into());
    }
    Value::Object(Arc::new(Parameters(all)))
}

/// The decoded pairs of a query string (WHATWG `application/x-www-form-urlencoded`: `+` is a space).
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| lossy(&text.replace('+', " "));
        (decode(name), decode(value))
    })
}

/// A query string as a map; the first of several values of a name wins.
pub(crate) fn decode(query: &str) -> Value {
    let mut map = Map::new();
    for (name, value) in pairs(query) {
        map.entry(name.into()).or_insert_with(|| value.into());
    }
    Value::Map(Arc::new(map))
}

/// Percent-decoding that leaves what is no escape as it is.
fn lossy(text: &str) -> String {
    let bytes = percent_decode(text, false).unwrap_or(Cow::Borrowed(text.as_bytes()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-decoding (RFC 3986 section 2.1). `None` when `strict` and a `%` begins no escape.
pub(crate) fn percent_decode(text: &str, strict: bool) -> Option<Cow<'_, [u8]>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'%', ..) if strict => return None,
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Some(Cow::Owned(out))
}
