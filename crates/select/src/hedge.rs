//! When a second attempt may begin beside a slow one, and how many may: a share of requests, and money a minute.
//!
//! Both bounds are one number each that is changed at one stroke: no request waits for another here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What one hedge takes of the share.
const WHOLE: u64 = 1_000_000;
/// Hedges that quiet times may save up.
const SAVED: u64 = 10 * WHOLE;
/// A minute in microseconds.
const MINUTE: u64 = 60_000_000;

/// After how long the next candidate is asked too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// A percentile (1 to 100) of the model's own times until the first content.
    Percentile(u8),
    /// A time.
    Time(Duration),
}

/// What a policy says about hedging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeKnobs {
    /// `after`. Default the 95th percentile.
    pub after: HedgeAfter,
    /// Answers in the window below which a percentile says nothing (`min_samples`). Default 30.
    pub min_samples: u32,
    /// Hedges for a million requests (`max_share`). Default 50 000.
    pub max_share_millionths: u64,
    /// What hedges may cost in a minute, in millionths of a dollar (`max_cost_per_minute`). Default 500 000.
    pub max_micros_per_minute: u64,
}

impl Default for HedgeKnobs {
    fn default() -> Self {
        Self {
            after: HedgeAfter::Percentile(95),
            min_samples: 30,
            max_share_millionths: WHOLE / 20,
            max_micros_per_minute: 500_000,
        }
    }
}

/// What is left of the bounds of one policy.
#[derive(Debug, Default)]
pub struct Allowance {
    /// Millionths of hedges that requests have earned.
    earned: AtomicU64,
    /// When all that was spent is paid for, in microseconds since the Unix epoch: each minute pays for a minute's money.
    paid_at_us: AtomicU64,
}

/// Money that was put aside for one hedge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    micros: u64,
}

impl Allowance {
    /// Counts a request: each earns its share of a hedge.
    pub fn request(&self, knobs: &HedgeKnobs) {
        let earned = |had: u64| Some(had.saturating_add(knobs.max_share_millionths).min(SAVED));
        // An update that always gives a value cannot fail.
        let _ = self.earned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earned);
    }

    /// Takes the place of a hedge that may cost `micros` millionths of a dollar. `None` when requests have not earned one,
    /// or when a minute's money does not reach.
    pub fn take(&self, knobs: &HedgeKnobs, micros: u64, now_us: u64) -> Option<Reserved> {
        let pay = |had: u64| had.checked_sub(WHOLE);
        self.earned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).ok()?;
        let spend = |paid_at: u64| {
            let then = paid_at.max(now_us).saturating_add(time_of(knobs, micros)?);
            (then - now_us <= MINUTE).then_some(then)
        };
        if self.paid_at_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_err() {
            self.earned.fetch_add(WHOLE, Ordering::Relaxed);
            return None;
        }
        Some(Reserved { micros })
    }

    /// Gives everything back: the hedge never began.
    pub fn give_back(&self, knobs: &HedgeKnobs, reserved: Reserved) {
        self.earned.fetch_add(WHOLE, Ordering::Relaxed);
        self.settle(knobs, reserved, 0);
    }

    /// Replaces what was put aside by what a hedge cost.
    pub fn settle(&self, knobs: &HedgeKnobs, reserved: Reserved, micros: u64) {
        let (put_aside, cost) = (time_of(knobs, reserved.micros), time_of(knobs, micros));
        let (put_aside, cost) = (put_aside.unwrap_or(0), cost.unwrap_or(MINUTE));
        let settled = |paid_at: u64| Some(paid_at.saturating_sub(put_aside).saturating_add(cost));
        let _ = self.paid_at_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, settled);
    }
}

/// The time that pays for an amount, rounded up; `None` when none does.
fn time_of(knobs: &HedgeKnobs, micros: u64) -> Option<u64> {
    if micros == 0 {
        return Some(0);
    }
    let limit = u128::from(knobs.max_micros_per_minute);
    let time = (u128::from(micros) * u128::from(MINUTE)).checked_add(limit.saturating_sub(1))?;
    u64::try_from(time.checked_div(limit)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000_000_000;

    fn knobs(share: u64, micros: u64) -> HedgeKnobs {
        HedgeKnobs { max_share_millionths: share, max_micros_per_minute: micros, ..HedgeKnobs::default() }
    }

    #[test]
    fn requests_earn_hedges() {
        let (knobs, allowance) = (knobs(50_000, 1_000_000), Allowance::default());
        for _ in 0..19 {
            allowance.request(&knobs);
        }
        assert_eq!(allowance.take(&knobs, 0, NOW), None);
        allowance.request(&knobs);
        assert!(allowance.take(&knobs, 0, NOW).is_some());
        assert_eq!(allowance.take(&knobs, 0, NOW), None);
        for _ in 0..10_000 {
            allowance.request(&knobs);
        }
        let many = (0..100).filter(|_| allowance.take(&knobs, 0, NOW).is_some()).count();
        assert_eq!(many, 10, "quiet times are not saved up for ever");
    }

    #[test]
    fn a_minute_has_its_money() {
        let (knobs, allowance) = (knobs(WHOLE, 100_000), Allowance::default());
        for _ in 0..10 {
            allowance.request(&knobs);
        }
        let first = allowance.take(&knobs, 60_000, NOW).unwrap();
        assert_eq!(allowance.take(&knobs, 60_000, NOW), None);
        assert!(allowance.take(&knobs, 40_000, NOW).is_some());
        assert_eq!(allowance.take(&knobs, 1, NOW), None);
        assert!(allowance.take(&knobs, 0, NOW).is_some(), "what costs nothing may always be done");
        allowance.settle(&knobs, first, 10_000);
        assert!(allowance.take(&knobs, 50_000, NOW).is_some());
        assert_eq!(allowance.take(&knobs, 100_000, NOW + MINUTE / 2), None);
        let back = allowance.take(&knobs, 50_000, NOW + MINUTE / 2).unwrap();
        allowance.give_back(&knobs, back);
        assert!(allowance.take(&knobs, 50_000, NOW + MINUTE / 2).is_some());
        assert_eq!(
            allowance.take(&knobs, 100_001, NOW + 60 * MINUTE),
            None,
            "more than a minute's money at once"
        );
    }

    #[test]
    fn without_money_only_what_is_free() {
        let (knobs, allowance) = (knobs(WHOLE, 0), Allowance::default());
        allowance.request(&knobs);
        assert_eq!(allowance.take(&knobs, 1, NOW), None);
        assert!(allowance.take(&knobs, 0, NOW).is_some(), "what was refused is given back");
    }

    proptest! {
        /// Never more hedges than the share, nor more money than the minutes since the first had, and one.
        #[test]
        fn bounds_hold(
            share in 1_u64..=WHOLE, limit in 1_u64..1_000_000,
            steps in prop::collection::vec((0_u64..10_000_000, 0_u64..500_000, 0_u64..500_000, any::<bool>()), 1..200),
        ) {
            let (knobs, allowance) = (knobs(share, limit), Allowance::default());
            let (mut now, mut requests, mut hedges, mut spent) = (NOW, 0_u64, 0_u64, 0_u64);
            for (wait, worst, cost, settles) in steps {
                now += wait;
                requests += 1;
                allowance.request(&knobs);
                let Some(reserved) = allowance.take(&knobs, worst, now) else { continue };
                hedges += 1;
                let cost = if settles { cost.min(worst) } else { worst };
                allowance.settle(&knobs, reserved, cost);
                spent += cost;
                prop_assert!(hedges * WHOLE <= requests * share);
                let most = u128::from(limit) * u128::from(now - NOW + MINUTE) / u128::from(MINUTE);
                prop_assert!(u128::from(spent) <= most, "{} of {}", spent, most);
            }
        }
    }
}
