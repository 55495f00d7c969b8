//! The labelled metrics and their registration.

use super::breakers::BreakerFamilies;
use super::handshake::HandshakeFailure;
use super::histogram::Histogram;
use super::provider::{AttemptOutcome, COST_PARTS, ProviderMetrics};
use crate::in_flight::InFlight;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// Surfaces with a label of their own, most frequent first; `other` stays last.
const SURFACES: [&str; 10] = [
    "chat-completions",
    "messages",
    "responses",
    "plain",
    "embeddings",
    "count-tokens",
    "completions",
    "generate-content",
    "models",
    "other",
];

/// Status classes; a request that ended before a status counts as `none`.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

type Labels<const N: usize> = [(&'static str, String); N];

/// Every metric with labels, and the gauges set here.
#[derive(Debug, Default)]
pub(super) struct Families {
    requests: Family<Labels<2>, Counter>,
    request_duration: Family<Labels<1>, Histogram>,
    attempts: Family<Labels<2>, Counter>,
    tokens: Family<Labels<2>, Counter>,
    cost: Family<Labels<1>, Counter>,
    cost_parts: Family<Labels<2>, Counter>,
    first_token: Family<Labels<1>, Histogram>,
    between_events: Family<Labels<1>, Histogram>,
    upstream: Family<Labels<1>, Histogram>,
    reloads: Family<Labels<1>, Counter>,
    handshakes: Family<Labels<1>, Counter>,
    spans_dropped: Family<Labels<1>, Counter>,
    pub(super) breakers: BreakerFamilies,
    pub(super) last_reload: Gauge,
}

impl Families {
    pub(super) fn register(registry: &mut Registry, version: &str) -> Self {
        let all = Self::default();
        let build = Info::new([("version", label(version))]);
        registry.register("build", "The version that runs", build);
        registry.register("requests", "Finished requests by surface and status class", all.requests.clone());
        for (name, help, family) in [
            ("request_duration", "From request head to the last byte to the client", &all.request_duration),
            (
                "time_to_first_token",
                "From the start of an attempt to the first content of its stream",
                &all.first_token,
            ),
            (
                "time_between_events",
                "From one event with content to the next, in streams that are over",
                &all.between_events,
            ),
            ("upstream_duration", "One attempt, from sending to its last byte or failure", &all.upstream),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
        registry.register("attempts", "Requests sent to providers, by outcome", all.attempts.clone());
        registry.register("tokens", "Tokens by provider and direction", all.tokens.clone());
        registry.register(
            "cost_micro_usd",
            "Cost of attempts in millionths of a US dollar, as far as it is known",
            all.cost.clone(),
        );
        registry.register(
            "cost_part_micro_usd",
            "Parts of that cost by the price book, in millionths of a US dollar",
            all.cost_parts.clone(),
        );
        all.breakers.register(registry);
        registry.register("reloads", "Policy loads by result", all.reloads.clone());
        registry.register_with_unit(
            "last_good_reload",
            "When the live policy was loaded, in Unix time",
            Unit::Seconds,
            all.last_reload.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "Handshakes of clients that did not come about, by reason",
            all.handshakes.clone(),
        );
        registry.register(
            "spans_dropped",
            "Spans of traces that were lost, by reason",
            all.spans_dropped.clone(),
        );
        for failure in HandshakeFailure::ALL {
            let _ = all.handshakes(failure);
        }
        for good in [true, false] {
            // Both series exist from the start, so that a rate over the first failure is not lost.
            let _ = all.reloads.get_or_create_owned(&[("result", reload_result(good).to_owned())]);
        }
        all
    }

    pub(super) fn surfaces(&self) -> Vec<Surface> {
        let classes = |name: &str| {
            CLASSES.map(|class| {
                let labels = [("surface", name.to_owned()), ("status", class.to_owned())];
                self.requests.get_or_create_owned(&labels)
            })
        };
        let surface = |name: &'static str| Surface {
            name,
            requests: classes(name),
            duration: self.request_duration.get_or_create_owned(&[("surface", name.to_owned())]),
        };
        SURFACES.into_iter().map(surface).collect()
    }

    pub(super) fn provider(&self, id: &str) -> ProviderMetrics {
        let id = label(id);
        let tokens = |direction: &str| {
            self.tokens.get_or_create_owned(&[("provider", id.clone()), ("direction", direction.to_owned())])
        };
        ProviderMetrics {
            attempts: AttemptOutcome::ALL.map(|outcome| {
                let labels = [("provider", id.clone()), ("outcome", outcome.name().to_owned())];
                self.attempts.get_or_create_owned(&labels)
            }),
            input_tokens: tokens("input"),
            output_tokens: tokens("output"),
            cost: self.cost.get_or_create_owned(&[("provider", id.clone())]),
            cost_parts: COST_PARTS.map(|part| {
                self.cost_parts.get_or_create_owned(&[("provider", id.clone()), ("part", part.to_owned())])
            }),
            first_token: self.first_token.get_or_create_owned(&[("provider", id.clone())]),
            between_events: self.between_events.get_or_create_owned(&[("provider", id.clone())]),
            upstream: self.upstream.get_or_create_owned(&[("provider", id.clone())]),
            breakers: self.breakers.provider(&id),
            label: id,
        }
    }

    pub(super) fn spans_dropped(&self, reason: &'static str) -> Counter {
        self.spans_dropped.get_or_create_owned(&[("reason", reason.to_owned())])
    }

    fn handshakes(&self, failure: HandshakeFailure) -> Counter {
        self.handshakes.get_or_create_owned(&[("reason", failure.name().to_owned())])
    }

    pub(super) fn handshake_failed(&self, failure: HandshakeFailure) {
        self.handshakes(failure).inc();
    }

    pub(super) fn reload(&self, good: bool) {
        self.reloads.get_or_create(&[("result", reload_result(good).to_owned())]).inc();
    }
}

/// One surface's counters.
#[derive(Debug)]
pub(super) struct Surface {
    pub(super) name: &'static str,
    requests: [Counter; CLASSES.len()],
    duration: Histogram,
}

impl Surface {
    pub(super) fn count(&self, status: Option<u16>, took: Duration) {
        let class = status.map_or(0, |status| usize::from(status / 100));
        if let Some(counter) = self.requests.get(class).or_else(|| self.requests.first()) {
            counter.inc();
        }
        self.duration.observe(took);
    }
}

/// Reads the counter of requests in flight when somebody asks.
#[derive(Debug)]
pub(super) struct InFlightCollector(pub(super) Arc<InFlight>);

impl Collector for InFlightCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(i64::try_from(self.0.count()).unwrap_or(i64::MAX));
        let metric = encoder.encode_descriptor(
            "requests_in_flight",
            "Requests being served",
            None,
            gauge.metric_type(),
        )?;
        gauge.encode(metric)
    }
}

fn reload_result(good: bool) -> &'static str {
    if good { "ok" } else { "error" }
}

/// A label's value; characters that would need escaping in the text format are replaced.
fn label(value: &str) -> String {
    value.chars().map(|c| if c.is_control() || matches!(c, '"' | '\\') { '_' } else { c }).collect()
}
