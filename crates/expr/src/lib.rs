//! CEL expressions and `${}` interpolation of a traffic policy. Pure: no I/O, no clock of its own.
//!
//! A [`Program`] is one expression, a [`Template`] a text with expressions in it. Both are compiled once, when a
//! policy is loaded, with every name checked for the [`Scope`] they stand in, and run on an [`Activation`] that
//! borrows the facts of one request.
//!
//! How it works: [`cel`] parses the text; `lower` turns the tree into one whose names are places in a table,
//! whose macros are loops and whose reads of engine data are soft; the interpreter of [`cel`] runs that, with
//! [`Value`] as its own type of values.

mod activation;
mod differences;
mod direct;
mod engine;
mod error;
mod facts;
mod functions;
mod issue;
mod limits;
mod lower;
mod natives;
mod nearest;
mod ops;
mod pred;
mod program;
mod reference;
mod scan;
mod scope;
mod slot;
mod template;
mod text;
mod val;
mod value;

pub use activation::{
    Activation, EndpointFacts, MissingSecret, NoSecrets, RequestFacts, ResponseFacts, RetryFacts,
    SecretSource, Trailers,
};
pub use differences::DIFFERENCES;
pub use error::{EvalError, EvalErrorKind};
pub use facts::{
    AddressFacts, AddressSource, Addresses, Certificate, ConnectionFacts, DistinguishedName, Extension,
    ParsedCertificate, Place, PodFacts, TlsFacts, Traffic,
};
pub use issue::Issue;
pub use limits::{MAX_DEPTH, MAX_LIST, MAX_SOURCE, MAX_STEPS, MAX_TEXT};
pub use nearest::nearest;
pub use program::{Facts, Program};
pub use reference::reference;
pub use scope::Scope;
pub use template::Template;
pub use value::{Entity, EntityKind, Map, Object, UnknownPrice, Value};

#[cfg(test)]
mod tests;
pub use functions::regex::compile_regex;
