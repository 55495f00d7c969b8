//! Tests of plans.

mod functions;
mod properties;
mod scenarios;
mod speed;
