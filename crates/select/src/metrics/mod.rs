//! What the last minutes looked like, for each model at each provider and for each key.
//!
//! A [`Metrics`] lives as long as the process and survives policy reloads. Recording and reading touch only the
//! counters of one model or one key, so that requests for different models never wait for each other.

mod histogram;
mod key;
mod model;
mod registry;
mod ring;
mod sample;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

pub use key::{KeySnapshot, KeyStats, Quota, QuotaValues};
pub use model::{ErrorRates, Latencies, Latency, ModelStats, Snapshot, Tokens};
pub(crate) use registry::millis;
pub use registry::{Clock, Metrics};
pub use sample::{Sample, SampleOutcome};
