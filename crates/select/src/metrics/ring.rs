//! A rolling window: equal buckets in a ring, and running totals over all of them.
//!
//! Totals are kept up to date when a bucket is filled or forgotten, so that reading costs no walk over the ring.

use super::histogram::Histogram;
use super::sample::{Sample, SampleOutcome};

/// Buckets of a window.
pub(super) const BUCKETS: usize = 10;

/// What one bucket counts.
pub(super) trait Slot: Default {
    /// Counts a sample.
    fn add(&mut self, sample: &Sample);
    /// Takes back everything `other` holds.
    fn subtract(&mut self, other: &Self);
}

/// Attempts by outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcomes {
    pub(super) success: u64,
    pub(super) timeout: u64,
    pub(super) rate_limit: u64,
    pub(super) client: u64,
    pub(super) server: u64,
    pub(super) other: u64,
}

impl Outcomes {
    /// All attempts.
    pub(super) fn total(&self) -> u64 {
        self.success + self.failures()
    }

    /// All attempts that did not succeed.
    pub(super) fn failures(&self) -> u64 {
        self.timeout + self.rate_limit + self.client + self.server + self.other
    }
}

impl Slot for Outcomes {
    fn add(&mut self, sample: &Sample) {
        let counter = match sample.outcome {
            SampleOutcome::Success => &mut self.success,
            SampleOutcome::Timeout => &mut self.timeout,
            SampleOutcome::RateLimit => &mut self.rate_limit,
            SampleOutcome::Client => &mut self.client,
            SampleOutcome::Server => &mut self.server,
            SampleOutcome::Other => &mut self.other,
            SampleOutcome::Outlasted => return,
        };
        *counter += 1;
    }

    fn subtract(&mut self, other: &Self) {
        self.success = self.success.saturating_sub(other.success);
        self.timeout = self.timeout.saturating_sub(other.timeout);
        self.rate_limit = self.rate_limit.saturating_sub(other.rate_limit);
        self.client = self.client.saturating_sub(other.client);
        self.server = self.server.saturating_sub(other.server);
        self.other = self.other.saturating_sub(other.other);
    }
}

/// Everything that is counted for a model.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelSlot {
    pub(super) outcomes: Outcomes,
    pub(super) gateway: Histogram,
    pub(super) upstream: Histogram,
    pub(super) first_token: Histogram,
    /// Until plain answers were there: their first content.
    pub(super) whole: Histogram,
    pub(super) per_token: Histogram,
    pub(super) provider_input: u64,
    pub(super) provider_output: u64,
    pub(super) estimated_input: u64,
    pub(super) estimated_output: u64,
}

impl Slot for ModelSlot {
    fn add(&mut self, sample: &Sample) {
        if matches!(sample.outcome, SampleOutcome::Success | SampleOutcome::Outlasted) && !sample.streamed() {
            self.whole.add(sample.upstream_ms);
        }
        if sample.outcome == SampleOutcome::Outlasted {
            if let Some(ms) = sample.first_token_ms {
                self.first_token.add(ms);
            }
            return;
        }
        self.outcomes.add(sample);
        self.gateway.add(sample.gateway_ms);
        self.upstream.add(sample.upstream_ms);
        if let Some(ms) = sample.first_token_ms {
            self.first_token.add(ms);
        }
        if let Some(ms) = sample.per_token_ms {
            self.per_token.add(ms);
        }
        self.provider_input = self.provider_input.saturating_add(sample.input_tokens);
        self.provider_output = self.provider_output.saturating_add(sample.output_tokens);
        self.estimated_input = self.estimated_input.saturating_add(sample.estimated_input_tokens);
        self.estimated_output = self.estimated_output.saturating_add(sample.estimated_output_tokens);
    }

    fn subtract(&mut self, other: &Self) {
        self.outcomes.subtract(&other.outcomes);
        self.gateway.subtract(&other.gateway);
        self.upstream.subtract(&other.upstream);
        self.first_token.subtract(&other.first_token);
        self.whole.subtract(&other.whole);
        self.per_token.subtract(&other.per_token);
        self.provider_input = self.provider_input.saturating_sub(other.provider_input);
        self.provider_output = self.provider_output.saturating_sub(other.provider_output);
        self.estimated_input = self.estimated_input.saturating_sub(other.estimated_input);
        self.estimated_output = self.estimated_output.saturating_sub(other.estimated_output);
    }
}

/// The window itself.
#[derive(Debug)]
pub(super) struct Ring<S> {
    bucket_ms: u64,
    buckets: [S; BUCKETS],
    totals: S,
    /// Number of the newest bucket, counted from the Unix epoch.
    head: u64,
}

impl<S: Slot> Ring<S> {
    /// An empty window whose newest bucket holds `now_ms`.
    pub(super) fn new(bucket_ms: u64, now_ms: u64) -> Self {
        let bucket_ms = bucket_ms.max(1);
        Self {
            bucket_ms,
            buckets: std::array::from_fn(|_| S::default()),
            totals: S::default(),
            head: now_ms / bucket_ms,
        }
    }

    /// Counts a sample in the bucket of its time; one that is late by less than a window counts as now.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.advance(sample.at_ms);
        self.totals.add(sample);
        let index = index_of(self.head);
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.add(sample);
        }
    }

    /// The totals of the window that ends at `now_ms`.
    pub(super) fn totals(&mut self, now_ms: u64) -> &S {
        self.advance(now_ms);
        &self.totals
    }

    /// Forgets what is older than a window. A clock set back by more than a window empties it: otherwise it would
    /// keep its samples until the old time is reached again.
    fn advance(&mut self, now_ms: u64) {
        let epoch = now_ms / self.bucket_ms;
        if epoch.abs_diff(self.head) >= BUCKETS as u64 {
            *self = Self::new(self.bucket_ms, now_ms);
            return;
        }
        while self.head < epoch {
            self.head += 1;
            let index = index_of(self.head);
            if let Some(bucket) = self.buckets.get_mut(index) {
                self.totals.subtract(&std::mem::take(bucket));
            }
        }
    }
}

/// The place of a bucket in the ring.
fn index_of(epoch: u64) -> usize {
    usize::try_from(epoch % BUCKETS as u64).unwrap_or(0)
}
