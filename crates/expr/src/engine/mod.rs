//! The variables of the engine: their names, types and where their values come from.
//!
//! One table a root. An expression's path is looked up when it is compiled, so a wrong name is found then, and
//! a right one costs a call of the field's getter when it runs.

mod agent;
mod connection;
mod cookies;
mod headers;
mod request;
mod response;
mod results;
mod url;

use crate::activation::Activation;
use crate::value::{Map, Value};
use std::sync::Arc;

pub(crate) use cookies::empty_cookie;
pub(crate) use headers::{header_line, header_lines, header_present};
pub(crate) use results::{ACTIONS, entity_fields};
pub(crate) use url::{decode as query_map, pairs, percent_decode};

/// Reads a field.
pub(crate) type Get = for<'a> fn(&Activation<'a>) -> Value;

/// The request or the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Request,
    Response,
}

/// What stands at a path.
#[derive(Clone, Copy)]
pub(crate) enum Node {
    /// A text, number, boolean, or time.
    Leaf(Kind, Get),
    /// A list or map whose elements are free.
    Free(Get),
    /// A record.
    Record(&'static [Field]),
    /// A text that also has fields.
    Dual(Get, &'static [Field]),
    /// Header lines by name.
    Headers(Side),
    /// Lists of text by name, such as the query's parameters.
    Multimap(Get),
    /// Lists of cookies by name.
    Cookies(Get),
}

/// The type of a leaf, where it helps to find mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Bool,
    Time,
}

/// A name in a record.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) node: Node,
}

pub(crate) const fn text(name: &'static str, get: Get) -> Field {
    Field { name, node: Node::Leaf(Kind::Text, get) }
}
pub(crate) const fn int(name: &'static str, get: Get) -> Field {
    Field { name, node: Node::Leaf(Kind::Int, get) }
}
pub(crate) const fn flag(name: &'static str, get: Get) -> Field {
    Field { name, node: Node::Leaf(Kind::Bool, get) }
}
pub(crate) const fn time(name: &'static str, get: Get) -> Field {
    Field { name, node: Node::Leaf(Kind::Time, get) }
}
pub(crate) const fn free(name: &'static str, get: Get) -> Field {
    Field { name, node: Node::Free(get) }
}
pub(crate) const fn record(name: &'static str, fields: &'static [Field]) -> Field {
    Field { name, node: Node::Record(fields) }
}
pub(crate) const fn dual(name: &'static str, get: Get, fields: &'static [Field]) -> Field {
    Field { name, node: Node::Dual(get, fields) }
}

/// Values of fields that nothing fills yet.
pub(crate) fn no_text(_: &Activation<'_>) -> Value {
    Value::String(Arc::default())
}
pub(crate) fn zero(_: &Activation<'_>) -> Value {
    Value::Int(0)
}
pub(crate) fn no(_: &Activation<'_>) -> Value {
    Value::Bool(false)
}
pub(crate) fn no_list(_: &Activation<'_>) -> Value {
    Value::List(Arc::new([]))
}
pub(crate) fn no_map(_: &Activation<'_>) -> Value {
    Value::Map(Arc::default())
}
pub(crate) fn null(_: &Activation<'_>) -> Value {
    Value::Null
}

/// A clock's time as a value, in UTC.
pub(crate) fn moment(time: std::time::SystemTime) -> Value {
    Value::Timestamp(chrono::DateTime::<chrono::Utc>::from(time).fixed_offset())
}

/// The record of a root, for roots that are records with fixed names.
pub(crate) fn root(name: &str) -> Option<&'static [Field]> {
    Some(match name {
        "req" => request::REQUEST,
        "res" => response::RESPONSE,
        "conn" => connection::CONNECTION,
        "endpoint" => connection::ENDPOINT,
        "time" => TIME,
        _ => return None,
    })
}

static TIME: &[Field] = &[text("now", |a| {
    let now = chrono::DateTime::<chrono::Utc>::from(a.now);
    now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into()
})];

/// A whole record at once: for the rare expression that names it without a field.
pub(crate) fn whole(fields: &'static [Field], a: &Activation<'_>) -> Value {
    let entry = |field: &Field| (Arc::from(field.name), node(&field.node, a));
    Value::Map(Arc::new(fields.iter().map(entry).collect::<Map>()))
}

/// The value at a node.
pub(crate) fn node(node: &Node, a: &Activation<'_>) -> Value {
    match node {
        Node::Leaf(_, get)
        | Node::Free(get)
        | Node::Dual(get, _)
        | Node::Multimap(get)
        | Node::Cookies(get) => get(a),
        Node::Record(fields) => whole(fields, a),
        Node::Headers(side) => headers::all(*side, a),
    }
}
