//! The queue between requests and the collector: bounded, and what is lost is counted.
//!
//! The library's own processor does the batching on a thread of its own; it tells nobody how many spans it lost.

use super::client::Problem;
use crate::metrics::SpanCounters;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the log may say that the collector takes nothing.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Lets no more spans wait than there is room for.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) inner: BatchSpanProcessor,
    pub(super) waiting: Arc<AtomicUsize>,
    /// Spans that may wait, those that are being sent included.
    pub(super) most: usize,
    pub(super) counters: SpanCounters,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let room = |waiting| (waiting < self.most).then_some(waiting + 1);
        if self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_err() {
            self.counters.queue_full.inc();
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what an exporter takes and what it loses.
#[derive(Debug)]
pub(super) struct Counted<E> {
    pub(super) exporter: E,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) counters: SpanCounters,
    pub(super) problem: Problem,
    pub(super) complaint: Complaint,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::AcqRel);
        let count = u64::try_from(spans).unwrap_or(u64::MAX);
        if result.is_ok() {
            self.counters.exported.inc_by(count);
        } else {
            self.counters.export_failed.inc_by(count);
            if let Some(lost) = self.complaint.due(count, Instant::now()) {
                tracing::warn!(
                    spans = lost,
                    reason = self.problem.text(),
                    "the collector does not take traces; their spans are lost"
                );
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Says what is lost, but not with every batch.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    unsaid: AtomicU64,
    last: Mutex<Option<Instant>>,
}

impl Complaint {
    /// How many were lost since the last time, if it is time to say so again.
    fn due(&self, lost: u64, now: Instant) -> Option<u64> {
        let unsaid = self.unsaid.fetch_add(lost, Ordering::Relaxed) + lost;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.saturating_duration_since(last) < SAY_AGAIN) {
            return None;
        }
        *last = Some(now);
        self.unsaid.fetch_sub(unsaid, Ordering::Relaxed);
        Some(unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_collector_is_spoken_of_once_a_minute() {
        let (complaint, start) = (Complaint::default(), Instant::now());
        assert_eq!(complaint.due(5, start), Some(5));
        assert_eq!(complaint.due(7, start + SAY_AGAIN / 2), None);
        assert_eq!(complaint.due(1, start + SAY_AGAIN), Some(8));
    }
}
