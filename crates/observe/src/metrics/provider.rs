//! What is counted for each provider.

use super::breakers::{BreakerCounters, BreakerDomain, BreakerStep};
use super::histogram::{Durations, Histogram};
use prometheus_client::metrics::counter::Counter;
use std::time::Duration;

/// How one request to a provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// A usable answer.
    Success,
    /// Says nothing about the provider: the client left, or its request was wrong.
    Neutral,
    /// The key was refused.
    Key,
    /// The quota is used up.
    Quota,
    /// A fault that may pass: timeout, reset, 5xx.
    Transient,
    /// A fault that will not pass by itself: no such host, bad certificate.
    Hard,
}

impl AttemptOutcome {
    /// Every outcome, in the order of the counters.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Neutral, Self::Key, Self::Quota, Self::Transient, Self::Hard];

    /// The label's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Neutral => "neutral",
            Self::Key => "key",
            Self::Quota => "quota",
            Self::Transient => "transient",
            Self::Hard => "hard",
        }
    }
}

/// The parts of a cost, in the order in which they are counted.
pub const COST_PARTS: [&str; 9] =
    ["input", "output", "cached", "cache_write", "reasoning", "audio", "image", "request", "tools"];

/// One provider's counters, resolved once per policy load and shared by its requests.
#[derive(Debug)]
pub struct ProviderMetrics {
    pub(super) label: String,
    pub(super) attempts: [Counter; AttemptOutcome::ALL.len()],
    pub(super) input_tokens: Counter,
    pub(super) output_tokens: Counter,
    pub(super) cost: Counter,
    pub(super) cost_parts: [Counter; COST_PARTS.len()],
    pub(super) first_token: Histogram,
    pub(super) between_events: Histogram,
    pub(super) upstream: Histogram,
    pub(super) breakers: BreakerCounters,
}

impl ProviderMetrics {
    /// The value of the `provider` label: the id, or `other` beyond the limit.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Counts one attempt and how long the provider took over it, to its last byte or its failure.
    pub fn attempt(&self, outcome: AttemptOutcome, took: Duration) {
        if let Some(counter) = self.attempts.get(outcome as usize) {
            counter.inc();
        }
        self.upstream.observe(took);
    }

    /// Counts a change of a circuit breaker.
    pub fn breaker(&self, domain: BreakerDomain, step: BreakerStep) {
        self.breakers.moved(domain, step);
    }

    /// Counts that a model or a key is left alone because its quota is used up.
    pub fn cooled(&self, domain: BreakerDomain) {
        self.breakers.cooled(domain);
    }

    /// Counts tokens of an answer.
    pub fn tokens(&self, input: u64, output: u64) {
        self.input_tokens.inc_by(input);
        self.output_tokens.inc_by(output);
    }

    /// Adds the cost of an attempt, in millionths of a US dollar.
    pub fn cost(&self, micros: u64) {
        self.cost.inc_by(micros);
    }

    /// Adds the parts of a cost by the price book, in millionths of a US dollar and in the order of [`COST_PARTS`].
    pub fn cost_parts(&self, micros: &[u64; COST_PARTS.len()]) {
        for (counter, micros) in self.cost_parts.iter().zip(micros).filter(|(_, micros)| **micros > 0) {
            counter.inc_by(*micros);
        }
    }

    /// Time from the start of an attempt to the first content of its stream.
    pub fn first_token(&self, after: Duration) {
        self.first_token.observe(after);
    }

    /// Times between the events of a stream that is over.
    pub fn between_events(&self, times: &Durations) {
        self.between_events.add(times);
    }
}
