//! A histogram without a lock.
//!
//! The library's own takes one lock for every observation, which all requests would share.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in seconds: from a cached answer on the same machine to a long reasoning request.
const BOUNDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Durations in seconds, in fixed buckets.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    buckets: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    sum_micros: AtomicU64,
}

/// Durations that one request counts for itself: what happens hundreds of times in it touches no memory that others do.
#[derive(Clone, Debug, Default)]
pub struct Durations {
    buckets: [u32; BOUNDS.len()],
    beyond: u32,
    sum_micros: u64,
}

impl Durations {
    /// Counts one duration.
    pub fn observe(&mut self, duration: Duration) {
        let slot = slot(duration);
        let bucket = slot.and_then(|slot| self.buckets.get_mut(slot)).unwrap_or(&mut self.beyond);
        *bucket = bucket.saturating_add(1);
        self.sum_micros = self.sum_micros.saturating_add(micros(duration));
    }
}

impl Histogram {
    /// Counts one duration.
    pub(super) fn observe(&self, duration: Duration) {
        let slot = slot(duration);
        let bucket = slot.and_then(|slot| self.0.buckets.get(slot)).unwrap_or(&self.0.beyond);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.0.sum_micros.fetch_add(micros(duration), Ordering::Relaxed);
    }

    /// Adds what a request has counted for itself.
    pub(super) fn add(&self, durations: &Durations) {
        for (bucket, count) in self.0.buckets.iter().zip(durations.buckets).filter(|(_, count)| *count > 0) {
            bucket.fetch_add(count.into(), Ordering::Relaxed);
        }
        self.0.beyond.fetch_add(durations.beyond.into(), Ordering::Relaxed);
        self.0.sum_micros.fetch_add(durations.sum_micros, Ordering::Relaxed);
    }
}

fn slot(duration: Duration) -> Option<usize> {
    let seconds = duration.as_secs_f64();
    BOUNDS.iter().position(|bound| seconds <= *bound)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut buckets: Vec<(f64, u64)> = BOUNDS
            .iter()
            .zip(&self.0.buckets)
            .map(|(bound, count)| (*bound, count.load(Ordering::Relaxed)))
            .collect();
        // The encoder writes f64::MAX as `+Inf`.
        buckets.push((f64::MAX, self.0.beyond.load(Ordering::Relaxed)));
        // Counted from the buckets read above, so that the last one and the count always agree.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_micros(self.0.sum_micros.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
