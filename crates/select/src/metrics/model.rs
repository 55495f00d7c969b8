//! The counters of one model at one provider.

use super::histogram::Histogram;
use super::registry::Clock;
use super::ring::{BUCKETS, ModelSlot, Outcomes, Ring};
use super::sample::Sample;
use crate::health::ModelHealth;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Gateway keys that are counted apart for one model.
const MAX_API_KEYS: usize = 64;

/// The counters of one model at one provider, over a rolling window.
#[derive(Debug)]
pub struct ModelStats {
    pub(super) provider: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) clock: Clock,
    pub(super) all: Window,
    pub(super) health: ModelHealth,
    /// By id of the gateway's own API keys.
    api_keys: RwLock<BTreeMap<Arc<str>, Arc<Window>>>,
}

/// One window behind its own lock; memory is taken when the first sample comes.
#[derive(Debug)]
pub(super) struct Window {
    bucket_ms: u64,
    version: AtomicU64,
    ring: Mutex<Option<Box<Ring<ModelSlot>>>>,
}

/// What a window says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Attempts.
    pub request_count: u64,
    /// Begin of the window, in seconds since the Unix epoch.
    pub start_time: u32,
    /// End of the window, in seconds since the Unix epoch.
    pub end_time: u32,
    /// Latencies.
    pub latency: Latencies,
    /// Shares of failed attempts.
    pub error_rate: ErrorRates,
    /// Tokens.
    pub tokens: Tokens,
}

/// Latencies of a window; zeros without attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Spent in the gateway.
    pub gateway: Latency,
    /// Until the whole answer was there.
    pub upstream: Latency,
    /// Until the first content of a stream; `None` when there were attempts but no streams.
    pub first_token: Option<Latency>,
    /// Between output tokens of a stream; `None` when there were attempts but no streams.
    pub per_token: Option<Latency>,
}

/// Mean and 95th percentile, in milliseconds. The percentile is exact to an eighth of its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The mean.
    pub avg: u32,
    /// The 95th percentile.
    pub p95: u32,
}

/// Shares of all attempts, from 0 to 1; zeros without attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorRates {
    /// Everything that was no 2xx or 3xx.
    pub total: f64,
    /// Timeouts.
    pub timeout: f64,
    /// 429.
    pub rate_limit: f64,
    /// 4xx except 429.
    pub client: f64,
    /// 5xx.
    pub server: f64,
}

/// Tokens of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Prompt tokens, as providers reported them.
    pub provider_input: u64,
    /// Output tokens, as providers reported them.
    pub provider_output: u64,
    /// Prompt tokens, as the gateway estimated them.
    pub estimated_input: u64,
    /// Output tokens, as the gateway estimated them.
    pub estimated_output: u64,
}

impl ModelStats {
    pub(super) fn new(
        provider: &str,
        model: &str,
        (bucket_ms, clock): (u64, Clock),
        health: ModelHealth,
    ) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            clock,
            all: Window::new(bucket_ms),
            health,
            api_keys: RwLock::default(),
        }
    }

    /// Counts an attempt.
    pub fn record(&self, sample: &Sample) {
        self.all.record(sample);
    }

    /// Counts an attempt, also under the gateway key the client used (`metrics.api_keys[id]`).
    pub fn record_for(&self, api_key: &str, sample: &Sample) {
        self.record(sample);
        if let Some(window) = self.api_key(api_key) {
            window.record(sample);
            return;
        }
        let mut keys = self.api_keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() < MAX_API_KEYS || keys.contains_key(api_key) {
            let fresh = || Arc::new(Window::new(self.all.bucket_ms));
            keys.entry(api_key.into()).or_insert_with(fresh).record(sample);
        }
    }

    /// Whether it is fit to be asked, and its provider.
    #[must_use]
    pub fn health(&self) -> &ModelHealth {
        &self.health
    }

    /// What the window that ends at `now_ms` (milliseconds since the Unix epoch) says.
    pub fn snapshot(&self, now_ms: u64) -> Snapshot {
        self.all.snapshot(now_ms)
    }

    /// A percentile (1 to 100) of the times until the first content of its answers, in milliseconds, and of how many
    /// answers: of streams, or of plain ones, which come as a whole. `None` without any.
    pub fn first_content(&self, percent: u8, streams: bool, now_ms: u64) -> Option<(u32, u32)> {
        let read = |slot: &ModelSlot| {
            let times = if streams { &slot.first_token } else { &slot.whole };
            Some((times.percentile(percent)?, times.count()))
        };
        self.all.totals(now_ms, read).flatten()
    }

    /// Grows with every attempt: equal versions mean equal counts, but for what time has forgotten.
    pub fn version(&self) -> u64 {
        self.all.version.load(Ordering::Relaxed)
    }

    /// The time that expressions see.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The window of one gateway key.
    pub(super) fn api_key(&self, id: &str) -> Option<Arc<Window>> {
        self.api_keys.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The gateway keys with a window.
    pub(super) fn api_key_ids(&self) -> Vec<Arc<str>> {
        self.api_keys.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Window {
    fn new(bucket_ms: u64) -> Self {
        Self { bucket_ms, version: AtomicU64::new(0), ring: Mutex::new(None) }
    }

    fn record(&self, sample: &Sample) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.get_or_insert_with(|| Box::new(Ring::new(self.bucket_ms, sample.at_ms))).add(sample);
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets `read` look at the totals, or answers `None` when nothing was ever recorded.
    pub(super) fn totals<R>(&self, now_ms: u64, read: impl FnOnce(&ModelSlot) -> R) -> Option<R> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.as_mut().map(|ring| read(ring.totals(now_ms)))
    }

    /// Begin and end of the window, in seconds since the Unix epoch.
    pub(super) fn span(&self, now_ms: u64) -> (u32, u32) {
        let head = now_ms / self.bucket_ms;
        let start = head.saturating_sub(BUCKETS as u64 - 1).saturating_mul(self.bucket_ms);
        (seconds(start), seconds(now_ms))
    }

    pub(super) fn snapshot(&self, now_ms: u64) -> Snapshot {
        let (start_time, end_time) = self.span(now_ms);
        let mut snapshot = self
            .totals(now_ms, Snapshot::of)
            .unwrap_or_else(|| Snapshot { latency: Latencies::none(), ..Snapshot::default() });
        snapshot.start_time = start_time;
        snapshot.end_time = end_time;
        snapshot
    }
}

impl Snapshot {
    fn of(slot: &ModelSlot) -> Self {
        let request_count = slot.outcomes.total();
        let latency = if request_count == 0 {
            Latencies::none()
        } else {
            Latencies {
                gateway: Latency::of(&slot.gateway).unwrap_or_default(),
                upstream: Latency::of(&slot.upstream).unwrap_or_default(),
                first_token: Latency::of(&slot.first_token),
                per_token: Latency::of(&slot.per_token),
            }
        };
        Self {
            request_count,
            start_time: 0,
            end_time: 0,
            latency,
            error_rate: ErrorRates::of(&slot.outcomes),
            tokens: Tokens {
                provider_input: slot.provider_input,
                provider_output: slot.provider_output,
                estimated_input: slot.estimated_input,
                estimated_output: slot.estimated_output,
            },
        }
    }
}

impl Latencies {
    /// A model without history reads as zeros, not as null.
    fn none() -> Self {
        let zero = Latency::default();
        Self { gateway: zero, upstream: zero, first_token: Some(zero), per_token: Some(zero) }
    }
}

impl Latency {
    pub(super) fn of(histogram: &Histogram) -> Option<Self> {
        Some(Self { avg: histogram.average()?, p95: histogram.p95()? })
    }
}

impl ErrorRates {
    /// The share of attempts that failed by the provider's fault: all but 4xx, for which client or key is to blame.
    #[must_use]
    pub fn provider(&self) -> f64 {
        (self.total - self.client - self.rate_limit).max(0.0)
    }

    pub(super) fn of(outcomes: &Outcomes) -> Self {
        let total = outcomes.total();
        Self {
            total: share(outcomes.failures(), total),
            timeout: share(outcomes.timeout, total),
            rate_limit: share(outcomes.rate_limit, total),
            client: share(outcomes.client, total),
            server: share(outcomes.server, total),
        }
    }
}

/// A share, 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(u32::MAX)
}
