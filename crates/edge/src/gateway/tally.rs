//! What is counted of an attempt: for strategies, for metrics, for the access log.

use super::Gateway;
use super::attempts::Try;
use super::receive::Failed;
use super::relay::Relayed;
use crate::action::RequestCx;
use crate::clock::steady;
use crate::exchange::Ending;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tollgate_dialect::limits;
use tollgate_observe::AttemptOutcome;
use tollgate_select::{Candidate, Fault, Key, OutcomeClass, Quota, Sample, SampleOutcome};

/// What is known of a request when its answer begins.
pub(super) struct Timing {
    pub(super) started: Instant,
    pub(super) gateway_ms: u32,
    /// Bytes of the request's body.
    pub(super) asked: usize,
}

impl Gateway {
    /// Counts a failed attempt: against the model, the key and the provider, each as far as it says something of it.
    pub(super) fn record_failure(&self, this: &Try<'_>, failed: &Failed, request_id: &str) {
        let Candidate { provider, upstream_model, stats, .. } = this.candidate;
        let took = this.started.elapsed();
        let said = failed.said.as_ref().map_or("", |said| said.message.as_str());
        let said = this.key.map_or_else(|| said.into(), |key| super::report::blotted(said, key));
        tracing::info!(
            request_id, provider = %provider.id, model = %upstream_model, fault = %failed.fault.describe(),
            said = said.as_str(), took_ms = millis(took),
            "attempt failed"
        );
        if failed.fault == Fault::OutOfFiles {
            self.metrics.connections_not_opened.inc();
        }
        if let Some(outcome) = failed.fault.sample_outcome() {
            let gateway_ms =
                millis(this.started.saturating_duration_since(this.arrived).saturating_sub(this.waited));
            let sample = Sample {
                at_ms: now_ms(),
                outcome,
                upstream_ms: millis(took),
                gateway_ms,
                ..Sample::default()
            };
            stats.record(&sample);
            if let Some(key) = this.key {
                key.stats.record(&sample);
            }
        }
        if let (Some(key), Some(answer)) = (this.key, &failed.answer) {
            note_quota(key, &answer.headers);
        }
        if let Some(runtime) = self.runtime.get(provider) {
            runtime.metrics.attempt(attempt_outcome(failed.fault.class()), took);
        }
    }

    /// Counts an answer that is over.
    pub(super) fn record_answer(
        &self,
        cx: &mut RequestCx<'_>,
        this: &Try<'_>,
        relayed: &Relayed,
        timing: &Timing,
    ) {
        let took = this.started.elapsed();
        let usage = relayed.usage.unwrap_or_default();
        let first = relayed.first_content.map(|at| at.saturating_duration_since(this.started));
        let streamed = relayed.stream.then_some(first).flatten();
        let outcome = match relayed.ending {
            Ending::Truncated => SampleOutcome::Other,
            _ => SampleOutcome::Success,
        };
        let tokens = if usage.output_tokens > 0 { usage.output_tokens } else { relayed.content_frames };
        let writing = streamed.map(|first| took.saturating_sub(first));
        let sample = Sample {
            at_ms: now_ms(),
            outcome,
            upstream_ms: millis(took),
            gateway_ms: timing.gateway_ms,
            first_token_ms: streamed.map(millis),
            per_token_ms: writing
                .map(|writing| millis(writing) / u32::try_from(tokens.max(1)).unwrap_or(u32::MAX)),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            // Four bytes a token is the usual rule of thumb; counting exactly costs more than the request.
            estimated_input_tokens: timing.asked as u64 / 4,
            estimated_output_tokens: relayed.content_frames,
        };
        this.candidate.stats.record(&sample);
        self.note_ended(cx.exchange, this.candidate, relayed.ending);
        if let Some(key) = this.key {
            key.stats.record(&sample);
        }
        if let Some(runtime) = self.runtime.get(&this.candidate.provider) {
            let outcome = if relayed.ending == Ending::Truncated {
                AttemptOutcome::Transient
            } else {
                AttemptOutcome::Success
            };
            runtime.metrics.attempt(outcome, took);
            runtime.metrics.tokens(usage.input_tokens, usage.output_tokens);
            if let Some(first) = streamed {
                runtime.metrics.first_token(first);
                runtime.metrics.between_events(&relayed.between);
            }
        }
        self.note_answer(cx.exchange, this, relayed);
        let record = &mut cx.exchange.record;
        record.outcome = relayed.ending;
        record.stream = relayed.stream;
        (record.input_tokens, record.output_tokens) = (usage.input_tokens, usage.output_tokens);
        record.reasoning_tokens = usage.reasoning_tokens;
        let since_head = relayed.first_content.map(|at| at.saturating_duration_since(timing.started));
        record.first_token_ms = since_head.and_then(|d| u64::try_from(d.as_millis()).ok());
    }
}

/// Notes what a key's rate limits leave.
pub(super) fn note_quota(key: &Key, headers: &http::HeaderMap) {
    let now = SystemTime::now();
    let Some(seen) = limits::read(headers, now) else { return };
    let now_ms = now_ms();
    let at = |after: Option<Duration>| after.map(|after| now_ms + u64::from(millis(after)));
    let quota = Quota {
        limit_requests: seen.limit_requests,
        remaining_requests: seen.remaining_requests,
        reset_requests_at_ms: at(seen.reset_requests),
        limit_tokens: seen.limit_tokens,
        remaining_tokens: seen.remaining_tokens,
        reset_tokens_at_ms: at(seen.reset_tokens),
    };
    key.stats.set_quota(&quota, now_ms);
}

/// How metrics count an attempt.
pub(super) fn attempt_outcome(class: OutcomeClass) -> AttemptOutcome {
    match class {
        OutcomeClass::Success => AttemptOutcome::Success,
        OutcomeClass::Neutral => AttemptOutcome::Neutral,
        OutcomeClass::Key => AttemptOutcome::Key,
        OutcomeClass::Quota => AttemptOutcome::Quota,
        OutcomeClass::Transient => AttemptOutcome::Transient,
        OutcomeClass::Hard => AttemptOutcome::Hard,
    }
}

/// Milliseconds; more than fit are as many as fit.
pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Milliseconds since the Unix epoch, by a clock that nobody sets.
pub(super) fn now_ms() -> u64 {
    let since = steady().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
