//! What the access log and traces say of each attempt.

use super::Gateway;
use super::attempts::Try;
use super::relay::Relayed;
use super::tally::attempt_outcome;
use crate::client::Over;
use crate::exchange::{Ending, Exchange};
use std::time::Instant;
use tollgate_observe::{AttemptNote, AttemptOutcome, Sent};
use tollgate_select::{Candidate, Fault};

/// The reason of an attempt that was cut short because nobody waits for it any more.
const CLIENT_GONE: &str = "client_gone";
/// The reason of one that was cut short because the gateway stops.
const STOPPING: &str = "stopping";
/// The reason of one that was cut short because another attempt beside it was first.
const HEDGED_OUT: &str = "hedged_out";
/// The reason of an attempt whose answer had begun.
const INTERRUPTED: &str = "interrupted";
/// The reason of a candidate that is in doubt while another request tries it.
pub(super) const BREAKER_OPEN: &str = "breaker_open";

impl Gateway {
    /// An attempt that failed.
    pub(super) fn note_failed(&self, exchange: &mut Exchange, this: &Try<'_>, fault: &Fault) {
        let sent = Sent::new(attempt_outcome(fault.class()), this.started.elapsed());
        let note = AttemptNote { status: fault.status(), ..self.sent(this, Some(fault.kind()), sent) };
        exchange.record.tried.push(note);
    }

    /// An attempt whose request could not be made, such as for want of a token: what is no attempt at all is noted by
    /// whoever goes on to the next candidate.
    pub(super) fn note_unsent(&self, exchange: &mut Exchange, this: &Try<'_>, fault: &Fault) {
        if !fault.is_local() {
            self.note_failed(exchange, this, fault);
        }
    }

    /// An attempt that ended before there was an answer, because nobody waits for one any more.
    pub(super) fn note_over(&self, exchange: &mut Exchange, this: &Try<'_>, over: Over) {
        let reason = match over {
            Over::ClientGone => CLIENT_GONE,
            Over::Stopping => STOPPING,
        };
        self.note_cut(exchange, this, reason);
    }

    /// An attempt that was given up because another one beside it was first.
    pub(super) fn note_hedged_out(&self, exchange: &mut Exchange, this: &Try<'_>) {
        self.note_cut(exchange, this, HEDGED_OUT);
    }

    fn note_cut(&self, exchange: &mut Exchange, this: &Try<'_>, reason: &'static str) {
        let sent = Sent::new(AttemptOutcome::Neutral, this.started.elapsed());
        exchange.record.tried.push(self.sent(this, Some(reason), sent));
    }

    /// The attempt that was answered, when its answer is over.
    pub(super) fn note_answer(&self, exchange: &mut Exchange, this: &Try<'_>, relayed: &Relayed) {
        let (outcome, reason) = match relayed.ending {
            Ending::Truncated => (AttemptOutcome::Transient, Some(INTERRUPTED)),
            Ending::ClientGone => (AttemptOutcome::Success, Some(CLIENT_GONE)),
            _ => (AttemptOutcome::Success, None),
        };
        let usage = relayed.usage.unwrap_or_default();
        let first = relayed.first_content.filter(|_| relayed.stream);
        let sent = Sent {
            connect: relayed.began.and_then(|began| began.connected_in),
            head: relayed.began.map(|began| began.head_after),
            first_content: first.map(|at| at.saturating_duration_since(this.started)),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            ..Sent::new(outcome, this.started.elapsed())
        };
        let status = relayed.began.map(|began| began.status.as_u16());
        let note = AttemptNote { status, ..self.sent(this, reason, sent) };
        exchange.record.tried.push(note);
    }

    fn sent(&self, this: &Try<'_>, reason: Option<&'static str>, sent: Sent) -> AttemptNote {
        let Candidate { provider, upstream_model, .. } = this.candidate;
        let runtime = self.runtime.get(provider);
        AttemptNote {
            provider: runtime.map_or_else(|| provider.id.as_str().into(), |known| known.id.clone()),
            model: upstream_model.as_str().into(),
            server: runtime.and_then(|known| known.server.clone()),
            reason,
            status: None,
            at: this.started,
            sent: Some(sent),
        }
    }
}

/// A candidate that was passed over, with the word for why.
pub(super) fn not_sent(candidate: &Candidate, reason: &'static str) -> AttemptNote {
    AttemptNote {
        provider: candidate.provider.id.as_str().into(),
        model: candidate.upstream_model.as_str().into(),
        server: None,
        reason: Some(reason),
        status: None,
        at: Instant::now(),
        sent: None,
    }
}
