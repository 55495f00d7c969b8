//! Tests of whole expressions.

mod ai;
mod engine;
mod functions;
mod language;
mod limits;
mod names;
mod native;
mod templates;
mod world;
