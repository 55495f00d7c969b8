//! `res.*`

use super::{Field, Node, Side, cookies, dual, free, headers, int, text};
use crate::activation::Activation;
use crate::value::Value;
use http::HeaderMap;

pub(super) static RESPONSE: &[Field] = &[
    int("status_code", |a| Value::Int(a.response.map_or(0, |r| i64::from(r.status.as_u16())))),
    Field { name: "headers", node: Node::Headers(Side::Response) },
    Field { name: "trailers", node: Node::Multimap(|_| super::results::no_lines()) },
    Field { name: "cookies", node: Node::Cookies(|a| cookies::of_response(map(a))) },
    free("content_encoding", |a| headers::encodings(map(a))),
    int("content_length", |a| headers::length(map(a))),
    dual("content_type", |a| headers::media_type(map(a)), CONTENT_TYPE),
    text("location", |a| Value::String(headers::first(map(a), http::header::LOCATION).unwrap_or_default())),
];

static CONTENT_TYPE: &[Field] = &[
    free("parameters", |a| headers::media_parameters(map(a))),
    text("raw", |a| Value::String(headers::first(map(a), http::header::CONTENT_TYPE).unwrap_or_default())),
];

fn map<'a>(a: &Activation<'a>) -> Option<&'a HeaderMap> {
    a.response.map(|response| &response.headers)
}
