//! Tests of whole expressions.

mod ai;
mod connection;
mod documented;
mod engine;
mod functions;
mod language;
mod limits;
mod names;
mod native;
mod reference;
mod templates;
mod world;
