//! What is kept of the attempts of a request, for its line in the access log and its trace.

use crate::metrics::AttemptOutcome;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests sent upstream that are kept of one request; policies allow 25 where they say nothing else.
pub const MAX_SENT: usize = 32;
/// Candidates passed over that are kept of one request: a strategy may give hundreds.
pub const MAX_PASSED_OVER: usize = 16;

/// Something that was tried, or passed over.
#[derive(Clone, Debug)]
pub struct AttemptNote {
    /// The provider's id.
    pub provider: Arc<str>,
    /// The model as it was sent.
    pub model: Box<str>,
    /// The provider's host and port, as its URL has them.
    pub server: Option<Arc<str>>,
    /// Why there was no answer, as a word of a fixed list; `None`: there was one, whole.
    pub reason: Option<&'static str>,
    /// The status the provider answered with, or that the error in its answer names.
    pub status: Option<u16>,
    /// When it began, or was passed over.
    pub at: Instant,
    /// What was sent; `None` for a candidate that was passed over.
    pub sent: Option<Sent>,
}

/// A request that was sent to a provider.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it says about the provider.
    pub outcome: AttemptOutcome,
    /// To its last byte or its failure.
    pub took: Duration,
    /// Time to connect; `None` where a connection was there already, or none came about.
    pub connect: Option<Duration>,
    /// To the head of the answer.
    pub head: Option<Duration>,
    /// To the first content, of a stream.
    pub first_content: Option<Duration>,
    /// Tokens of the prompt, as reported; 0 where nothing is known.
    pub input_tokens: u64,
    /// Tokens of the answer, as reported; 0 where nothing is known.
    pub output_tokens: u64,
}

impl Sent {
    /// An attempt of whose answer nothing is known.
    #[must_use]
    pub fn new(outcome: AttemptOutcome, took: Duration) -> Self {
        Self {
            outcome,
            took,
            connect: None,
            head: None,
            first_content: None,
            input_tokens: 0,
            output_tokens: 0,
        }
    }
}

/// The attempts of one request in their order, bounded.
#[derive(Clone, Debug, Default)]
pub struct AttemptNotes {
    kept: Vec<AttemptNote>,
    omitted: u32,
}

impl AttemptNotes {
    /// Keeps a note, or counts it where there are too many.
    pub fn push(&mut self, note: AttemptNote) {
        let most = if note.sent.is_some() { MAX_SENT } else { MAX_PASSED_OVER };
        let alike = self.kept.iter().filter(|kept| kept.sent.is_some() == note.sent.is_some()).count();
        if alike < most {
            self.kept.push(note);
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }

    /// Those that are kept.
    #[must_use]
    pub fn kept(&self) -> &[AttemptNote] {
        &self.kept
    }

    /// How many are not.
    #[must_use]
    pub fn omitted(&self) -> u32 {
        self.omitted
    }

    /// The last request that was sent: the one that was answered, if any was.
    #[must_use]
    pub fn last_sent(&self) -> Option<&Sent> {
        self.kept.iter().rev().find_map(|note| note.sent.as_ref())
    }

    /// What of the time since `start` went by before the last request was sent, without the requests before it.
    #[must_use]
    pub fn before_last(&self, start: Instant) -> Option<Duration> {
        let last = self.kept.iter().rposition(|note| note.sent.is_some())?;
        let earlier = self.kept.iter().take(last).filter_map(|note| note.sent.as_ref());
        let tried: Duration = earlier.map(|sent| sent.took).sum();
        let at = self.kept.get(last)?.at;
        Some(at.saturating_duration_since(start).saturating_sub(tried))
    }

    /// Whether the number of attempts does not say everything: something failed or was passed over.
    #[must_use]
    pub fn worth_telling(&self) -> bool {
        self.kept.len() > 1 || self.kept.iter().any(|note| note.reason.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(sent: bool) -> AttemptNote {
        AttemptNote {
            provider: "p".into(),
            model: "m".into(),
            server: None,
            reason: (!sent).then_some("no_key"),
            status: None,
            at: Instant::now(),
            sent: sent.then(|| Sent::new(AttemptOutcome::Success, Duration::ZERO)),
        }
    }

    #[test]
    fn many_candidates_passed_over_do_not_crowd_out_the_attempts() {
        let mut notes = AttemptNotes::default();
        assert!(!notes.worth_telling() && notes.last_sent().is_none());
        for _ in 0..500 {
            notes.push(note(false));
        }
        assert!(notes.last_sent().is_none());
        notes.push(note(true));
        assert_eq!((notes.kept().len(), notes.omitted()), (MAX_PASSED_OVER + 1, 484));
        assert!(notes.last_sent().is_some() && notes.worth_telling());
        for _ in 0..100 {
            notes.push(note(true));
        }
        assert_eq!(notes.kept().len(), MAX_PASSED_OVER + MAX_SENT);
    }

    #[test]
    fn time_in_the_gateway_is_without_the_attempts() {
        let start = Instant::now();
        let mut notes = AttemptNotes::default();
        assert_eq!(notes.before_last(start), None);
        for (at, took) in [(2, 10), (15, 20), (40, 100)] {
            let sent = Sent::new(AttemptOutcome::Transient, Duration::from_millis(took));
            notes.push(AttemptNote { at: start + Duration::from_millis(at), sent: Some(sent), ..note(true) });
        }
        notes.push(note(false));
        assert_eq!(notes.before_last(start), Some(Duration::from_millis(10)));
    }

    #[test]
    fn one_good_attempt_is_nothing_to_tell_of() {
        let mut notes = AttemptNotes::default();
        notes.push(note(true));
        assert!(!notes.worth_telling());
    }
}
