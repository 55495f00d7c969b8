//! The walk through a plan: which attempt comes next, and what the client is told when none is left.
//!
//! One state machine for requests and for explaining them. It knows neither sockets nor time: the caller makes the
//! attempts and reports how they failed.

mod beside;
mod verdict;

#[cfg(test)]
mod tests;

pub use verdict::{Passthrough, Verdict, errlist};

use crate::fault::Fault;
use crate::plan::{Candidate, Plan};
use std::time::Duration;

/// What a policy says about failing over.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Attempts after which the walk ends, whatever is left. Default 25.
    pub max_attempts: usize,
    /// Statuses that end the walk at once (`stop_on_client_error`). Default none.
    pub stop_on: Vec<u16>,
    /// After a provider could not be reached, skip its other keys and models in this request. Default no.
    pub skip_unreachable: bool,
    /// What the client sees when everything failed.
    pub passthrough: Passthrough,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            max_attempts: 25,
            stop_on: Vec::new(),
            skip_unreachable: false,
            passthrough: Passthrough::Auto,
        }
    }
}

/// The next thing to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Index into [`Plan::candidates`].
    pub candidate: usize,
    /// Index into the keys of the candidate's provider; `None` means without a key.
    pub key: Option<usize>,
}

/// Something that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index into [`Plan::candidates`].
    pub candidate: usize,
    /// The key that was used.
    pub key: Option<usize>,
    /// Why it failed.
    pub fault: Fault,
    /// Whether a request was sent: `false` for a candidate that was passed over.
    pub sent: bool,
    /// `retry-after` of the answer, in seconds.
    pub retry_after_s: Option<u64>,
}

/// Why a walk is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing is left to try.
    Exhausted,
    /// There was more to try than `max_attempts` allows.
    Capped,
    /// A status of `stop_on`.
    Stopped,
    /// The time for the whole request is used up.
    TimedOut(Duration),
}

/// The state of one request's way through its plan.
#[derive(Debug)]
pub struct Walk<'p> {
    plan: &'p Plan,
    knobs: Knobs,
    /// The candidate at hand.
    at: usize,
    /// Candidates whose turn comes after all others, and how many of them had it.
    postponed: Vec<usize>,
    resumed: usize,
    /// Keys still to try for it; `None` before they were asked for.
    keys: Option<std::vec::IntoIter<Option<usize>>>,
    /// Whether anything was tried or noted for it.
    touched: bool,
    current: Option<Attempt>,
    /// An attempt under way beside the one at hand, and whether there ever was one.
    beside: Option<Attempt>,
    hedged: bool,
    /// Candidates whose other keys cannot fare better, known before their turn.
    spared: Vec<usize>,
    tried: Vec<Attempt>,
    /// Keys a provider answered 401 to.
    refused: Vec<(&'p str, usize)>,
    /// Accounts whose free models are used up.
    capped: Vec<(&'p str, usize)>,
    /// Keys that were waited for.
    patient: Vec<(&'p str, Option<usize>)>,
    unreachable: Vec<&'p str>,
    failures: Vec<Failure>,
    end: Option<End>,
}

/// What a failure holds for, beyond the attempt that met it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Nothing.
    #[default]
    Attempt,
    /// The model with every key: its provider limits it for everybody.
    Model,
    /// Every model with this key: it is not used again in this request.
    Key,
    /// Every `:free` model with this key.
    FreeModels,
}

impl<'p> Walk<'p> {
    /// Stands before the first candidate.
    #[must_use]
    pub fn new(plan: &'p Plan, knobs: Knobs) -> Self {
        Self {
            plan,
            knobs,
            at: 0,
            postponed: Vec::new(),
            resumed: 0,
            keys: None,
            touched: false,
            current: None,
            beside: None,
            hedged: false,
            spared: Vec::new(),
            tried: Vec::new(),
            refused: Vec::new(),
            capped: Vec::new(),
            patient: Vec::new(),
            unreachable: Vec::new(),
            failures: Vec::new(),
            end: None,
        }
    }

    /// The next attempt, or `None` when the walk is over.
    ///
    /// `keys` is asked once for each candidate, when its turn comes: for the keys to try, in order, as indexes that
    /// mean the same key for every model of a provider (`None` for "without a key"), or for why there are none.
    pub fn next(
        &mut self,
        mut keys: impl FnMut(&Candidate) -> Result<Vec<Option<usize>>, Fault>,
    ) -> Option<Attempt> {
        while self.end.is_none() {
            let Some(candidate) = self.plan.candidates.get(self.at) else {
                self.end = Some(End::Exhausted);
                break;
            };
            if self.keys.is_none() && !self.enter(candidate, &mut keys) {
                self.leave();
                continue;
            }
            let Some(attempt) = self.next_key(candidate) else {
                // One that was tried beside another has had its turn.
                if !self.touched && !self.tried.iter().any(|tried| tried.candidate == self.at) {
                    let capped =
                        candidate.is_free() && self.capped.iter().any(|(p, _)| *p == candidate.provider.id);
                    self.note(None, if capped { Fault::CappedBefore } else { Fault::KeyRefusedBefore });
                }
                self.leave();
                continue;
            };
            if self.tried.len() >= self.knobs.max_attempts {
                self.end = Some(End::Capped);
                break;
            }
            self.tried.push(attempt);
            self.touched = true;
            self.current = Some(attempt);
            return Some(attempt);
        }
        None
    }

    /// Takes the attempt last given back, unsent: its candidate comes again when all others have had their turn. Answers
    /// `false`, and changes nothing, when none is left, or when this one was put off before.
    pub fn postpone(&mut self) -> bool {
        let last = self.at + 1 >= self.plan.candidates.len() && self.resumed >= self.postponed.len();
        if last || self.current.is_none() || self.postponed.contains(&self.at) {
            return false;
        }
        self.current = None;
        self.tried.pop();
        self.postponed.push(self.at);
        self.leave();
        true
    }

    /// Reports that the attempt last given failed.
    pub fn failed(&mut self, fault: Fault) {
        self.failed_with(fault, None, Reach::Attempt);
    }

    /// Reports that the attempt last given failed, and gives it once more: the provider asked for a moment's patience.
    /// `None` when no attempts are left, or when this key was waited for before, with whatever model: what is under way
    /// at once is counted for the account. Then nothing was reported.
    pub fn again(&mut self, fault: Fault, retry_after_s: Option<u64>) -> Option<Attempt> {
        let attempt = self.current.filter(|_| self.tried.len() < self.knobs.max_attempts)?;
        let Attempt { candidate, key } = attempt;
        let plan = self.plan;
        let account = (plan.candidates.get(candidate)?.provider.id.as_str(), key);
        if self.patient.contains(&account) {
            return None;
        }
        self.patient.push(account);
        self.tried.push(attempt);
        self.failures.push(Failure { candidate, key, fault, sent: true, retry_after_s });
        Some(attempt)
    }

    /// Reports that the attempt last given failed, with the `retry-after` of its answer in seconds and what else the
    /// failure holds for.
    pub fn failed_with(&mut self, fault: Fault, retry_after_s: Option<u64>, reach: Reach) {
        if let Some(attempt) = self.current {
            self.failed_of(attempt, fault, retry_after_s, reach);
        }
    }

    /// The same of one of two attempts that are under way. The other one is at hand from then on.
    pub fn failed_of(&mut self, attempt: Attempt, fault: Fault, retry_after_s: Option<u64>, reach: Reach) {
        if !self.over(attempt) {
            return;
        }
        let Attempt { candidate: index, key } = attempt;
        let plan = self.plan;
        let Some(candidate) = plan.candidates.get(index) else { return };
        let sent = !fault.is_local();
        if !sent {
            self.take_back(attempt);
        }
        let provider = candidate.provider.id.as_str();
        match (reach, key) {
            (Reach::Key, Some(key)) => self.refused.push((provider, key)),
            (Reach::Model, _) => self.spare(index),
            (Reach::FreeModels, Some(key)) => self.capped.push((provider, key)),
            _ => {}
        }
        match (fault.status(), key) {
            (Some(401), Some(key)) => self.refused.push((provider, key)),
            // The same request with another key cannot fare better.
            (Some(400 | 404 | 413 | 422), _) => self.spare(index),
            _ => {}
        }
        if let (Fault::UnusableKey { .. }, Some(key)) = (&fault, key) {
            // Another key may be a good one.
            self.refused.push((provider, key));
        } else if !sent {
            self.spare(index);
        }
        if self.knobs.skip_unreachable && fault.is_unreachable() {
            self.unreachable.push(provider);
            self.spare(index);
        }
        if fault.status().is_some_and(|status| self.knobs.stop_on.contains(&status)) {
            self.end = Some(End::Stopped);
        }
        self.failures.push(Failure { candidate: index, key, fault, sent, retry_after_s });
    }

    /// Ends the walk because the time for the whole request, `total`, is used up.
    pub fn timed_out(&mut self, total: Duration) {
        self.end = Some(End::TimedOut(total));
    }

    /// Requests sent so far, the one under way included.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.tried.len()
    }

    /// What went wrong so far, in order.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// What went wrong so far, one line each: `[429] openai/gpt-4o: 429 Too Many Requests`.
    #[must_use]
    pub fn errlist(&self) -> String {
        errlist(self.plan, &self.failures)
    }

    /// What the client is told if no attempt succeeds.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        verdict::verdict(self)
    }

    /// Asks for the keys of a candidate. Answers `false` when it has nothing to try.
    fn enter(
        &mut self,
        candidate: &'p Candidate,
        keys: &mut impl FnMut(&Candidate) -> Result<Vec<Option<usize>>, Fault>,
    ) -> bool {
        if self.spared.contains(&self.at) {
            return false;
        }
        if self.unreachable.contains(&candidate.provider.id.as_str()) {
            self.note(None, Fault::UnreachableBefore);
            return false;
        }
        let fault = match keys(candidate) {
            Ok(keys) if !keys.is_empty() => {
                self.keys = Some(keys.into_iter());
                return true;
            }
            Ok(_) => Fault::NoKey,
            Err(fault) => fault,
        };
        self.note(None, fault);
        false
    }

    /// The next key of the candidate at hand that is neither refused nor used for the same model before.
    fn next_key(&mut self, candidate: &'p Candidate) -> Option<Attempt> {
        let mut keys = self.keys.take()?;
        let attempt = self.first_open(self.at, candidate, &mut keys);
        self.keys = Some(keys);
        attempt
    }

    /// The first of these keys that is neither refused nor used for the same model before.
    fn first_open(
        &self,
        index: usize,
        candidate: &Candidate,
        keys: &mut impl Iterator<Item = Option<usize>>,
    ) -> Option<Attempt> {
        let capped: &[(&str, usize)] = if candidate.is_free() { &self.capped } else { &[] };
        keys.map(|key| Attempt { candidate: index, key }).find(|attempt| {
            let refused = attempt.key.is_some_and(|key| {
                let own = (candidate.provider.id.as_str(), key);
                self.refused.contains(&own) || capped.contains(&own)
            });
            let repeated = self.tried.iter().any(|earlier| {
                earlier.key == attempt.key
                    && self.plan.candidates.get(earlier.candidate).is_some_and(|c| c.same_target(candidate))
            });
            !refused && !repeated
        })
    }

    /// Goes on to the next candidate.
    fn leave(&mut self) {
        let end = self.plan.candidates.len();
        if self.resumed == 0 && self.at + 1 < end {
            self.at += 1;
        } else {
            self.at = self.postponed.get(self.resumed).copied().unwrap_or(end);
            self.resumed += 1;
        }
        self.keys = None;
        self.touched = false;
    }

    /// Notes that a candidate was passed over.
    fn note(&mut self, key: Option<usize>, fault: Fault) {
        self.touched = true;
        self.failures.push(Failure { candidate: self.at, key, fault, sent: false, retry_after_s: None });
    }
}
