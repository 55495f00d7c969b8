//! `req.*`

use super::{Field, Node, Side, agent, cookies, dual, free, headers, int, moment, record, text, time, url};
use crate::activation::Activation;
use crate::value::Value;
use http::HeaderMap;

pub(super) static REQUEST: &[Field] = &[
    text("id", |a| a.request.map_or_else(|| Value::text(""), |r| Value::String(r.id.clone()))),
    text("method", |a| Value::from(a.request.map_or("", |r| r.method.as_str()))),
    text("version", |a| a.request.map_or_else(|| Value::text(""), |r| format!("{:?}", r.version).into())),
    text("host", |a| a.request.map_or_else(|| Value::text(""), |r| Value::String(r.host.clone()))),
    text("path", url::path),
    Field { name: "headers", node: Node::Headers(Side::Request) },
    Field { name: "trailers", node: Node::Multimap(|_| super::results::no_lines()) },
    Field { name: "cookies", node: Node::Cookies(|a| cookies::of_request(map(a))) },
    free("content_encoding", |a| headers::encodings(map(a))),
    int("content_length", |a| headers::length(map(a))),
    dual("content_type", |a| headers::media_type(map(a)), CONTENT_TYPE),
    text("location", |a| Value::String(headers::first(map(a), http::header::LOCATION).unwrap_or_default())),
    record("ts", TIMES),
    Field { name: "url", node: url::URL.node },
    Field { name: "user_agent", node: agent::AGENT.node },
];

static CONTENT_TYPE: &[Field] = &[
    free("parameters", |a| headers::media_parameters(map(a))),
    text("raw", |a| Value::String(headers::first(map(a), http::header::CONTENT_TYPE).unwrap_or_default())),
];

static TIMES: &[Field] = &[
    time("header_received", |a| a.request.map_or(Value::Null, |r| moment(r.received))),
    time("body_received", |a| a.request.and_then(|r| r.body_received).map_or(Value::Null, moment)),
];

fn map<'a>(a: &Activation<'a>) -> Option<&'a HeaderMap> {
    a.request.map(|request| &request.headers)
}
