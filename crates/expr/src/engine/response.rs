//! `res.*`

use super::{Field, Node, Side, cookies, dual, free, headers, int, lines, text, texts};
use crate::activation::Activation;
use crate::value::Value;
use http::HeaderMap;

pub(super) static RESPONSE: &[Field] = &[
    int("status_code", "The status.", |a| Value::Int(a.response.map_or(0, |r| i64::from(r.status.as_u16())))),
    lines(
        "headers",
        "Names in any case; a name that is not there is an empty list.",
        Node::Headers(Side::Response),
    ),
    lines(
        "trailers",
        "Fields behind the body, once it was read.",
        Node::Multimap(|a| headers::of(a.trailers.response)),
    ),
    super::cookies("cookies", "Those of `Set-Cookie`, the longest path first.", |a| {
        cookies::of_response(map(a))
    }),
    texts("content_encoding", "The codings of the body, in order.", |a| headers::encodings(map(a))),
    int("content_length", "The body's length by its header; 0 without one.", |a| headers::length(map(a))),
    dual(
        "content_type",
        "The media type, without parameters.",
        |a| headers::media_type(map(a)),
        CONTENT_TYPE,
    ),
    text("location", "The header `Location`.", |a| headers::text_of(map(a), http::header::LOCATION)),
];

static CONTENT_TYPE: &[Field] = &[
    free("parameters", "strings by name", "Such as `charset`; names in lower case.", |a| {
        headers::media_parameters(map(a))
    }),
    text("raw", "The whole header.", |a| headers::text_of(map(a), http::header::CONTENT_TYPE)),
];

fn map<'a>(a: &Activation<'a>) -> Option<&'a HeaderMap> {
    a.response.map(|response| &response.headers)
}
