//! YAML traffic policies: spanned tree, diagnostics with exact positions, shapes, JSON Schema. Pure.
//!
//! [`load`] turns a text into a [`Policy`] or into every error it has. The actions it knows are declared by their
//! implementers as [`ActionSpec`]s; one declaration drives checking, [`json_schema`] and [`document_action`].

mod action;
mod cel;
mod check;
mod codes;
mod compatibility;
mod config;
mod diagnostic;
mod document;
mod hide;
mod json_template;
mod load;
mod parse;
mod policy;
mod quantity;
mod result_var;
mod scalar;
mod schema;
mod shape;
mod source;
#[cfg(test)]
mod testing;
mod tree;
mod typo;

pub use action::{ActionSpec, KNOWN_ACTIONS, OWN_ACTIONS, Phase, Terminating};
pub use cel::{EvalError, Issue, Program, Scope, Template};
pub use check::Checker;
pub use compatibility::document_compatibility;
pub use config::Config;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use document::{document_action, document_actions};
pub use json_template::JsonTemplate;
pub use load::{load, load_lenient};
pub use parse::{MAX_ALIASES, MAX_DEPTH, MAX_NODES, MAX_TEXT, parse};
pub use policy::{ActionDef, Expression, Loaded, Policy, Rule};
pub use quantity::{format_duration, parse_duration, parse_size};
pub use result_var::{Holds, ResultVar};
pub use schema::json_schema;
pub use shape::{CelScope, Field, KeyRule, Shape};
pub use source::{Location, Source};
pub use tree::{Key, Node, NodeValue};
