//! From the names a client sends to an ordered plan of attempts: names, tiers, keys, health, metrics windows. Pure.
//!
//! A [`Universe`] is prepared once for each policy. For each request [`plan()`] turns an [`Ask`] into a [`Plan`],
//! [`order_keys`] says which keys of a candidate's provider are tried, and a [`Walk`] goes through both.
//! [`Metrics`] remember how attempts ended, for strategies to read.

mod entity;
mod error;
mod fault;
mod health;
mod hedge;
mod keys;
mod metrics;
mod names;
mod plan;
mod resolve;
#[cfg(test)]
mod testing;
mod universe;
mod walk;

pub use error::{Refusal, SelectError, kind_of_status, status_of_code};
pub use fault::{Fault, OutcomeClass, class_of_status};
pub use health::{
    Admission, Blow, Breaker, BreakerState, Change, Cooldowns, HealthKnobs, KeyHealth, ModelHealth, Probe,
    Resting, Spent, Standing, name_hash,
};
pub use hedge::{Allowance, HedgeAfter, HedgeKnobs, Reserved};
pub use keys::{
    Key, KeyError, KeyOrder, KeyReport, client_key_fits, is_gateway_key, is_placeholder, key_id, order_keys,
    trim_key,
};
pub use metrics::{
    Clock, ErrorRates, KeySnapshot, KeyStats, Latencies, Latency, Metrics, ModelStats, Quota, QuotaValues,
    Sample, SampleOutcome, Snapshot, Tokens,
};
pub use names::{
    AliasError, AliasRule, Aliases, BadParam, Effort, Leaf, NameTrace, Names, OnInvalid, ParamFields,
    ParamStyle, Replaced, Selector, UriOptions, UriParams, Verbosity,
};
pub use plan::{Candidate, Fallthrough, OnFailure, Order, Plan, Selection, Strategy, StrategyReport, plan};
pub use resolve::{Ask, RejectKind, Rejected};
pub use universe::{Options, ProviderOrder, Universe};
pub use walk::{Attempt, Failure, Knobs, Passthrough, Reach, Verdict, Walk, errlist};
