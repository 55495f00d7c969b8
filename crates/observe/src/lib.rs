//! What an operator sees: access log, metrics, traces, status page, operational log, requests in flight.
//!
//! Everything a request touches here is either a handle resolved at load time (atomics) or a push to a
//! bounded queue: nothing on the request path takes a lock that other requests hold, waits, or parses.

mod access_log;
mod admin;
mod attempts;
mod clock;
mod data_files;
mod in_flight;
mod lines;
mod logging;
mod metrics;
mod status;
mod traces;

pub use access_log::{
    AccessLog, AccessLogOptions, AccessRecord, ConnectionRecord, LogFormat, Outcome, PassedBytes,
};
pub use admin::{AdminAnswer, AdminState, AdminToken, respond};
pub use attempts::{AttemptNote, AttemptNotes, MAX_PASSED_OVER, MAX_SENT, Sent};
pub use clock::rfc3339_millis;
pub use data_files::DataFile;
pub use in_flight::{InFlight, InFlightGuard};
pub use logging::{LoggingError, flush_operational_log, init_tracing};
pub use metrics::{
    AttemptOutcome, BreakerDomain, BreakerStep, COST_PARTS, Cut, Durations, HandshakeFailure, HedgeResult,
    Hedges, MAX_PROVIDERS, Metrics, Overload, ProviderMetrics, Queue, Refusal, SpanCounters,
};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use status::{
    AccountStatus, EndpointStatus, KeyStatus, ModelCooldown, ModelStatus, ProviderStatus, ReloadError,
    RunState, Status, StatusSource, UpstreamStatus,
};
#[cfg(feature = "otel")]
pub use traces::{Bytes, Post, TraceSettings};
pub use traces::{RequestTrace, Traces, asks_for_traces};
