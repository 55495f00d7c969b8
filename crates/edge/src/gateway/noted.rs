//! What is noted down of attempts: in the log, in the metrics of model and key, in what a key has left.

use super::Gateway;
use super::attempts::Try;
use super::cloud::Token;
use super::prepare::Prepared;
use super::receive::Failed;
use crate::action::RequestCx;
use crate::exchange::Record;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tollgate_dialect::{limits, tidy_names};
use tollgate_observe::AttemptOutcome;
use tollgate_select::{Candidate, Fault, Key, OutcomeClass, Quota, Sample};

impl Gateway {
    /// Says in the log why a key cannot be used: the client is not told of the gateway's own.
    pub(super) fn note_unusable(&self, request_id: &str, this: &Try<'_>, fault: &Fault) {
        if let Fault::UnusableKey { why, .. } = fault {
            let Candidate { provider, upstream_model, .. } = this.candidate;
            tracing::warn!(
                request_id, provider = %provider.id, model = %upstream_model, reason = &**why,
                "an API key cannot be used"
            );
            if let Some(runtime) = self.runtime.get(provider) {
                runtime.metrics.attempt(attempt_outcome(fault.class()), this.started.elapsed());
            }
        }
    }

    /// Notes a failed attempt where somebody will look for it.
    pub(super) fn note_failure(
        &self,
        cx: &mut RequestCx<'_>,
        this: &Try<'_>,
        token: Option<&Token>,
        failed: &Failed,
    ) {
        if let (Some(token), Some(401)) = (token, failed.fault.status()) {
            self.token_refused(token);
        }
        super::trace::attempt(cx.exchange, this.candidate, this.key, &failed.fault.label());
        cx.exchange.record.upstream_request_id = failed.request_id();
        self.record_failure(this, failed, &cx.exchange.request.id);
    }

    /// Counts a failed attempt: against the model, the key and the provider, each as far as it says something of it.
    fn record_failure(&self, this: &Try<'_>, failed: &Failed, request_id: &str) {
        let Candidate { provider, upstream_model, stats, .. } = this.candidate;
        let took = this.started.elapsed();
        let said = failed.said.as_ref().map_or("", |said| said.message.as_str());
        let said = this.key.map_or_else(|| said.into(), |key| super::report::blotted(said, key));
        tracing::info!(
            request_id, provider = %provider.id, model = %upstream_model, fault = %failed.fault.describe(),
            said = said.as_str(), took_ms = millis(took),
            "attempt failed"
        );
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
}

/// Says whose key it is that cannot be used.
pub(super) fn blamed(fault: Fault, prepared: &Prepared, this: &Try<'_>) -> Fault {
    match fault {
        Fault::UnusableKey { why, .. } => {
            let provider = &this.candidate.provider.id;
            let configured =
                prepared.keychain.iter().any(|chain| chain.provider == *provider && chain.configured);
            Fault::UnusableKey { why, configured }
        }
        other => other,
    }
}

/// Adds what the answer lost to what the request did.
pub(super) fn note_lost(record: &mut Record, lost: &[String]) {
    if !lost.is_empty() {
        record.dropped.extend_from_slice(lost);
        tidy_names(&mut record.dropped);
    }
}

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

pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
