//! `req.*`

use super::{
    Field, Node, Side, agent, cookies, dual, headers, int, lines, moment, record, text, texts, time, url,
};
use crate::activation::Activation;
use crate::value::Value;
use http::HeaderMap;

pub(super) static REQUEST: &[Field] = &[
    text("id", "A name for the request, unique.", |a| {
        a.request.map_or_else(none, |r| Value::String(r.id.clone()))
    }),
    text("method", "The method, in upper case.", |a| {
        Value::from(a.request.map_or("", |r| r.method.as_str()))
    }),
    text("version", "`HTTP/1.1` or `HTTP/2.0`.", |a| {
        a.request.map_or_else(none, |r| format!("{:?}", r.version).into())
    }),
    text("host", "`Host` or `:authority`.", |a| {
        a.request.map_or_else(none, |r| Value::String(r.host.clone()))
    }),
    text("path", "The same as `req.url.path`.", url::path),
    lines(
        "headers",
        "Names in any case; a name that is not there is an empty list.",
        Node::Headers(Side::Request),
    ),
    lines(
        "trailers",
        "Fields behind the body, once it was read.",
        Node::Multimap(|a| headers::of(a.trailers.request)),
    ),
    super::cookies("cookies", "In the order of the header `Cookie`.", |a| cookies::of_request(map(a))),
    texts("content_encoding", "The codings of the body, in order.", |a| headers::encodings(map(a))),
    int("content_length", "The body's length by its header; 0 without one.", |a| headers::length(map(a))),
    dual(
        "content_type",
        "The media type, without parameters.",
        |a| headers::media_type(map(a)),
        CONTENT_TYPE,
    ),
    text("location", "The header `Location`.", |a| headers::text_of(map(a), http::header::LOCATION)),
    record("ts", TIMES),
    url::URL,
    agent::AGENT,
];

static CONTENT_TYPE: &[Field] = &[
    super::free("parameters", "strings by name", "Such as `charset`; names in lower case.", |a| {
        headers::media_parameters(map(a))
    }),
    text("raw", "The whole header.", |a| headers::text_of(map(a), http::header::CONTENT_TYPE)),
];

static TIMES: &[Field] = &[
    time("header_received", "When its head was read.", |a| {
        a.request.map_or(Value::Null, |r| moment(r.received))
    }),
    time("body_received", "When its body was read; `null` before.", |a| {
        a.request.and_then(|r| r.body_received).map_or(Value::Null, moment)
    }),
];

fn none() -> Value {
    Value::text("")
}

fn map<'a>(a: &Activation<'a>) -> Option<&'a HeaderMap> {
    a.request.map(|request| &request.headers)
}
