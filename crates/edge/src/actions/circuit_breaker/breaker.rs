//! A breaker: closed while the upstream does well, open for a time when it fails too often, half open to see whether it
//! has recovered. After Michael Nygard, "Release It!", "Circuit Breaker".

use crate::clock::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When a breaker trips, and for how long. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Settings {
    /// It trips when at least this share of answers are failures.
    pub(super) error_threshold: f64,
    /// It does not trip on fewer answers than these in the window.
    pub(super) volume_threshold: u64,
    /// How far back answers count.
    pub(super) window: u64,
    /// How long it stays open before the upstream is tried again.
    pub(super) tripped: u64,
}

/// The window is counted in so many slices.
const SLICES: u64 = 10;

/// One breaker.
pub(super) struct Breaker {
    settings: Settings,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Closed,
    /// Until then, every request is refused.
    Open {
        until: u64,
    },
    /// One request at a time finds out how the upstream is.
    HalfOpen {
        probing: bool,
    },
}

struct State {
    mode: Mode,
    /// Counts changes of the mode: what began under another one says nothing about this.
    era: u64,
    slices: [Slice; SLICES as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    index: u64,
    total: u64,
    failed: u64,
}

/// A request that a breaker lets through, and later tells it what came of it. Dropped without a word, it counts for
/// nothing.
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    era: u64,
    probe: bool,
    outcome: Option<bool>,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let state = State { mode: Mode::Closed, era: 0, slices: [Slice::default(); SLICES as usize] };
        Self { settings, clock, state: Mutex::new(state) }
    }

    /// Lets a request through, or not.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.lock();
        let now = self.now();
        if state.mode == Mode::Closed && state.has_failed(&self.settings, now) {
            state.turn(Mode::Open { until: now + self.settings.tripped });
        }
        if matches!(state.mode, Mode::Open { until } if now >= until) {
            state.turn(Mode::HalfOpen { probing: false });
        }
        let probe = match &mut state.mode {
            Mode::Closed => false,
            Mode::HalfOpen { probing } if !*probing => {
                *probing = true;
                true
            }
            Mode::Open { .. } | Mode::HalfOpen { .. } => return None,
        };
        Some(Permit { breaker: Arc::clone(self), era: state.era, probe, outcome: None })
    }

    /// Whether it is as a new one is.
    pub(super) fn is_idle(&self) -> bool {
        let (state, now) = (self.lock(), self.now());
        state.mode == Mode::Closed && state.sums(&self.settings, now).0 == 0
    }

    fn ended(&self, permit: &Permit) {
        let mut state = self.lock();
        if state.era != permit.era {
            return;
        }
        let now = self.now();
        match (permit.probe, permit.outcome) {
            (false, Some(failed)) => state.count(&self.settings, now, failed),
            (false, None) => {}
            (true, Some(true)) => state.turn(Mode::Open { until: now + self.settings.tripped }),
            (true, Some(false)) => {
                state.slices = Default::default();
                state.turn(Mode::Closed);
            }
            (true, None) => state.mode = Mode::HalfOpen { probing: false },
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, mode: Mode) {
        (self.mode, self.era) = (mode, self.era + 1);
    }

    fn has_failed(&self, settings: &Settings, now: u64) -> bool {
        let (total, failed) = self.sums(settings, now);
        // Both are far below 2^52, where a double would begin to round.
        total >= settings.volume_threshold.max(1) && failed as f64 >= settings.error_threshold * total as f64
    }

    /// Answers and failures in the window.
    fn sums(&self, settings: &Settings, now: u64) -> (u64, u64) {
        let index = index(settings, now);
        let inside = self.slices.iter().filter(|slice| slice.index + SLICES > index);
        inside.fold((0, 0), |(total, failed), slice| (total + slice.total, failed + slice.failed))
    }

    fn count(&mut self, settings: &Settings, now: u64, failed: bool) {
        let index = index(settings, now);
        let at = usize::try_from(index % SLICES).unwrap_or(0);
        let Some(slice) = self.slices.get_mut(at) else { return };
        if slice.index != index {
            *slice = Slice { index, ..Slice::default() };
        }
        slice.total += 1;
        slice.failed += u64::from(failed);
    }
}

/// The number of a slice. Begins at 10, so that slices never used are outside of every window.
fn index(settings: &Settings, now: u64) -> u64 {
    now / (settings.window / SLICES).max(1) + SLICES
}

impl Permit {
    /// The upstream did not answer, as far as is known. A success after it overrides.
    pub(super) fn failed(&mut self) {
        self.outcome = Some(true);
    }

    /// The upstream answered.
    pub(super) fn answered(mut self, failed: bool) {
        self.outcome = Some(failed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker.ended(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use proptest::prelude::*;
    use std::time::Duration;

    const SETTINGS: Settings =
        Settings { error_threshold: 0.5, volume_threshold: 4, window: 10_000, tripped: 5_000 };

    struct World {
        breaker: Arc<Breaker>,
        clock: Arc<Manual>,
    }

    impl World {
        fn new(settings: Settings) -> Self {
            let clock = Arc::new(Manual::default());
            let breaker = Arc::new(Breaker::new(settings, Arc::clone(&clock) as Arc<dyn Clock>));
            Self { breaker, clock }
        }

        /// Sends requests; how many were let through.
        fn ask(&self, failed: bool, times: usize) -> usize {
            (0..times)
                .filter(|_| self.breaker.admit().map(|permit| permit.answered(failed)).is_some())
                .count()
        }

        fn wait(&self, millis: u64) {
            self.clock.advance(Duration::from_millis(millis));
        }
    }

    #[test]
    fn it_trips_at_the_share_and_not_before_the_volume() {
        let world = World::new(SETTINGS);
        assert!(world.breaker.is_idle());
        assert_eq!(world.ask(true, 3), 3, "below the volume");
        assert_eq!(world.ask(false, 4), 1, "the fourth is let through; 3 of 4 is enough");
        assert!(!world.breaker.is_idle());
    }

    #[test]
    fn the_share_is_met_when_it_is_equal() {
        let world = World::new(SETTINGS);
        assert_eq!((world.ask(false, 2), world.ask(true, 2)), (2, 2));
        assert_eq!(world.ask(false, 1), 0, "2 of 4");
        let world = World::new(SETTINGS);
        assert_eq!((world.ask(false, 3), world.ask(true, 2)), (3, 2));
        assert_eq!(world.ask(false, 1), 1, "2 of 5");
        let world = World::new(Settings { error_threshold: 0.0, volume_threshold: 1, ..SETTINGS });
        assert_eq!(world.ask(false, 5), 1, "no failure is enough failures");
    }

    #[test]
    fn what_is_long_ago_counts_no_more() {
        let world = World::new(SETTINGS);
        world.ask(true, 3);
        world.wait(10_000);
        assert_eq!(world.ask(true, 3), 3);
        world.wait(9_000);
        assert_eq!((world.ask(true, 1), world.ask(true, 1)), (1, 0), "those of 9 s ago still count");
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let world = World::new(SETTINGS);
        world.ask(true, 4);
        assert_eq!(world.ask(false, 1), 0);
        world.wait(4_999);
        assert_eq!(world.ask(false, 1), 0);
        world.wait(1);
        let probe = world.breaker.admit().expect("one is let through");
        assert!(world.breaker.admit().is_none() && world.breaker.admit().is_none());
        probe.answered(true);
        assert_eq!(world.ask(false, 1), 0, "open again, for the whole time");
        world.wait(5_000);
        let probe = world.breaker.admit().expect("one is let through");
        drop(probe);
        let mut probe = world.breaker.admit().expect("one that came to nothing makes room for another");
        probe.failed();
        probe.answered(false);
        assert_eq!(world.ask(true, 3), 3, "closed, with an empty window");
    }

    #[test]
    fn what_began_before_it_tripped_says_nothing_after() {
        let world = World::new(SETTINGS);
        let late = world.breaker.admit().expect("closed");
        let later = world.breaker.admit().expect("closed");
        world.ask(true, 4);
        assert_eq!(world.ask(true, 1), 0);
        late.answered(false);
        assert_eq!(world.ask(true, 1), 0, "a late success does not close it");
        world.wait(5_000);
        let probe = world.breaker.admit().expect("half open");
        later.answered(true);
        probe.answered(false);
        assert_eq!(world.ask(true, 3), 3, "a late failure does not open it");
    }

    #[test]
    fn a_failure_that_is_not_taken_back_counts_when_it_ends() {
        let world = World::new(Settings { volume_threshold: 1, error_threshold: 1.0, ..SETTINGS });
        let mut permit = world.breaker.admit().expect("closed");
        permit.failed();
        drop(permit);
        assert_eq!(world.ask(false, 1), 0);
    }

    proptest! {
        #[test]
        fn open_for_as_long_as_it_says_and_never_two_probes(steps in proptest::collection::vec((0..4_u8, 0..3_000_u64), 1..200)) {
            let world = World::new(SETTINGS);
            let mut held: Vec<Permit> = Vec::new();
            for (what, millis) in steps {
                world.wait(millis);
                match what {
                    0 => held.extend(world.breaker.admit()),
                    1 if !held.is_empty() => held.remove(0).answered(true),
                    2 if !held.is_empty() => held.remove(0).answered(false),
                    _ => { held.pop(); }
                }
                let era = world.breaker.lock().era;
                let probes = held.iter().filter(|permit| permit.probe && permit.era == era).count();
                prop_assert!(probes <= 1);
                let mode = world.breaker.lock().mode;
                if let Mode::Open { until } = mode {
                    prop_assert!(until <= world.breaker.now() + SETTINGS.tripped);
                }
                if probes == 1 {
                    prop_assert_eq!(mode, Mode::HalfOpen { probing: true });
                }
            }
        }
    }
}
