//! The sliding window of one bucket.
//!
//! Admissions are counted in slots of ten seconds, of a sixtieth of the window where that is longer. A slot knows when
//! its first and its last admission was; the part of them that has left the window is taken to be spread evenly between
//! these two. So a window needs at most 62 slots however many requests it admits, and what it takes for used is off by
//! less than one slot's admissions.

use smallvec::SmallVec;

/// How much a bucket admits in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Requests in a window; at least one.
    pub(crate) capacity: u64,
    /// The length of the window in milliseconds.
    pub(crate) rate: u64,
}

/// What a bucket says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was counted.
    Admitted,
    /// It was not counted; one more fits after so many milliseconds.
    Limited {
        /// More than zero, and at most the length of the window.
        wait: u64,
    },
}

/// The shortest slot, in milliseconds.
const SLOT: u64 = 10_000;
/// Windows longer than this have longer slots: as many as fit into this one, of the shortest.
const SLOTS: u64 = 60;

impl Limit {
    /// The length of a slot, in milliseconds: a multiple of ten seconds.
    fn slot(self) -> u64 {
        self.rate.div_ceil(SLOTS).div_ceil(SLOT).max(1) * SLOT
    }
}

/// Admissions of one slot. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u64,
    last: u64,
    count: u64,
}

/// What was admitted, oldest first. Empty at the beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Window(SmallVec<[Slot; 1]>);

impl Window {
    /// Counts a request if it fits. `now` may not be less than in an earlier call.
    pub(super) fn take(&mut self, now: u64, limit: Limit) -> Verdict {
        self.0.retain(|slot| !slot.passed(now, limit));
        let used: u64 = self.0.iter().map(|slot| slot.weight(now, limit)).sum();
        if used >= limit.capacity {
            return Verdict::Limited { wait: self.wait(now, limit, used) };
        }
        match self.0.last_mut().filter(|slot| slot.first / limit.slot() == now / limit.slot()) {
            Some(slot) => (slot.last, slot.count) = (now, slot.count + 1),
            None => self.0.push(Slot { first: now, last: now, count: 1 }),
        }
        Verdict::Admitted
    }

    /// When the last admission leaves the window.
    pub(super) fn ends(&self, limit: Limit) -> u64 {
        self.0.last().map_or(0, |slot| slot.last + limit.rate)
    }

    /// The time until one more fits.
    fn wait(&self, now: u64, limit: Limit, used: u64) -> u64 {
        let mut excess = (used + 1).saturating_sub(limit.capacity);
        for slot in &self.0 {
            let weight = slot.weight(now, limit);
            match weight.checked_sub(excess) {
                Some(left) => return slot.when(left, limit).saturating_sub(now).max(1),
                None => excess -= weight,
            }
        }
        1
    }
}

impl Slot {
    /// Whether all of it has left the window.
    fn passed(&self, now: u64, limit: Limit) -> bool {
        self.last + limit.rate <= now
    }

    /// How many of its admissions are still in the window, rounded up.
    fn weight(&self, now: u64, limit: Limit) -> u64 {
        if self.passed(now, limit) {
            return 0;
        }
        let left = self.last + limit.rate - now;
        let span = self.last - self.first;
        if left >= span { self.count } else { (self.count * left).div_ceil(span) }
    }

    /// When its weight has come down to `target`, which is less than what it is now.
    fn when(&self, target: u64, limit: Limit) -> u64 {
        let span = self.last - self.first;
        self.last + limit.rate - target * span / self.count.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Limit = Limit { capacity: 2, rate: 60_000 };

    #[test]
    fn the_third_of_two_waits_until_the_first_has_left() {
        let mut window = Window::default();
        assert_eq!(window.take(1_000, MINUTE), Verdict::Admitted);
        assert_eq!(window.take(21_000, MINUTE), Verdict::Admitted);
        assert_eq!(window.take(22_000, MINUTE), Verdict::Limited { wait: 39_000 });
        assert_eq!(window.take(60_999, MINUTE), Verdict::Limited { wait: 1 });
        assert_eq!(window.take(61_000, MINUTE), Verdict::Admitted);
        assert_eq!(window.take(61_000, MINUTE), Verdict::Limited { wait: 20_000 });
    }

    #[test]
    fn slots_are_a_sixtieth_of_long_windows() {
        for (rate, slot) in [(60, 10), (600, 10), (610, 20), (3_600, 60), (86_400, 1_440)] {
            assert_eq!(Limit { capacity: 1, rate: rate * 1_000 }.slot(), slot * 1_000, "{rate}");
        }
    }

    #[test]
    fn a_window_needs_few_slots() {
        let limit = Limit { capacity: u64::MAX >> 1, rate: 86_400_000 };
        let mut window = Window::default();
        for now in (0..200_000_000).step_by(7_000) {
            window.take(now, limit);
        }
        assert!(window.0.len() <= 62, "{}", window.0.len());
    }

    /// Times between requests, in milliseconds: bursts and pauses.
    fn gaps() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(
            prop_oneof![Just(0), 1..50_u64, 1_000..15_000_u64, 50_000..70_000_u64],
            1..300,
        )
    }

    proptest! {
        #[test]
        fn never_more_than_the_capacity_in_a_window_less_one_slot(
            gaps in gaps(), capacity in 1..20_u64, minutes in 1..30_u64,
        ) {
            let limit = Limit { capacity, rate: minutes * 60_000 };
            let (mut window, mut now, mut admitted) = (Window::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                let inside = |length: u64| admitted.iter().filter(|at| **at + length > now).count() as u64;
                match window.take(now, limit) {
                    Verdict::Admitted => {
                        prop_assert!(inside(limit.rate - limit.slot()) < capacity);
                        admitted.push(now);
                    }
                    // What is refused would not fit into a window that is as long as the limit says.
                    Verdict::Limited { .. } => prop_assert!(inside(limit.rate + limit.slot()) >= capacity),
                }
            }
        }

        #[test]
        fn who_waits_as_told_is_admitted_and_not_a_moment_before(
            gaps in gaps(), capacity in 1..20_u64, minutes in 1..30_u64,
        ) {
            let limit = Limit { capacity, rate: minutes * 60_000 };
            let (mut window, mut now) = (Window::default(), 0);
            for gap in gaps {
                now += gap;
                if let Verdict::Limited { wait } = window.clone().take(now, limit) {
                    prop_assert!((1..=limit.rate).contains(&wait));
                    prop_assert_eq!(window.clone().take(now + wait, limit), Verdict::Admitted);
                    prop_assert_ne!(window.clone().take(now + wait - 1, limit), Verdict::Admitted);
                }
                window.take(now, limit);
            }
        }
    }
}
