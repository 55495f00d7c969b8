//! Counters for Prometheus.
//!
//! Labels are bounded: surfaces and outcomes are fixed lists, providers are those a policy names, never a name
//! a client sends.

mod breakers;
mod families;
mod handshake;
mod hedges;
mod histogram;
mod overload;
mod process;
mod provider;

#[cfg(test)]
mod tests;

pub use breakers::{BreakerDomain, BreakerStep};
pub use handshake::HandshakeFailure;
pub use hedges::{HedgeResult, Hedges};
pub use histogram::Durations;
pub use overload::{Cut, Overload, Queue, Refusal};
pub use provider::{AttemptOutcome, COST_PARTS, ProviderMetrics};

use crate::clock;
use crate::in_flight::InFlight;
use crate::status::ProviderStatus;
use families::{Families, InFlightCollector, Surface};
use process::ProcessCollector;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Providers with a label of their own; later ones share `other`.
pub const MAX_PROVIDERS: usize = 64;

/// The label of providers beyond [`MAX_PROVIDERS`].
const OTHER: &str = "other";

/// The content type of [`Metrics::encode`], as OpenMetrics 1.0 defines it.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Names without `tollgate_`.
    process: Registry,
    families: Families,
    surfaces: Vec<Surface>,
    /// Locked when a policy is loaded, not by requests.
    providers: Mutex<HashMap<String, Arc<ProviderMetrics>>>,
    in_flight: Arc<InFlight>,
    /// Attempts made because an earlier one of the same request failed.
    pub failovers: Counter,
    /// Lines of the access log that were lost. Clone it into `AccessLogOptions::dropped`.
    pub access_log_dropped: Counter,
    /// Bytes of request bodies held in memory.
    pub buffered_bytes: Gauge,
    /// How often there was no file descriptor, or no memory, for a connection to a provider or server.
    pub connections_not_opened: Counter,
    /// Seconds in which there was no file descriptor for connections of clients.
    pub out_of_files_seconds: Counter,
    /// Events of streams longer than the frame limit, passed through without metering.
    pub oversized_frames: Counter,
    /// Connections, queues, and who was turned away.
    pub overload: Overload,
    /// Second attempts beside slow ones.
    pub hedges: Hedges,
    /// Spans of traces.
    pub spans: SpanCounters,
}

/// What became of the spans of traces.
#[derive(Clone, Debug)]
pub struct SpanCounters {
    /// A collector has taken them.
    pub exported: Counter,
    /// Lost, because too many waited for the collector.
    pub queue_full: Counter,
    /// Lost, because the collector did not take them.
    pub export_failed: Counter,
}

impl Metrics {
    /// A fresh set for this version of the program.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("tollgate");
        let families = Families::register(&mut registry, version);
        let in_flight = Arc::new(InFlight::default());
        registry.register_collector(Box::new(InFlightCollector(Arc::clone(&in_flight))));
        let surfaces = families.surfaces();
        let mut process = Registry::with_prefix("process");
        process.register_collector(Box::new(ProcessCollector));
        let spans = SpanCounters {
            exported: Counter::default(),
            queue_full: families.spans_dropped("queue_full"),
            export_failed: families.spans_dropped("export_failed"),
        };
        let overload = Overload::register(&mut registry);
        let hedges = Hedges::register(&mut registry);
        let metrics = Self {
            surfaces,
            families,
            providers: Mutex::default(),
            in_flight,
            failovers: Counter::default(),
            access_log_dropped: Counter::default(),
            buffered_bytes: Gauge::default(),
            connections_not_opened: Counter::default(),
            out_of_files_seconds: Counter::default(),
            oversized_frames: Counter::default(),
            spans,
            process,
            overload,
            hedges,
            registry,
        };
        metrics.register_singles()
    }

    /// The counter of requests in flight, shown as `tollgate_requests_in_flight`.
    #[must_use]
    pub fn in_flight(&self) -> &Arc<InFlight> {
        &self.in_flight
    }

    /// Counts a finished request. `surface` is the name of an API surface (`chat-completions`, ...) or `plain`
    /// for traffic that is not AI traffic; other names are counted as `other`. `status` is the one sent to the
    /// client, `None` when there was none.
    pub fn request(&self, surface: &str, status: Option<u16>, took: Duration) {
        let known = self.surfaces.iter().find(|known| known.name == surface);
        if let Some(surface) = known.or_else(|| self.surfaces.last()) {
            surface.count(status, took);
        }
    }

    /// The counters of a provider. Call it when a policy is loaded and keep the handle.
    ///
    /// The first [`MAX_PROVIDERS`] ids of the process get a label of their own.
    #[must_use]
    pub fn provider(&self, id: &str) -> Arc<ProviderMetrics> {
        let mut known = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = known.get(id) {
            return Arc::clone(metrics);
        }
        let own = known.keys().filter(|id| *id != OTHER).count();
        let id = if own < MAX_PROVIDERS { id } else { OTHER };
        let metrics = known.entry(id.to_owned()).or_insert_with(|| Arc::new(self.families.provider(id)));
        Arc::clone(metrics)
    }

    /// Counts an attempt to load a policy or configuration, and remembers when the last good one was.
    pub fn reload(&self, good: bool, now: SystemTime) {
        self.families.reload(good);
        if good {
            self.families.last_reload.set(clock::unix_seconds(now));
        }
    }

    /// Counts a TLS handshake of a client that did not come about.
    pub fn handshake_failed(&self, failure: HandshakeFailure) {
        self.families.handshake_failed(failure);
    }

    /// Shows which circuit breakers are open, as the status page does. To be called before [`Self::encode`].
    pub fn show_breakers(&self, providers: &[ProviderStatus]) {
        let known = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let label = |id: &str| known.get(id).map_or(OTHER, |metrics| metrics.label()).to_owned();
        self.families.breakers.show(providers, label);
    }

    /// Everything as OpenMetrics text, which Prometheus reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::with_capacity(32 * 1024);
        // Writing to a String cannot fail, and no metric of ours reports an error.
        let _ = text::encode_registry(&mut out, &self.registry)
            .and_then(|()| text::encode_registry(&mut out, &self.process))
            .and_then(|()| text::encode_eof(&mut out));
        out
    }

    fn register_singles(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "failovers",
            "Attempts made because an earlier attempt of the request failed",
            self.failovers.clone(),
        );
        registry.register(
            "access_log_dropped_lines",
            "Lines of the access log that were lost",
            self.access_log_dropped.clone(),
        );
        registry.register(
            "connections_not_opened",
            "Times there was no file descriptor or memory for a connection to a provider or server",
            self.connections_not_opened.clone(),
        );
        registry.register(
            "out_of_files_seconds",
            "Seconds in which there was no file descriptor for connections of clients",
            self.out_of_files_seconds.clone(),
        );
        registry.register(
            "buffered_body_bytes",
            "Bytes of request bodies held in memory",
            self.buffered_bytes.clone(),
        );
        registry.register(
            "oversized_stream_frames",
            "Stream events longer than the frame limit, passed through unmetered",
            self.oversized_frames.clone(),
        );
        registry.register(
            "spans_exported",
            "Spans of traces that a collector has taken",
            self.spans.exported.clone(),
        );
        self
    }
}
