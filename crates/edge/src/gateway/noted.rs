//! What is noted down of attempts: in the log, in the metrics of model and key, in what a key has left.

use super::Gateway;
use super::attempts::Try;
use super::cloud::Token;
use super::prepare::Prepared;
use super::receive::Failed;
use super::tally::attempt_outcome;
use crate::exchange::{Exchange, Record};
use tollgate_dialect::tidy_names;
use tollgate_select::{Candidate, Fault};

impl Gateway {
    /// Says in the log why no request could be made with a key: the client is not told of the gateway's own. Gives the
    /// fault, with whose key it is.
    pub(super) fn note_unbuilt(
        &self,
        request_id: &str,
        prepared: &Prepared,
        this: &Try<'_>,
        fault: Fault,
    ) -> Fault {
        let fault = blamed(fault, prepared, this);
        if let Fault::UnusableKey { why, .. } = &fault {
            let Candidate { provider, upstream_model, .. } = this.candidate;
            tracing::warn!(
                request_id, provider = %provider.id, model = %upstream_model, reason = &**why,
                "an API key cannot be used"
            );
            if let Some(runtime) = self.runtime.get(provider) {
                runtime.metrics.attempt(attempt_outcome(fault.class()), this.started.elapsed());
            }
        }
        fault
    }

    /// Notes a failed attempt where somebody will look for it.
    pub(super) fn note_failure(
        &self,
        exchange: &mut Exchange,
        this: &Try<'_>,
        token: Option<&Token>,
        failed: &Failed,
    ) {
        if let (Some(token), Some(401)) = (token, failed.fault.status()) {
            self.token_refused(token);
        }
        super::trace::attempt(exchange, this.candidate, this.key, &failed.fault.label());
        exchange.record.upstream_request_id = failed.request_id();
        self.note_failed(exchange, this, &failed.fault);
        self.record_failure(this, failed, &exchange.request.id);
    }
}

/// Says whose key it is that cannot be used.
fn blamed(fault: Fault, prepared: &Prepared, this: &Try<'_>) -> Fault {
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
