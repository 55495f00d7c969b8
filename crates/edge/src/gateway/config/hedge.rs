//! `hedge`: a second attempt beside a slow one.

use std::time::Duration;
use tollgate_policy::{Checker, Config};
use tollgate_select::{HedgeAfter, HedgeKnobs};

const CODE: &str = "ERR_NGROK_2225";

/// What the shapes of the fields do not say: settings that never come to anything.
pub(super) fn check(config: &Config<'_>, checker: &mut Checker) {
    let (Some(hedge), Some(knobs)) = (config.get("hedge"), read(config)) else { return };
    if let (HedgeAfter::Time(after), Some(at)) = (knobs.after, hedge.get("after")) {
        let per_request = config.get("per_request_timeout").and_then(|c| c.as_duration());
        if after >= per_request.unwrap_or(super::PER_REQUEST) {
            let message = "`hedge.after` has no effect: `per_request_timeout` ends an attempt before";
            checker.warning(at, CODE, message.into(), Some("make `after` the shorter one".into()));
        }
        if let Some(samples) = hedge.get("min_samples") {
            let message = "`hedge.min_samples` has no effect: `after` is a time, not a percentile";
            checker.warning(samples, CODE, message.into(), None);
        }
    }
    if let Some(at) = config.get("max_attempts").filter(|at| at.as_u64() == Some(1)) {
        let message =
            "`max_attempts: 1` leaves nothing to hedge with: a second attempt beside the first counts too";
        checker.warning(at, CODE, message.into(), Some("allow two attempts, or leave out `hedge`".into()));
    }
}

/// The knobs, with defaults for what is left out; `None` without `hedge`.
pub(super) fn read(config: &Config<'_>) -> Option<HedgeKnobs> {
    let hedge = config.get("hedge")?;
    let usual = HedgeKnobs::default();
    let millionths = |name: &str, default: u64| {
        let number = hedge.get(name).and_then(|c| c.as_f64());
        // Shapes bound the number: it is neither negative nor too large.
        number.map_or(default, |number| (number * 1e6).round() as u64)
    };
    let after = hedge.get("after").and_then(|c| c.as_str());
    let samples = hedge.get("min_samples").and_then(|c| c.as_u64()).and_then(|n| u32::try_from(n).ok());
    Some(HedgeKnobs {
        after: after.and_then(read_after).unwrap_or(usual.after),
        min_samples: samples.unwrap_or(usual.min_samples),
        max_share_millionths: millionths("max_share", usual.max_share_millionths),
        max_micros_per_minute: millionths("max_cost_per_minute", usual.max_micros_per_minute),
    })
}

/// `p95` or `800ms`
fn read_after(text: &str) -> Option<HedgeAfter> {
    if let Some(percent) = text.strip_prefix('p') {
        return percent.parse().ok().map(HedgeAfter::Percentile);
    }
    let time: Duration = tollgate_policy::parse_duration(text).ok()?;
    Some(HedgeAfter::Time(time))
}
