//! A circuit breaker: closed, open, half-open with one probe.

use super::knobs::HealthKnobs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Models that have to fail, with no success of the provider in between, before the provider itself is to blame.
const MODELS_TO_BLAME: usize = 3;
/// A clock this much before the moment of an opening was set back: waiting for it would take for ever.
const SET_BACK_MS: u64 = 60_000;

/// The breaker of one target: a provider, a model at a provider, or a key.
///
/// Time is milliseconds since the Unix epoch, passed in. While nothing has failed, [`Self::is_closed`] and
/// [`Self::succeeded`] are one relaxed load each; everything else takes the target's own lock.
#[derive(Debug)]
pub struct Breaker {
    /// Whether it counts at all. Counters beyond the bound of the register are thrown away with their request.
    watched: bool,
    /// Until when it is open; 0 when it is closed.
    until_ms: AtomicU64,
    /// Whether anything but successes was counted.
    troubled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// Answers that broke off since the last whole one.
    cut: u32,
    /// The window of the share: it begins with a failure.
    began_ms: u64,
    good: u32,
    bad: u32,
    /// Models that failed since the last success, and how often.
    models: Vec<u64>,
    of_models: u32,
    /// Openings since it was last closed.
    openings: u32,
    opened_ms: u64,
    /// Opened by the failures of several models.
    by_models: bool,
    /// The ticket of the probe under way; 0 without one.
    probe: u64,
    tickets: u64,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// An attempt failed before its first content.
    Failure,
    /// An answer broke off after its first content.
    Cut,
    /// A failure that needs no second one, such as a key that is refused.
    AtOnce,
    /// A model failed at a provider that could be reached; `None` for a model that says nothing of it.
    Model(Option<u64>),
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerState {
    /// All is well.
    #[default]
    Closed,
    /// The cooldown is over: one request tries.
    HalfOpen,
    /// It cools down.
    Open,
}

impl BreakerState {
    /// The word in `/status` and in expressions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// What is known of a breaker at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: BreakerState,
    /// Milliseconds until it is tried again; 0 when it is not open.
    pub left_ms: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// Whether requests should go elsewhere: it is open, or somebody else is trying it.
    pub rests: bool,
}

/// A change worth a line in the log and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It opened, for so many milliseconds.
    Opened(u64),
    /// It closed.
    Closed,
}

/// Whether a request may go to a target.
#[derive(Debug)]
pub enum Admission {
    /// It is closed.
    Free,
    /// It is half-open, and this request is the one that tries.
    Probe(Probe),
    /// It is open, or somebody else is trying it.
    Resting,
}

/// The right to try a half-open target. Given back when it is dropped, whatever became of the request.
#[derive(Debug)]
pub struct Probe {
    breaker: Arc<Breaker>,
    ticket: u64,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if state.probe == self.ticket {
            state.probe = 0;
        }
    }
}

impl Breaker {
    pub(crate) fn new(watched: bool) -> Self {
        Self {
            watched,
            until_ms: AtomicU64::new(0),
            troubled: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Whether all is well.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.until_ms.load(Ordering::Relaxed) == 0
    }

    /// What is known now.
    #[must_use]
    pub fn standing(&self, now_ms: u64) -> Standing {
        if !self.troubled.load(Ordering::Relaxed) {
            return Standing::default();
        }
        let state = self.lock();
        let left_ms = self.left_ms(&state, now_ms);
        let open = !self.is_closed();
        Standing {
            state: match (open, left_ms) {
                (false, _) => BreakerState::Closed,
                (true, 0) => BreakerState::HalfOpen,
                (true, _) => BreakerState::Open,
            },
            left_ms,
            failures: state.failures,
            rests: open && (left_ms > 0 || state.probe != 0),
        }
    }

    /// Asks whether a request may go there. The first one after the cooldown gets the probe.
    #[must_use]
    pub fn admit(self: &Arc<Self>, now_ms: u64) -> Admission {
        if self.is_closed() {
            return Admission::Free;
        }
        let mut state = self.lock();
        if self.is_closed() {
            return Admission::Free;
        }
        if self.left_ms(&state, now_ms) > 0 || state.probe != 0 {
            return Admission::Resting;
        }
        state.tickets += 1;
        state.probe = state.tickets;
        Admission::Probe(Probe { breaker: Arc::clone(self), ticket: state.tickets })
    }

    /// An answer has begun. Closes it, whoever asked.
    pub fn succeeded(&self, knobs: &HealthKnobs, now_ms: u64) -> Option<Change> {
        if !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.lock();
        if !self.is_closed() {
            self.close(&mut state);
            return Some(Change::Closed);
        }
        (state.failures, state.of_models) = (0, 0);
        state.models.clear();
        state.good = state.good.saturating_add(1);
        if state.cut == 0 && now_ms.abs_diff(state.began_ms) >= knobs.window_ms {
            self.close(&mut state);
        }
        None
    }

    /// An answer came to its end.
    pub fn completed(&self) {
        if self.troubled.load(Ordering::Relaxed) {
            self.lock().cut = 0;
        }
    }

    /// An attempt failed. `asked_ms` is how long the provider wants to be left alone; `probe` is what the request got from
    /// [`Self::admit`]. While it is open only the probe counts: other failures are of requests that began before.
    pub fn failed(
        &self,
        blow: Blow,
        asked_ms: Option<u64>,
        probe: Option<&Probe>,
        (knobs, now_ms): (&HealthKnobs, u64),
    ) -> Option<Change> {
        if !self.watched {
            return None;
        }
        let mut state = self.lock();
        if self.is_closed() {
            self.troubled.store(true, Ordering::Relaxed);
            return state.count(blow, knobs, now_ms).then(|| {
                state.by_models = matches!(blow, Blow::Model(_));
                self.open(&mut state, asked_ms, knobs, now_ms)
            });
        }
        if matches!(blow, Blow::Model(_)) && !state.by_models {
            // It could not be reached, and now it can.
            self.close(&mut state);
            return Some(Change::Closed);
        }
        let tried = probe.is_some_and(|probe| probe.ticket == state.probe);
        tried.then(|| self.open(&mut state, asked_ms, knobs, now_ms))
    }

    fn open(&self, state: &mut State, asked_ms: Option<u64>, knobs: &HealthKnobs, now_ms: u64) -> Change {
        state.openings = state.openings.saturating_add(1);
        state.opened_ms = now_ms;
        state.probe = 0;
        let cooldown = knobs.cooldown(state.openings, asked_ms, now_ms);
        self.until_ms.store(now_ms.saturating_add(cooldown).max(1), Ordering::Relaxed);
        Change::Opened(cooldown)
    }

    fn close(&self, state: &mut State) {
        *state = State { tickets: state.tickets, ..State::default() };
        self.until_ms.store(0, Ordering::Relaxed);
        self.troubled.store(false, Ordering::Relaxed);
    }

    fn left_ms(&self, state: &State, now_ms: u64) -> u64 {
        let left = self.until_ms.load(Ordering::Relaxed).saturating_sub(now_ms);
        if now_ms.saturating_add(SET_BACK_MS) < state.opened_ms { 0 } else { left }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a failure. Answers whether it was the last straw.
    fn count(&mut self, blow: Blow, knobs: &HealthKnobs, now_ms: u64) -> bool {
        let limit = knobs.failure_threshold;
        match blow {
            Blow::AtOnce => return true,
            Blow::Model(model) => {
                // It was reached: that is no row of failures to reach it.
                self.failures = 0;
                let Some(model) = model else { return false };
                self.of_models = self.of_models.saturating_add(1);
                if self.models.len() < MODELS_TO_BLAME && !self.models.contains(&model) {
                    self.models.push(model);
                }
                return self.models.len() >= MODELS_TO_BLAME && self.of_models >= limit;
            }
            Blow::Failure => self.failures = self.failures.saturating_add(1),
            Blow::Cut => {
                // Its beginning was counted as a success.
                self.good = self.good.saturating_sub(1);
                self.cut = self.cut.saturating_add(1);
            }
        }
        if self.bad == 0 || now_ms.abs_diff(self.began_ms) >= knobs.window_ms {
            (self.began_ms, self.good, self.bad) = (now_ms, 0, 0);
        }
        self.bad = self.bad.saturating_add(1);
        let all = self.bad.saturating_add(self.good);
        let share = all >= knobs.min_requests && f64::from(self.bad) >= knobs.failure_share * f64::from(all);
        share || self.failures >= limit || self.cut >= limit
    }
}
