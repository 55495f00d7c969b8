//! The variables of the engine: their names, types and where their values come from.
//!
//! One table a root. An expression's path is looked up when it is compiled, so a wrong name is found then, and
//! a right one costs a call of the field's getter when it runs.

mod agent;
mod certificates;
mod connection;
mod cookies;
mod headers;
mod network;
mod request;
mod response;
mod results;
mod url;

use crate::activation::Activation;
use crate::scope::{Phases, Scope};
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
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) node: Node,
    /// Its type, for the documentation.
    pub(crate) ty: &'static str,
    /// Its meaning, for the documentation.
    pub(crate) doc: &'static str,
    /// Where it exists, as far as the record around it does.
    pub(crate) phases: Phases,
}

const fn field(name: &'static str, ty: &'static str, doc: &'static str, node: Node) -> Field {
    Field { name, node, ty, doc, phases: Phases::ALL }
}
const fn text(name: &'static str, doc: &'static str, get: Get) -> Field {
    field(name, "string", doc, Node::Leaf(Kind::Text, get))
}
const fn int(name: &'static str, doc: &'static str, get: Get) -> Field {
    field(name, "int", doc, Node::Leaf(Kind::Int, get))
}
const fn flag(name: &'static str, doc: &'static str, get: Get) -> Field {
    field(name, "bool", doc, Node::Leaf(Kind::Bool, get))
}
const fn time(name: &'static str, doc: &'static str, get: Get) -> Field {
    field(name, "timestamp", doc, Node::Leaf(Kind::Time, get))
}
const fn texts(name: &'static str, doc: &'static str, get: Get) -> Field {
    field(name, "list of strings", doc, Node::Free(get))
}
const fn free(name: &'static str, ty: &'static str, doc: &'static str, get: Get) -> Field {
    field(name, ty, doc, Node::Free(get))
}
const fn record(name: &'static str, fields: &'static [Field]) -> Field {
    field(name, "record", "", Node::Record(fields))
}
const fn dual(name: &'static str, doc: &'static str, get: Get, fields: &'static [Field]) -> Field {
    field(name, "string with fields", doc, Node::Dual(get, fields))
}
const fn lines(name: &'static str, doc: &'static str, node: Node) -> Field {
    field(name, "lists of strings by name", doc, node)
}
const fn cookies(name: &'static str, doc: &'static str, get: Get) -> Field {
    field(name, "lists of cookies by name", doc, Node::Cookies(get))
}

impl Field {
    const fn only(self, phases: Phases) -> Self {
        Self { phases, ..self }
    }
}

/// A variable: what a path can begin with.
pub(crate) struct Root {
    pub(crate) name: &'static str,
    pub(crate) phases: Phases,
    pub(crate) doc: &'static str,
    /// Its fields; none when they are free.
    pub(crate) fields: &'static [Field],
}

/// The variables that depend on the phase alone.
pub(crate) static ROOTS: &[Root] = &[
    Root {
        name: "conn",
        phases: Phases::ALL,
        doc: "The connection to the client.",
        fields: connection::CONNECTION,
    },
    Root {
        name: "endpoint",
        phases: Phases::ALL,
        doc: "The listener that the client reached.",
        fields: connection::ENDPOINT,
    },
    Root {
        name: "req",
        phases: Phases::HTTP,
        doc: "The request, as the rules before have left it.",
        fields: request::REQUEST,
    },
    Root {
        name: "res",
        phases: Phases::ANSWER,
        doc: "The response, as the rules before have left it.",
        fields: response::RESPONSE,
    },
    Root { name: "time", phases: Phases::ALL, doc: "The clock.", fields: TIME },
    Root {
        name: "vars",
        phases: Phases::ALL,
        doc: "What `set-vars` set in this phase, of any type. A name that is not set is an error.",
        fields: &[],
    },
    Root {
        name: "actions",
        phases: Phases::ALL,
        doc: "Results of actions that ran before, in `actions.ngrok`: see the page of each action. What is not \
              there is `null`.",
        fields: &[],
    },
];

/// The variables of a scope.
pub(crate) fn roots(scope: Scope) -> impl Iterator<Item = &'static str> {
    let more: &[&str] = match scope {
        Scope::ModelStrategy | Scope::KeyStrategy => &["ai"],
        Scope::Retry | Scope::ResponseRetry => &["attempts", "last_attempt"],
        _ => &[],
    };
    let phase = scope.phase();
    ROOTS
        .iter()
        .filter(move |root| root.phases.holds(phase))
        .map(|root| root.name)
        .chain(more.iter().copied())
}

/// A clock's time as a value, in UTC.
pub(crate) fn moment(time: std::time::SystemTime) -> Value {
    Value::Timestamp(chrono::DateTime::<chrono::Utc>::from(time).fixed_offset())
}

/// The record of a root, for roots that are records with fixed names.
pub(crate) fn root(name: &str) -> Option<&'static [Field]> {
    ROOTS.iter().find(|root| root.name == name).map(|root| root.fields)
}

static TIME: &[Field] =
    &[text("now", "The time, RFC 3339 in UTC. `timestamp(time.now)` makes a timestamp of it.", |a| {
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
